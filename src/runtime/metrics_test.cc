#include "runtime/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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
  EXPECT_THAT(text, Not(HasSubstr("gateway_egress"))) << "an image without ways out has no figures of them";
  EXPECT_THAT(text, HasSubstr("gateway_workload_ready 1\n"));
  EXPECT_EQ(text.back(), '\n');
}

TEST(Metrics, CountWaysOutWhereThereAreAny) {
  const egress::EgressMetrics egress{.opened = 3, .refused = 5, .failed = 1, .open = 2};
  const KmsMetrics kms{.calls = 7, .refused = 8, .failed = 9};
  const SystemClock clock;
  const Admission admission(crypto::PrivateKey::generate(crypto::KeyType::kP256).value().public_key(), clock);
  const Bytes bytes = write_metrics({}, {}, {}, admission, {.egress = &egress, .kms = &kms});
  const std::string_view text = as_text(bytes);
  EXPECT_THAT(text, HasSubstr("gateway_egress_opened_total 3\n"));
  EXPECT_THAT(text, HasSubstr("gateway_egress_refused_total 5\n"));
  EXPECT_THAT(text, HasSubstr("gateway_egress_failed_total 1\n"));
  EXPECT_THAT(text, HasSubstr("gateway_egress_connections 2\n"));
  EXPECT_THAT(text, HasSubstr("gateway_kms_calls_total 7\n"));
  EXPECT_THAT(text, HasSubstr("gateway_kms_refused_total 8\n"));
  EXPECT_THAT(text, HasSubstr("gateway_kms_failed_total 9\n"));
}

}  // namespace
}  // namespace gateway::runtime
