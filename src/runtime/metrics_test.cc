#include "runtime/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::runtime {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, WritesPrometheusText) {
  const SystemClock clock;
  const auto key = *crypto::PrivateKey::generate(crypto::KeyType::kP256);
  Admission admission(key.public_key(), clock);
  channel::TokenEntry entry{.id = "team-a.1", .token_sha256 = channel::token_digest(as_bytes("t"))};
  ASSERT_TRUE(
      admission.replace(*channel::sign_token_list(
                            {.version = 4, .not_after = clock.now() + std::chrono::hours(1), .entries = {entry}}, key),
                        MonotonicTime{}));
  admission.callers()[0]->counters.prompt_tokens = 12;
  server::ServerMetrics server;
  server.completed = 3;
  const std::string text(
      as_text(write_metrics(server, {.requests = 2, .quotes = 1, .failures = 0},
                            {.starts = 1, .exits = 0, .output_bytes = 5, .ready = true}, admission)));
  EXPECT_THAT(text, HasSubstr("# TYPE gateway_answers_total counter\n"));
  EXPECT_THAT(text, HasSubstr("gateway_answers_total{by=\"workload\",ending=\"complete\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("gateway_model_tokens_total{token=\"team-a.1\",kind=\"prompt\"} 12\n"));
  EXPECT_THAT(text, HasSubstr("gateway_token_list_version 4\n"));
  EXPECT_THAT(text, HasSubstr("gateway_workload_ready 1\n"));
  EXPECT_EQ(text.back(), '\n');
}

}  // namespace
}  // namespace gateway::runtime
