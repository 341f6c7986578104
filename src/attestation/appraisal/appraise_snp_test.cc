#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/appraisal/appraise.h"
#include "attestation/testing/fake_claims.h"

namespace gateway::attestation {
namespace {

using testing::Found;
using testing::kNow;
using testing::snp_claims;
using testing::snp_entry;

std::string hex(std::size_t bytes, const char* pair) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += pair;
  return text;
}

Verdict judged(const Claims& claims, const std::string& policy) {
  const auto parsed = Policy::parse(policy, "policy.toml");
  EXPECT_TRUE(parsed) << parsed.error().message();
  return appraise(claims, *parsed, {.at = kNow, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}});
}
std::string reason(const Claims& claims, const std::string& policy) {
  const Verdict verdict = judged(claims, policy);
  EXPECT_EQ(verdict.result.has_value(), !verdict.reason.has_value());
  return verdict.reason ? std::string(verdict.reason->id()) : "";
}
std::string reason(const std::function<void(SnpClaims&)>& change, const std::string& more = {}) {
  return reason(snp_claims([&](SnpClaims& snp, Found&) { change(snp); }), snp_entry(more));
}
std::string reason(const std::string& more) { return reason(snp_claims(), snp_entry(more)); }

TEST(AppraiseSnp, AffirmsWhatAnEntryAccepts) {
  const Verdict verdict = judged(snp_claims(), snp_entry());
  ASSERT_TRUE(verdict.result);
  EXPECT_EQ(verdict.status, AppraisalStatus::kAffirming);
  EXPECT_EQ(verdict.result->max_age(), kDefaultMaxAge);
  EXPECT_EQ(verdict.result->validity().not_after, kNow + std::chrono::days(1));
  std::vector<std::string_view> ids;
  for (const Check& check : verdict.checks) ids.push_back(check.id);
  // No line about age: a report carries no time, and none is made up.
  EXPECT_THAT(ids, ::testing::ElementsAre("policy.platform", "policy.debug", "policy.measurement", "policy.guest_svn",
                                          "policy.vmpl", "policy.migration", "policy.revocation", "policy.min_tcb",
                                          "policy.min_tcb", "policy.min_tcb", "policy.min_tcb"));
}

TEST(AppraiseSnp, FindsAChallengeInTheReportDataWithZerosBehind) {
  const auto asked = [](const Bytes& report_data, const Bytes& challenge) {
    const Claims claims = snp_claims([&](SnpClaims& snp, Found&) {
      snp.report_data = {};
      std::ranges::copy(report_data, snp.report_data.begin());
    });
    const Verdict verdict = appraise(claims, Policy::parse(snp_entry(), "policy.toml").value(),
                                     {.at = kNow,
                                      .expected_nonce = {},
                                      .expected_report_data = {},
                                      .challenge = ByteView(challenge),
                                      .config_digest = {}});
    return verdict.reason ? std::string(verdict.reason->id()) : "";
  };
  EXPECT_EQ(asked(Bytes(32, 7), Bytes(32, 7)), "");
  EXPECT_EQ(asked(Bytes(64, 7), Bytes(64, 7)), "");
  EXPECT_EQ(asked(Bytes(33, 7), Bytes(32, 7)), "evidence.nonce") << "more than the nonce";
  EXPECT_EQ(asked(Bytes(32, 8), Bytes(32, 7)), "evidence.nonce");
  EXPECT_EQ(asked(Bytes(64, 7), Bytes(65, 7)), "evidence.nonce");
}

TEST(AppraiseSnp, RefusesAnotherMeasurement) {
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.measurement.back() ^= 1U; }), "policy.measurement");
}

TEST(AppraiseSnp, RefusesAnEntryWithoutMeasurementOrMinimumThatNoFileMade) {
  PolicyEntry entry = Policy::parse(snp_entry(), "policy.toml")->accept[0];
  const AppraisalContext context{.at = kNow, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}};
  PolicyEntry no_measurement = entry;
  no_measurement.snp.measurement.reset();
  EXPECT_EQ(appraise(snp_claims(), Policy{{no_measurement}}, context).reason->id(), "policy.measurement");
  entry.tcb.min_tcb.reset();
  EXPECT_EQ(appraise(snp_claims(), Policy{{entry}}, context).reason->id(), "policy.min_tcb");
}

