// TCB rules and grace windows, AMD's and Intel's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/appraisal/appraise.h"
#include "attestation/testing/fake_claims.h"

namespace gateway::attestation {
namespace {

using testing::Found;
using ::testing::HasSubstr;
using testing::kNow;
using testing::sgx_claims;
using testing::sgx_entry;
using testing::snp_claims;
using testing::snp_entry;
using testing::tdx_claims;
using testing::tdx_entry;

const Time kUntil = kNow + std::chrono::hours(10);

Verdict judged(const Claims& claims, const std::string& policy, Time at = kNow) {
  const auto parsed = Policy::parse(policy, "policy.toml");
  EXPECT_TRUE(parsed) << parsed.error().message();
  return appraise(claims, *parsed, {.at = at, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}});
}
std::string reason(const Verdict& verdict) {
  EXPECT_EQ(verdict.result.has_value(), !verdict.reason.has_value());
  return verdict.reason ? std::string(verdict.reason->id()) : "";
}

Claims tdx_with(const std::function<void(TcbStatement&)>& change) {
  return tdx_claims([&](TdxClaims&, Found& found) { change(found.tcb); });
}
Claims tdx_of(const std::string& status, std::vector<std::string> advisories = {}) {
  return tdx_with([&](TcbStatement& tcb) {
    tcb.status = status;
    tcb.advisories = std::move(advisories);
  });
}
std::string grace(const std::string& what, Time until = kUntil) {
  return "[[accept.grace]]\nuntil = \"" + to_rfc3339(until) + "\"\n" + what;
}

TEST(AppraiseTcb, AcceptsTheNamedStatusesAlone) {
  for (const char* status :
       {"SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
        "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded"}) {
    EXPECT_EQ(reason(judged(tdx_of(status), tdx_entry())), "policy.tcb_status") << status;
    const std::string named = "tcb_status = [\"UpToDate\", \"" + std::string(status) + "\"]\n";
    const Verdict verdict = judged(tdx_of(status), tdx_entry(named));
    EXPECT_EQ(reason(verdict), "") << status;
    EXPECT_EQ(verdict.status, AppraisalStatus::kAffirming);
    EXPECT_EQ(reason(judged(tdx_of("UpToDate"), tdx_entry(named))), "");
  }
  EXPECT_EQ(reason(judged(tdx_of("UpToDate"), tdx_entry("tcb_status = [\"OutOfDate\"]\n"))), "policy.tcb_status");
}

TEST(AppraiseTcb, NeverAcceptsRevokedOrUnsupportedPlatforms) {
  const std::string all =
      "tcb_status = [\"UpToDate\", \"SWHardeningNeeded\", \"ConfigurationNeeded\", "
      "\"ConfigurationAndSWHardeningNeeded\", \"OutOfDate\", \"OutOfDateConfigurationNeeded\", \"TDRelaunchAdvised\", "
      "\"TDRelaunchAdvisedConfigurationNeeded\"]\ninsecure_any_advisory = true\n";
  for (const char* status : {"Revoked", "NotSupported", "SomethingNew"}) {
    EXPECT_EQ(reason(judged(tdx_of(status), tdx_entry(all))), "policy.tcb_status") << status;
  }
}

TEST(AppraiseTcb, RefusesWhatNoFurtherDataCouldMend) {
  for (const char* status : {"Revoked", "NotSupported"}) {
    const Claims claims = tdx_with([&](TcbStatement& tcb) {
      tcb.status = status;
      tcb.qe_status.reset();
    });
    EXPECT_EQ(reason(judged(claims, tdx_entry())), "policy.tcb_status") << status;
  }
}

TEST(AppraiseTcb, JudgesAdvisoriesWithEveryStatusButUpToDate) {
  const std::string hardening = "tcb_status = [\"SWHardeningNeeded\"]\n";
  const Claims claims = tdx_of("SWHardeningNeeded", {"INTEL-SA-00334", "INTEL-SA-00615"});
  EXPECT_EQ(reason(judged(claims, tdx_entry(hardening))), "policy.tcb_advisory");
  EXPECT_EQ(reason(judged(claims, tdx_entry(hardening + "advisories_allowed = [\"INTEL-SA-00334\"]\n"))),
            "policy.tcb_advisory");
  EXPECT_EQ(reason(judged(claims, tdx_entry(hardening + "advisories_allowed = [\"INTEL-SA-00615\", "
                                                        "\"INTEL-SA-00334\"]\n"))),
            "");
  EXPECT_EQ(reason(judged(claims, tdx_entry(hardening + "insecure_any_advisory = true\n"))), "");
  EXPECT_EQ(reason(judged(tdx_of("UpToDate", {"INTEL-SA-00334"}), tdx_entry())), "");
}

TEST(AppraiseTcb, NamesTheAdvisoriesThatAreNotAllowed) {
  const Verdict verdict =
      judged(tdx_of("SWHardeningNeeded", {"INTEL-SA-00334", "INTEL-SA-00615"}),
             tdx_entry("tcb_status = [\"SWHardeningNeeded\"]\nadvisories_allowed = [\"INTEL-SA-00334\"]\n"));
  EXPECT_EQ(verdict.checks.back().actual, "INTEL-SA-00615");
  EXPECT_EQ(verdict.checks.back().expected, "no advisory but INTEL-SA-00334");
}

TEST(AppraiseTcb, RefusesTcbDataBelowTheMinimumEvaluationNumber) {
  const auto numbered = [](std::uint32_t number) {
    return tdx_with([=](TcbStatement& tcb) { tcb.evaluation_number = number; });
  };
  EXPECT_EQ(reason(judged(numbered(16), tdx_entry())), "policy.tcb_evaluation_number");
  EXPECT_EQ(reason(judged(numbered(17), tdx_entry())), "");
  EXPECT_EQ(reason(judged(numbered(18), tdx_entry())), "");
}

TEST(AppraiseTcb, RefusesEntriesWithoutAMinimumThatNoFileMade) {
  PolicyEntry entry = Policy::parse(tdx_entry(), "policy.toml")->accept[0];
  entry.tcb.min_evaluation_number.reset();
  const Verdict verdict = appraise(tdx_claims(), Policy{{entry}},
                                   {.at = kNow, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}});
  EXPECT_EQ(reason(verdict), "policy.tcb_evaluation_number");
}

