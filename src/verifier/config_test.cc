#include "verifier/config.h"

#include <gtest/gtest.h>

namespace gateway::verifier {
namespace {

constexpr std::string_view kLeast =
    "listen = \"127.0.0.1:1\"\near_key = \"k\"\n[[policy]]\nid = \"a\"\nfile = \"a.toml\"\n";

std::string refused(const std::string& text) {
  const auto config = ServiceConfig::parse(text, "v.toml");
  return config ? "accepted" : std::string(config.error().id());
}

TEST(ServiceConfig, ReadsEveryKey) {
  const std::string digest(64, 'a');
  const auto config = ServiceConfig::parse(
      "listen = \"127.0.0.1:1\"\near_key = \"k\"\ntls = { certificate = \"c\", key = \"t\" }\ncollateral = [\"d\"]\n"
      "max_sessions = 5\nsession_life = \"30s\"\nanonymous_per_minute = 7\n[[policy]]\nid = \"a\"\nfile = \"a.toml\"\n"
      "[[caller]]\nid = \"x\"\ntoken_sha256 = \"" +
          digest + "\"\nper_minute = 0\n",
      "v.toml");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->tls_certificate, "c");
  EXPECT_EQ(config->tls_key, "t");
  EXPECT_EQ(config->collateral, std::vector<std::string>{"d"});
  EXPECT_EQ(config->max_sessions, 5U);
  EXPECT_EQ(config->session_life, std::chrono::seconds(30));
  EXPECT_EQ(config->anonymous_per_minute, 7U);
  ASSERT_EQ(config->policies.size(), 1U);
  EXPECT_EQ(config->policies[0].file, "a.toml");
  ASSERT_EQ(config->callers.size(), 1U);
  EXPECT_EQ(config->callers[0].per_minute, 0U);
}

TEST(ServiceConfig, HasDefaultsThatBound) {
  const auto config = ServiceConfig::parse(kLeast, "v.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->anonymous_per_minute, 600U);
  EXPECT_EQ(config->max_sessions, 10'000U);
  EXPECT_EQ(config->session_life, std::chrono::minutes(5));
}

TEST(ServiceConfig, RefusesWhatItDoesNotKnow) {
  const std::string least(kLeast);
  EXPECT_EQ(refused("listn = \"x\"\n" + least), "toml.unknown_key");
  EXPECT_EQ(refused("max_sessions = 0\n" + least), "toml.bad_value");
  EXPECT_EQ(refused("session_life = \"25h\"\n" + least), "toml.bad_value");
  EXPECT_EQ(refused("tls = { certificate = \"c\" }\n" + least), "toml.missing_key");
  EXPECT_EQ(refused("listen = \"x\"\near_key = \"k\"\n"), "verifier.config_policy");
  EXPECT_EQ(refused(least + "[[policy]]\nid = \"a\"\nfile = \"b\"\n"), "verifier.config_policy");
  EXPECT_EQ(refused(least + "[[policy]]\nid = \"a b\"\nfile = \"b\"\n"), "toml.bad_value");
  EXPECT_EQ(refused(least + "[[caller]]\nid = \"x\"\ntoken_sha256 = \"aa\"\n"), "toml.bad_value");
  const std::string caller = "[[caller]]\nid = \"x\"\ntoken_sha256 = \"" + std::string(64, 'a') + "\"\n";
  EXPECT_EQ(refused(least + caller + caller), "verifier.config_caller");
}

}  // namespace
}  // namespace gateway::verifier