TEST(AppraiseSnp, ComparesEachComponentOfTheReportedTcb) {
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.reported_tcb.boot_loader -= 1; }), "policy.min_tcb");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.reported_tcb.snp -= 1; }), "policy.min_tcb");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.reported_tcb.microcode -= 1; }), "policy.min_tcb");
  EXPECT_EQ(reason(snp_claims(), "[[accept]]\nplatform = \"snp\"\nmeasurements = { measurement = \"" + hex(48, "22") +
                                     "\" }\nmin_tcb = { boot_loader = 4, tee = 1, snp = 22, microcode = 213 }\n"),
            "policy.min_tcb");
  // One component that is higher does not make up for another.
  EXPECT_EQ(reason([](SnpClaims& snp) {
              snp.reported_tcb.microcode = 255;
              snp.reported_tcb.snp = 21;
            }),
            "policy.min_tcb");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.reported_tcb.microcode = 255; }), "");
}

TEST(AppraiseSnp, JudgesTheReportedTcbAndNotTheCurrentOne) {
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.current_tcb = {}; }), "");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.committed_tcb = snp.launch_tcb = {}; }), "");
}

TEST(AppraiseSnp, ComparesCommittedAndLaunchTcbWhereThePolicyNamesThem) {
  const std::string floor = " = { boot_loader = 4, tee = 0, snp = 22, microcode = 213 }\n";
  EXPECT_EQ(reason("min_committed_tcb" + floor + "min_launch_tcb" + floor), "");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.committed_tcb.snp = 21; }, "min_committed_tcb" + floor),
            "policy.min_committed_tcb");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.launch_tcb.microcode = 212; }, "min_launch_tcb" + floor),
            "policy.min_launch_tcb");
}

TEST(AppraiseSnp, NeedsTheComponentFmcWhereTheProductHasIt) {
  const std::string turin = "[[accept]]\nplatform = \"snp\"\nmeasurements = { measurement = \"" + hex(48, "22") +
                            "\" }\nmin_tcb = { fmc = 2, boot_loader = 0, tee = 0, snp = 0, microcode = 0 }\n";
  const auto with_fmc = [](std::uint8_t fmc) {
    return snp_claims([fmc](SnpClaims& snp, Found&) { snp.reported_tcb.fmc = fmc; });
  };
  EXPECT_EQ(reason(with_fmc(2), turin), "");
  EXPECT_EQ(reason(with_fmc(1), turin), "policy.min_tcb");
  EXPECT_EQ(reason(snp_claims(), turin), "policy.min_tcb");       // a report without it
  EXPECT_EQ(reason(with_fmc(2), snp_entry()), "policy.min_tcb");  // a policy without it
}

TEST(AppraiseSnp, RefusesDebugUnlessThePolicyAllowsIt) {
  const Claims debug = snp_claims([](SnpClaims&, Found& found) { found.debug = true; });
  EXPECT_EQ(reason(debug, snp_entry()), "policy.debug");
  EXPECT_EQ(judged(debug, snp_entry("debug = true\n")).status, AppraisalStatus::kWarning);
}

TEST(AppraiseSnp, AcceptsTheNamedVmplAlone) {
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.vmpl = 1; }), "policy.vmpl");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.vmpl = 1; }, "vmpl = 1\n"), "");
  EXPECT_EQ(reason("vmpl = 1\n"), "policy.vmpl");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.vmpl = 0xffffffff; }), "policy.vmpl");
}

TEST(AppraiseSnp, RefusesAMigrationAgentUnlessThePolicyAllowsIt) {
  const auto migrating = [](SnpClaims& snp) { snp.policy.migrate_ma = true; };
  EXPECT_EQ(reason(migrating), "policy.migration");
  EXPECT_EQ(reason(migrating, "allow_migration = true\n"), "");
}