TEST(AppraiseTcb, IsUndecidedWithoutTcbDataThatApplies) {
  const std::vector<std::function<void(TcbStatement&)>> changes{
      [](TcbStatement& tcb) { tcb.status = "Unknown"; }, [](TcbStatement& tcb) { tcb.evaluation_number.reset(); },
      [](TcbStatement& tcb) { tcb.next_update = kNow - Duration(1); }, [](TcbStatement& tcb) { tcb.qe_status.reset(); },
      [](TcbStatement& tcb) {
        tcb.qe_status.reset();
        tcb.status = "OutOfDate";
      }};
  for (const auto& change : changes) {
    const Verdict verdict = judged(tdx_with(change), tdx_entry());
    EXPECT_EQ(reason(verdict), "policy.tcb_unknown");
    EXPECT_TRUE(verdict.undecided);
    EXPECT_EQ(verdict.status, AppraisalStatus::kNone);
    const Claims sgx = sgx_claims([&](SgxClaims&, Found& found) { change(found.tcb); });
    EXPECT_EQ(reason(judged(sgx, sgx_entry())), "policy.tcb_unknown");
  }
}

TEST(AppraiseTcb, IsValidUntilTheTcbDataIsRenewed) {
  const Claims claims = tdx_with([](TcbStatement& tcb) { tcb.next_update = kNow + std::chrono::hours(1); });
  EXPECT_EQ(judged(claims, tdx_entry()).result->validity().not_after, kNow + std::chrono::hours(1));
}

TEST(AppraiseTcb, WarnsWithinAGraceWindowAndRefusesAfterIt) {
  const std::string policy = tdx_entry(grace("tcb_status = [\"OutOfDate\"]\n"));
  const Claims claims = tdx_of("OutOfDate");
  for (const Time at : {kNow, kUntil}) {
    const Verdict verdict = judged(claims, policy, at);
    EXPECT_EQ(reason(verdict), "");
    EXPECT_EQ(verdict.status, AppraisalStatus::kWarning);
    EXPECT_EQ(verdict.result->status(), AppraisalStatus::kWarning);
    EXPECT_EQ(verdict.result->validity().not_after, kUntil);
    const auto line =
        std::ranges::find_if(verdict.checks, [](const Check& check) { return check.outcome == Outcome::kWarned; });
    ASSERT_NE(line, verdict.checks.end());
    EXPECT_EQ(line->id, "policy.tcb_status");
    EXPECT_THAT(line->actual, HasSubstr("OutOfDate (tolerated until 2026-05-20T22:00:00Z)"));
    EXPECT_THAT(line->remedy, HasSubstr("refused after 2026-05-20T22:00:00Z"));
  }
  const Verdict after = judged(claims, policy, kUntil + Duration(1));
  EXPECT_EQ(reason(after), "policy.tcb_status");
  EXPECT_EQ(after.status, AppraisalStatus::kContraindicated);
  EXPECT_THAT(after.reason->detail(), HasSubstr("2026-05-20T22:00:00Z"));
}

TEST(AppraiseTcb, AffirmsWithoutWarningWhereTheRulesHoldByThemselves) {
  const Verdict verdict = judged(tdx_of("UpToDate"), tdx_entry(grace("tcb_status = [\"OutOfDate\"]\n")));
  EXPECT_EQ(verdict.status, AppraisalStatus::kAffirming);
  EXPECT_GT(verdict.result->validity().not_after, kUntil);
}

