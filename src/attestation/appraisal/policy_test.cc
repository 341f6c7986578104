#include "attestation/appraisal/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/testing/fake_vendor.h"

namespace gateway::attestation {
namespace {

std::string digits(std::size_t count, char digit = 'a') { return std::string(count, digit); }

std::string measurements() {
  return "measurements = { \"0\" = \"" + digits(96) + "\", \"1\" = \"" + digits(96, 'b') + "\", \"2\" = \"" +
         digits(96, 'C') + "\" }\n";
}
std::string nitro(const std::string& more = {}) { return "[[accept]]\nplatform = \"nitro\"\n" + measurements() + more; }
std::string local(const std::string& more = {}) {
  return "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + digits(64) + "\"\n" + measurements() + more;
}

std::string refusal(const std::string& toml) {
  const auto policy = Policy::parse(toml, "policy.toml");
  return policy ? "" : std::string(policy.error().id());
}

TEST(Policy, ReadsEveryKey) {
  const auto policy =
      Policy::parse(nitro("config = \"sha384:" + digits(96, '0') +
                          "\"\nmax_age = \"10m\"\nregions = [\"eu-central-1\", \"eu-west-1\"]\ndebug = true\n") +
                        local(),
                    "policy.toml");
  ASSERT_TRUE(policy) << policy.error().message();
  ASSERT_EQ(policy->accept.size(), 2U);
  const PolicyEntry& first = policy->accept[0];
  EXPECT_EQ(first.platform, Platform::kNitro);
  EXPECT_EQ(first.measurements.at(0), Bytes(48, 0xaa));
  EXPECT_EQ(first.measurements.at(2), Bytes(48, 0xcc));
  EXPECT_EQ(*first.config, ByteArray<48>{});
  EXPECT_EQ(first.max_age, std::chrono::minutes(10));
  EXPECT_THAT(first.regions, ::testing::ElementsAre("eu-central-1", "eu-west-1"));
  EXPECT_TRUE(first.insecure_allow_debug);
  EXPECT_FALSE(first.root_sha256);
  const PolicyEntry& second = policy->accept[1];
  EXPECT_EQ(second.platform, Platform::kLocal);
  EXPECT_TRUE(second.root_sha256);
  EXPECT_FALSE(second.config);
  EXPECT_EQ(second.max_age, kDefaultMaxAge);
  EXPECT_FALSE(second.insecure_allow_debug);
  EXPECT_GT(second.line, first.line);
}

TEST(Policy, ReadsAnEmptyFileAsAPolicyThatAcceptsNothing) {
  for (const char* empty : {"", "# nothing\n", "accept = []\n"}) {
    const auto policy = Policy::parse(empty, "policy.toml");
    ASSERT_TRUE(policy) << policy.error().message();
    EXPECT_TRUE(policy->accept.empty());
  }
}

TEST(Policy, RefusesUnknownKeys) {
  EXPECT_EQ(refusal(nitro("allow_everything = true\n")), "toml.unknown_key");
  EXPECT_EQ(refusal(nitro("min_tcb = 3\n")), "toml.unknown_key");
  EXPECT_EQ(refusal("version = 1\n" + nitro()), "toml.unknown_key");
  EXPECT_EQ(refusal("[[acept]]\nplatform = \"nitro\"\n"), "toml.unknown_key");
}

TEST(Policy, PointsAtTheLineOfAMistake) {
  const auto policy = Policy::parse(nitro("regoins = [\"eu-central-1\"]\n"), "policy.toml");
  ASSERT_FALSE(policy);
  EXPECT_THAT(policy.error().detail(), ::testing::HasSubstr("policy.toml:4"));
  EXPECT_THAT(policy.error().message() + policy.error().remedy(), ::testing::HasSubstr("regions"));
}

TEST(Policy, RefusesWhatIsNoToml) {
  EXPECT_EQ(refusal("[[accept]\n"), "toml.syntax");
  EXPECT_EQ(refusal(std::string(kMaxPolicySize + 1, '#')), "toml.size");
}

TEST(Policy, RefusesPlatformsThatItDoesNotKnow) {
  EXPECT_EQ(refusal("[[accept]]\nplatform = \"qemu\"\n"), "toml.bad_value");
  EXPECT_EQ(refusal("[[accept]]\n" + measurements()), "toml.missing_key");
}

TEST(Policy, NeedsTheThreeMeasurements) {
  for (const char* platform : {"platform = \"nitro\"\n", "platform = \"local\"\nroot = \"sha256:"}) {
    std::string head = std::string("[[accept]]\n") + platform;
    if (head.ends_with(":")) head += digits(64) + "\"\n";
    EXPECT_EQ(refusal(head), "policy.measurements_missing");
    EXPECT_EQ(refusal(head + "measurements = {}\n"), "policy.measurements_missing");
    EXPECT_EQ(refusal(head + "measurements = { \"0\" = \"" + digits(96) + "\", \"1\" = \"" + digits(96) + "\" }\n"),
              "policy.measurements_missing");
    EXPECT_EQ(refusal(head + "measurements = { \"8\" = \"" + digits(96) + "\" }\n"), "policy.measurements_missing");
  }
}

TEST(Policy, RefusesBadMeasurements) {
  const auto with = [](const std::string& name, const std::string& value) {
    return refusal("[[accept]]\nplatform = \"nitro\"\nmeasurements = { \"" + name + "\" = \"" + value + "\" }\n");
  };
  for (const char* name : {"32", "-1", "00", "01", "x", "", "0x1", "4294967296"})
    EXPECT_EQ(with(name, digits(96)), "toml.bad_value");
  for (const std::size_t size : {0UZ, 2UZ, 62UZ, 95UZ, 97UZ, 98UZ, 130UZ})
    EXPECT_EQ(with("0", digits(size)), "toml.bad_value");
  EXPECT_EQ(with("0", digits(95) + "g"), "toml.bad_value");
  EXPECT_EQ(refusal("[[accept]]\nplatform = \"nitro\"\nmeasurements = { \"0\" = 1 }\n"), "toml.wrong_type");
}

TEST(Policy, NeedsARootForLocalAlone) {
  EXPECT_EQ(refusal("[[accept]]\nplatform = \"local\"\n" + measurements()), "policy.root_missing");
  EXPECT_EQ(refusal(nitro("root = \"sha256:" + digits(64) + "\"\n")), "policy.root_not_applicable");
  for (const std::string& bad : {digits(64), "sha256:" + digits(62), "sha384:" + digits(96), "SHA256:" + digits(64),
                                 "sha256:" + digits(63) + "g", std::string()}) {
    EXPECT_EQ(refusal("[[accept]]\nplatform = \"local\"\nroot = \"" + bad + "\"\n" + measurements()), "toml.bad_value")
        << bad;
  }
}

TEST(Policy, RefusesBadConfigs) {
  for (const std::string& bad : {digits(96), "sha384:" + digits(94), "sha256:" + digits(64), std::string("sha384:")}) {
    EXPECT_EQ(refusal(nitro("config = \"" + bad + "\"\n")), "toml.bad_value") << bad;
  }
}

TEST(Policy, RefusesBadReportData) {
  EXPECT_EQ(refusal(nitro("report_data = \"00\"\n")), "");
  EXPECT_EQ(refusal(nitro("report_data = \"" + digits(2048) + "\"\n")), "");
  for (const std::string& bad : {std::string(), std::string("0"), std::string("xx"), digits(2050)}) {
    EXPECT_EQ(refusal(nitro("report_data = \"" + bad + "\"\n")), "toml.bad_value") << bad;
  }
}

TEST(Policy, RefusesBadRegions) {
  EXPECT_EQ(refusal(nitro("regions = []\n")), "toml.bad_value");
  EXPECT_EQ(refusal(nitro("regions = [\"EU\"]\n")), "toml.bad_value");
  EXPECT_EQ(refusal(nitro("regions = [\"\"]\n")), "toml.bad_value");
  std::string many = "regions = [";
  for (int i = 0; i <= 64; ++i) many += "\"eu-central-1\", ";
  EXPECT_EQ(refusal(nitro(many + "]\n")), "toml.bad_value");
  EXPECT_EQ(refusal(nitro("regions = \"eu-central-1\"\n")), "toml.wrong_type");
  EXPECT_EQ(refusal(local("regions = [\"eu-central-1\"]\n")), "policy.regions_not_applicable");
}

TEST(Policy, RefusesBadAges) {
  for (const char* bad : {"0s", "367d", "soon", "5", ""}) {
    EXPECT_EQ(refusal(nitro(std::string("max_age = \"") + bad + "\"\n")), "toml.bad_value") << bad;
  }
  EXPECT_EQ(refusal(nitro("max_age = 300\n")), "toml.wrong_type");
}

TEST(Policy, RefusesDebugThatIsNoBoolean) { EXPECT_EQ(refusal(nitro("debug = \"yes\"\n")), "toml.wrong_type"); }

TEST(Policy, RefusesMoreEntriesThanAnybodyReads) {
  std::string toml;
  for (std::size_t i = 0; i <= kMaxPolicyEntries; ++i) toml += "[[accept]]\n";
  EXPECT_EQ(refusal(toml), "policy.too_many_entries");
}

}  // namespace
}  // namespace gateway::attestation