TEST(AppraiseSnp, ComparesBitsOfTheGuestPolicy) {
  EXPECT_EQ(reason("policy = { smt = true, single_socket = false }\n"), "");
  for (const char* wrong : {"smt = false", "single_socket = true", "cxl_allow = true", "mem_aes_256_xts = true",
                            "rapl_dis = true", "ciphertext_hiding_dram = true", "page_swap_disable = true"}) {
    EXPECT_EQ(reason("policy = { " + std::string(wrong) + " }\n"), "policy.guest_policy") << wrong;
  }
}

TEST(AppraiseSnp, ComparesBitsOfThePlatform) {
  EXPECT_EQ(reason("platform_info = { smt_en = true, ecc_en = true, tsme_en = false }\n"), "");
  for (const char* wrong :
       {"smt_en = false", "tsme_en = true", "ecc_en = false", "rapl_dis = true", "ciphertext_hiding_dram_en = true",
        "alias_check_complete = true", "iommu_write_safe = true", "tio_en = true"}) {
    EXPECT_EQ(reason("platform_info = { " + std::string(wrong) + " }\n"), "policy.platform_info") << wrong;
  }
}

TEST(AppraiseSnp, ComparesTheMinimumAbiOfTheGuestPolicy) {
  EXPECT_EQ(reason("min_abi = \"1.51\"\n"), "");
  EXPECT_EQ(reason("min_abi = \"0.99\"\n"), "");
  EXPECT_EQ(reason("min_abi = \"1.52\"\n"), "policy.min_abi");
  EXPECT_EQ(reason("min_abi = \"2.0\"\n"), "policy.min_abi");
}

TEST(AppraiseSnp, ComparesTheVersionOfTheGuest) {
  EXPECT_EQ(reason("min_guest_svn = 5\n"), "");
  EXPECT_EQ(reason("min_guest_svn = 6\n"), "policy.guest_svn");
}

TEST(AppraiseSnp, ComparesWhatTheGuestWasLaunchedWith) {
  const std::vector<std::tuple<const char*, std::size_t, const char*, const char*>> fields{
      {"host_data", 32, "33", "policy.host_data"},
      {"family_id", 16, "44", "policy.family_id"},
      {"image_id", 16, "55", "policy.image_id"},
      {"id_key_digest", 48, "66", "policy.id_key_digest"},
      {"author_key_digest", 48, "77", "policy.author_key_digest"},
      {"report_data", 64, "11", "policy.report_data"}};
  for (const auto& [key, size, right, id] : fields) {
    const auto line = [&](const std::string& value) { return std::string(key) + " = \"" + value + "\"\n"; };
    EXPECT_EQ(reason(line(hex(size, right))), "") << key;
    EXPECT_EQ(reason(line(hex(size - 1, right) + "00")), id) << key;
  }
}

TEST(AppraiseSnp, RefusesAnAuthorKeyThatIsNotInForce) {
  EXPECT_EQ(
      reason([](SnpClaims& snp) { snp.author_key_en = false; }, "author_key_digest = \"" + hex(48, "77") + "\"\n"),
      "policy.author_key_digest");
}

TEST(AppraiseSnp, AcceptsTheListedChipsAlone) {
  const std::string right = "\"" + hex(64, "88") + "\"";
  const std::string wrong = "\"" + hex(64, "89") + "\"";
  EXPECT_EQ(reason("chip_ids = [" + wrong + ", " + right + "]\n"), "");
  EXPECT_EQ(reason("chip_ids = [" + wrong + "]\n"), "policy.chip_id");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.chip_id = {}; }, "chip_ids = [" + right + "]\n"), "policy.chip_id");
  // Turin's ids have eight bytes.
  const auto turin = [](SnpClaims& snp) {
    snp.chip_id = {};
    for (std::size_t i = 0; i < 8; ++i) snp.chip_id.at(i) = 0x88;
  };
  EXPECT_EQ(reason(turin, "chip_ids = [\"" + hex(8, "88") + "\"]\n"), "");
}