TEST(AppraiseTcb, LetsAGraceWindowRelaxOnlyWhatItNames) {
  const std::string policy = tdx_entry(grace("tcb_status = [\"OutOfDate\"]\n"));
  EXPECT_EQ(reason(judged(tdx_of("SWHardeningNeeded"), policy)), "policy.tcb_status");
  EXPECT_EQ(reason(judged(tdx_of("OutOfDate", {"INTEL-SA-00615"}), policy)), "policy.tcb_status");
  const Claims old_data = tdx_with([](TcbStatement& tcb) {
    tcb.status = "OutOfDate";
    tcb.evaluation_number = 16;
  });
  EXPECT_EQ(reason(judged(old_data, policy)), "policy.tcb_evaluation_number");
  EXPECT_EQ(
      reason(judged(old_data, tdx_entry(grace("tcb_status = [\"OutOfDate\"]\nmin_tcb_evaluation_number = 16\n")))), "");
  EXPECT_EQ(reason(judged(tdx_of("OutOfDate", {"INTEL-SA-00615"}),
                          tdx_entry(grace("tcb_status = [\"OutOfDate\"]\nadvisories_allowed = "
                                          "[\"INTEL-SA-00615\"]\n")))),
            "");
  EXPECT_EQ(reason(judged(tdx_of("OutOfDate", {"INTEL-SA-00615"}),
                          tdx_entry(grace("tcb_status = [\"OutOfDate\"]\ninsecure_any_advisory = true\n")))),
            "");
}

TEST(AppraiseTcb, TakesTheLongestWindowThatHolds) {
  const std::string policy =
      tdx_entry(grace("tcb_status = [\"OutOfDate\"]\n", kNow - std::chrono::hours(1)) +
                grace("tcb_status = [\"OutOfDate\", \"ConfigurationNeeded\"]\n", kUntil) +
                grace("tcb_status = [\"ConfigurationNeeded\"]\n", kUntil + std::chrono::hours(5)));
  EXPECT_EQ(judged(tdx_of("OutOfDate"), policy).result->validity().not_after, kUntil);
  EXPECT_EQ(judged(tdx_of("ConfigurationNeeded"), policy).result->validity().not_after, kUntil + std::chrono::hours(5));
}

TEST(AppraiseTcb, GraceDoesNotOverruleAnythingElse) {
  const Claims claims = tdx_claims([](TdxClaims& tdx, Found& found) {
    found.tcb.status = "OutOfDate";
    tdx.mr_td.back() ^= 1U;
  });
  EXPECT_EQ(reason(judged(claims, tdx_entry(grace("tcb_status = [\"OutOfDate\"]\n")))), "policy.measurement");
}

TEST(AppraiseTcb, GivesAmdTheSameGraceWindows) {
  const std::string policy = snp_entry(grace("min_tcb = { boot_loader = 4, tee = 0, snp = 20, microcode = 213 }\n"));
  const auto with_snp = [](std::uint8_t svn) {
    return snp_claims([=](SnpClaims& snp, Found&) { snp.reported_tcb.snp = svn; });
  };
  EXPECT_EQ(judged(with_snp(22), policy).status, AppraisalStatus::kAffirming);
  const Verdict verdict = judged(with_snp(20), policy);
  EXPECT_EQ(verdict.status, AppraisalStatus::kWarning);
  EXPECT_EQ(verdict.result->validity().not_after, kUntil);
  const auto warned =
      std::ranges::count_if(verdict.checks, [](const Check& check) { return check.outcome == Outcome::kWarned; });
  EXPECT_EQ(warned, 1);  // the other components hold by themselves
  EXPECT_EQ(reason(judged(with_snp(19), policy)), "policy.min_tcb");
  EXPECT_EQ(reason(judged(with_snp(20), policy, kUntil + Duration(1))), "policy.min_tcb");
}

TEST(AppraiseTcb, KeepsTheOtherMinimumsOfAmdWithinAWindow) {
  const std::string floor = " = { boot_loader = 4, tee = 0, snp = 22, microcode = 213 }\n";
  const std::string low = " = { boot_loader = 0, tee = 0, snp = 0, microcode = 0 }\n";
  const Claims claims = snp_claims([](SnpClaims& snp, Found&) {
    snp.reported_tcb.snp = 20;
    snp.committed_tcb.snp = 20;
  });
  EXPECT_EQ(reason(judged(claims, snp_entry("min_committed_tcb" + floor + grace("min_tcb" + low)))), "policy.min_tcb");
  EXPECT_EQ(reason(judged(claims,
                          snp_entry("min_committed_tcb" + floor + grace("min_tcb" + low + "min_committed_tcb" + low)))),
            "");
}

}  // namespace
}  // namespace gateway::attestation
