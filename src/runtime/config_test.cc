#include "runtime/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/test_parts.h"

namespace gateway::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NarrowTest : public ::testing::Test {
 protected:
  NarrowTest() {
    description_.slots.args_append = true;
    description_.slots.env = {"ALIAS"};
    description_.workload.env = {{"FIXED", "image"}};
    description_.limits.max_in_flight = 8;
  }
  Result<EffectiveConfig> narrowed(std::string_view toml) const {
    const auto deployment = channel::parse_deployment(channel::make_default_config(key_) + std::string(toml), "config");
    EXPECT_TRUE(deployment) << deployment.error().message();
    return narrow(description_, *deployment);
  }
  // The key that a refusal names.
  std::string refused(std::string_view toml) const {
    const auto result = narrowed(toml);
    if (result) return "accepted";
    EXPECT_EQ(result.error().id(), "config.widens");
    return result.error().detail().substr(0, result.error().detail().find(':'));
  }
  crypto::PublicKey key_ = crypto::PrivateKey::generate(crypto::KeyType::kP256)->public_key();
  image::Description description_ = test_description();
};

TEST_F(NarrowTest, WithoutKeysTheImageStands) {
  const auto config = narrowed("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->paths, description_.ingress.paths);
  EXPECT_EQ(config->argv, description_.workload.argv);
  EXPECT_EQ(config->env, description_.workload.env);
  EXPECT_EQ(config->limits.max_body, description_.limits.max_body);
  EXPECT_EQ(config->limits.http.max_head, description_.limits.max_header);
  EXPECT_EQ(config->limits.max_in_flight, 8U);
  EXPECT_EQ(config->limits.response_timeout, description_.limits.response_timeout);
  EXPECT_EQ(config->log_level, log::Level::kInfo);
}

TEST_F(NarrowTest, TakesWhatNarrows) {
  const auto config = narrowed(R"(
[ingress]
paths = ["/v1/completions", "/v1/a/*"]
[workload]
args = ["--more"]
env = { ALIAS = "x" }
[limits]
max_body = 100
max_header = 2048
max_connections = 3
max_in_flight = 8
idle_timeout = "1s"
[logging]
level = "error"
)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_THAT(config->paths, ElementsAre("/v1/completions", "/v1/a/*"));
  EXPECT_EQ(config->argv.back(), "--more");
  EXPECT_EQ(config->env.at("ALIAS"), "x");
  EXPECT_EQ(config->env.at("FIXED"), "image");
  EXPECT_EQ(config->limits.max_body, 100U);
  EXPECT_EQ(config->limits.http.max_head, 2048U);
  EXPECT_EQ(config->limits.http.max_target, 2048U);
  EXPECT_EQ(config->limits.max_connections, 3U);
  EXPECT_EQ(config->limits.idle_timeout, std::chrono::seconds(1));
  EXPECT_EQ(config->log_level, log::Level::kError);
}

TEST_F(NarrowTest, NoPathsAtAllIsNarrowerStill) {
  const auto config = narrowed("[ingress]\npaths = []\n");
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->paths.empty());
}

TEST_F(NarrowTest, RefusesPathsOutsideTheImages) {
  EXPECT_EQ(refused("[ingress]\npaths = [\"/admin\"]\n"), "ingress.paths");
  EXPECT_EQ(refused("[ingress]\npaths = [\"/*\"]\n"), "ingress.paths");
  EXPECT_EQ(refused("[ingress]\npaths = [\"/v1/../admin\"]\n"), "ingress.paths");
  EXPECT_EQ(refused("[ingress]\npaths = [\"/stream/*\"]\n"), "ingress.paths");
}

TEST_F(NarrowTest, RefusesPathsWhereTheImageHasNoSlot) {
  description_.slots.paths_narrow = false;
  EXPECT_EQ(refused("[ingress]\npaths = [\"/stream\"]\n"), "ingress.paths");
}

TEST_F(NarrowTest, RefusesArgumentsWhereTheImageHasNoSlot) {
  description_.slots.args_append = false;
  EXPECT_EQ(refused("[workload]\nargs = [\"--slots\"]\n"), "workload.args");
}

TEST_F(NarrowTest, RefusesVariablesThatTheImageDoesNotName) {
  EXPECT_EQ(refused("[workload]\nenv = { LD_PRELOAD = \"/tmp/x.so\" }\n"), "workload.env.LD_PRELOAD");
}

TEST_F(NarrowTest, RefusesVariablesThatTheImageFixes) {
  description_.slots.env.push_back("FIXED");
  EXPECT_EQ(refused("[workload]\nenv = { FIXED = \"host\" }\n"), "workload.env.FIXED");
}

TEST_F(NarrowTest, RefusesEachLimitAboveTheImages) {
  EXPECT_EQ(refused("[limits]\nmax_header = 65537\n"), "limits.max_header");
  EXPECT_EQ(refused("[limits]\nmax_body = 8388609\n"), "limits.max_body");
  EXPECT_EQ(refused("[limits]\nmax_connections = 4097\n"), "limits.max_connections");
  EXPECT_EQ(refused("[limits]\nmax_in_flight = 9\n"), "limits.max_in_flight");
  EXPECT_EQ(refused("[limits]\nhead_timeout = \"11s\"\n"), "limits.head_timeout");
  EXPECT_EQ(refused("[limits]\nbody_timeout = \"31s\"\n"), "limits.body_timeout");
  EXPECT_EQ(refused("[limits]\nidle_timeout = \"76s\"\n"), "limits.idle_timeout");
  EXPECT_EQ(refused("[limits]\nresponse_timeout = \"11m\"\n"), "limits.response_timeout");
}

TEST_F(NarrowTest, RefusesMoreLoggingThanTheImages) {
  EXPECT_EQ(refused("[logging]\nlevel = \"debug\"\n"), "logging.level");
}

}  // namespace
}  // namespace gateway::runtime