TEST(AppraiseSnp, ComparesProductAndSigningKey) {
  EXPECT_EQ(reason("product = \"Milan\"\nsigning_key = \"vcek\"\n"), "");
  EXPECT_EQ(reason("product = \"Genoa\"\n"), "policy.product");
  EXPECT_EQ(reason("signing_key = \"vlek\"\n"), "policy.signing_key");
  const auto lent = [](SnpClaims& snp) {
    snp.signing_key = SnpSigningKey::kVlek;
    snp.csp_id = "CN=cc-us-east-2.amazonaws.com";
  };
  const std::string vlek = "signing_key = \"vlek\"\n";
  EXPECT_EQ(reason(lent, vlek + "csp_id = \"CN=cc-us-east-2.amazonaws.com\"\n"), "");
  EXPECT_EQ(reason(lent, vlek + "csp_id = \"CN=cc-us-east-1.amazonaws.com\"\n"), "policy.csp_id");
  EXPECT_EQ(reason([](SnpClaims& snp) { snp.signing_key = SnpSigningKey::kVlek; }, vlek + "csp_id = \"any\"\n"),
            "policy.csp_id");
}

TEST(AppraiseSnp, IsUndecidedWithoutRevocation) {
  for (const Revocation revocation : {Revocation::kUnknown, Revocation::kNotApplicable}) {
    const Claims claims = snp_claims([&](SnpClaims&, Found& found) { found.revocation = revocation; });
    const Verdict verdict = judged(claims, snp_entry());
    EXPECT_TRUE(verdict.undecided);
    EXPECT_EQ(verdict.status, AppraisalStatus::kNone);
    ASSERT_TRUE(verdict.reason);
    EXPECT_EQ(verdict.reason->id(), "policy.revocation_unknown");
    EXPECT_EQ(verdict.reason->code(), ErrorCode::kUnavailable);
  }
}

TEST(AppraiseSnp, RefusesRatherThanStaysUndecided) {
  const Claims claims = snp_claims([](SnpClaims& snp, Found& found) {
    found.revocation = Revocation::kUnknown;
    snp.reported_tcb.snp = 1;
  });
  EXPECT_EQ(reason(claims, snp_entry()), "policy.min_tcb");
}

TEST(AppraiseSnp, ComparesTheConfigurationAsOnEveryPlatform) {
  EXPECT_EQ(reason("config = \"sha384:" + hex(48, "00") + "\"\n"), "policy.config_unknown");
}

TEST(AppraiseSnp, ComparesReportDataOfExactlyItsSize) {
  const auto parsed = Policy::parse(snp_entry(), "policy.toml");
  const auto with = [&](ByteView expected) {
    const Verdict verdict =
        appraise(snp_claims(), *parsed,
                 {.at = kNow, .expected_nonce = {}, .expected_report_data = expected, .config_digest = {}});
    return verdict.reason ? std::string(verdict.reason->id()) : "";
  };
  EXPECT_EQ(with(Bytes(64, 0x11)), "");
  EXPECT_EQ(with(Bytes(64, 0x12)), "evidence.report_data");
  EXPECT_EQ(with(Bytes(32, 0x11)), "evidence.report_data");
  EXPECT_EQ(with(Bytes()), "evidence.report_data");
}

TEST(AppraiseSnp, RefusesANonceThatNoFieldCanHold) {
  const Bytes nonce(32, 0x11);
  const auto parsed = Policy::parse(snp_entry(), "policy.toml");
  const Verdict verdict =
      appraise(snp_claims(), *parsed,
               {.at = kNow, .expected_nonce = ByteView(nonce), .expected_report_data = {}, .config_digest = {}});
  ASSERT_TRUE(verdict.reason);
  EXPECT_EQ(verdict.reason->id(), "evidence.nonce");
}

}  // namespace
}  // namespace gateway::attestation
