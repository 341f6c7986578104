#include "channel/deployment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::channel {
namespace {

using ::testing::ElementsAre;

const crypto::PublicKey& access_key() {
  static const auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256)->public_key();
  return key;
}

std::string with(std::string_view rest) { return make_default_config(access_key()) + std::string(rest); }

std::string id_of(std::string_view text) {
  const auto result = parse_deployment(text, "config.toml");
  return result ? "accepted" : std::string(result.error().id());
}

TEST(Deployment, TheDefaultSaysNothingButTheKey) {
  const auto config = parse_deployment(make_default_config(access_key()), "config.toml");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->access_key.spki(), access_key().spki());
  EXPECT_FALSE(config->paths);
  EXPECT_TRUE(config->args.empty());
  EXPECT_TRUE(config->env.empty());
  EXPECT_FALSE(config->log_level);
  EXPECT_EQ(make_default_config(access_key()), make_default_config(access_key()));
}

TEST(Deployment, ReadsEverySlot) {
  const auto config = parse_deployment(with(R"(
[ingress]
paths = ["/v1/completions", "/v1/models"]
[workload]
args = ["--threads", "2"]
env = { ALIAS = "small" }
[limits]
max_header = 4096
max_body = 1024
max_connections = 10
max_in_flight = 2
response_timeout = "30s"
[logging]
level = "warning"
)"),
                                       "config.toml");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_THAT(*config->paths, ElementsAre("/v1/completions", "/v1/models"));
  EXPECT_THAT(config->args, ElementsAre("--threads", "2"));
  EXPECT_EQ(config->env.at("ALIAS"), "small");
  EXPECT_EQ(config->limits.max_header, 4096U);
  EXPECT_EQ(config->limits.max_body, 1024U);
  EXPECT_EQ(config->limits.max_connections, 10U);
  EXPECT_EQ(config->limits.max_in_flight, 2U);
  EXPECT_EQ(config->limits.response_timeout, std::chrono::seconds(30));
  EXPECT_EQ(config->log_level, log::Level::kWarning);
}

TEST(Deployment, RefusesUnknownKeysEverywhere) {
  EXPECT_EQ(id_of(with("egress = [\"example.com\"]\n")), "toml.unknown_key");
  EXPECT_EQ(id_of(with("[ingress]\nprofile = \"http\"\n")), "toml.unknown_key");
  EXPECT_EQ(id_of(with("[workload]\nuid = 0\n")), "toml.unknown_key");
  EXPECT_EQ(id_of(with("[limits]\nmax_heads = 1\n")), "toml.unknown_key");
  EXPECT_EQ(id_of(with("[logging]\ninsecure_logs_to_host = true\n")), "toml.unknown_key");
}

TEST(Deployment, RefusesWhatIsNotToml) { EXPECT_EQ(id_of("version = "), "toml.syntax"); }

TEST(Deployment, RefusesOtherVersions) {
  std::string text = make_default_config(access_key());
  text.replace(text.find("version = 1"), 11, "version = 2");
  EXPECT_EQ(id_of(text), "deployment.version");
}

TEST(Deployment, RefusesAccessKeysThatAreNotP256) {
  EXPECT_EQ(id_of("version = 1\n"), "toml.missing_key");
  EXPECT_EQ(id_of("version = 1\naccess_key = \"no base64!\"\n"), "deployment.access_key");
  EXPECT_EQ(id_of("version = 1\naccess_key = \"AAAA\"\n"), "deployment.access_key");
  const auto p384 = crypto::PrivateKey::generate(crypto::KeyType::kP384)->public_key();
  EXPECT_EQ(id_of(make_default_config(p384)), "deployment.access_key");
}

TEST(Deployment, RefusesPathsThatAreNotPaths) {
  EXPECT_EQ(id_of(with("[ingress]\npaths = [\"v1\"]\n")), "deployment.path");
  std::string many = "[ingress]\npaths = [";
  for (std::size_t i = 0; i <= kMaxDeploymentPaths; ++i) many += "\"/p\",";
  EXPECT_EQ(id_of(with(many + "]\n")), "deployment.path");
}

TEST(Deployment, RefusesArgumentsAndVariablesOutsideTheirBounds) {
  EXPECT_EQ(id_of(with("[workload]\nargs = [\"a\\u0000b\"]\n")), "deployment.argument");
  EXPECT_EQ(id_of(with("[workload]\nargs = [\"" + std::string(kMaxDeploymentText + 1, 'a') + "\"]\n")),
            "deployment.argument");
  EXPECT_EQ(id_of(with("[workload]\nenv = { \"A=B\" = \"x\" }\n")), "deployment.environment");
  EXPECT_EQ(id_of(with("[workload]\nenv = { \"1A\" = \"x\" }\n")), "deployment.environment");
  EXPECT_EQ(id_of(with("[workload]\nenv = { A = \"x\\u0000y\" }\n")), "deployment.environment");
  std::string many = "[workload.env]\n";
  for (std::size_t i = 0; i <= kMaxDeploymentVariables; ++i) many += "V" + std::to_string(i) + " = \"x\"\n";
  EXPECT_EQ(id_of(with(many)), "deployment.environment");
}

TEST(Deployment, RefusesLimitsThatAreNotPositive) {
  EXPECT_EQ(id_of(with("[limits]\nmax_body = 0\n")), "deployment.limit");
  EXPECT_EQ(id_of(with("[limits]\nmax_body = -1\n")), "deployment.limit");
  EXPECT_EQ(id_of(with("[limits]\nresponse_timeout = \"0s\"\n")), "deployment.limit");
}

TEST(Deployment, RefusesUnknownLevels) { EXPECT_EQ(id_of(with("[logging]\nlevel = \"trace\"\n")), "deployment.level"); }

TEST(Deployment, RefusesMoreThanTheLimit) {
  EXPECT_EQ(id_of(with("#" + std::string(kMaxDeploymentSize, 'x'))), "deployment.size");
}

}  // namespace
}  // namespace gateway::channel
