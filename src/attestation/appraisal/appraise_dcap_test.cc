#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/appraisal/appraise.h"
#include "attestation/testing/fake_claims.h"

namespace gateway::attestation {
namespace {

using testing::Found;
using testing::kNow;
using testing::sgx_claims;
using testing::sgx_entry;
using testing::tdx_claims;
using testing::tdx_entry;

std::string hex(std::size_t bytes, const char* pair) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += pair;
  return text;
}

AppraisalContext context() {
  return {.at = kNow, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}};
}

Verdict judged(const Claims& claims, const std::string& policy) {
  const auto parsed = Policy::parse(policy, "policy.toml");
  EXPECT_TRUE(parsed) << parsed.error().message();
  return appraise(claims, *parsed, context());
}
std::string reason(const Claims& claims, const std::string& policy) {
  const Verdict verdict = judged(claims, policy);
  EXPECT_EQ(verdict.result.has_value(), !verdict.reason.has_value());
  return verdict.reason ? std::string(verdict.reason->id()) : "";
}
std::string tdx(const std::function<void(TdxClaims&)>& change, const std::string& more = {}) {
  return reason(tdx_claims([&](TdxClaims& claims, Found&) { change(claims); }), tdx_entry(more));
}
std::string sgx(const std::function<void(SgxReportBody&)>& change, const std::string& more = {}) {
  return reason(sgx_claims([&](SgxClaims& claims, Found&) { change(claims.report); }), sgx_entry(more));
}
std::string sgx_of(const std::string& measurements) {
  return "[[accept]]\nplatform = \"sgx\"\nmin_tcb_evaluation_number = 17\nmeasurements = { " + measurements + " }\n";
}

TEST(AppraiseTdx, AffirmsWhatAnEntryAccepts) {
  const Verdict verdict = judged(tdx_claims(), tdx_entry());
  ASSERT_TRUE(verdict.result);
  EXPECT_EQ(verdict.status, AppraisalStatus::kAffirming);
  std::vector<std::string_view> ids;
  for (const Check& check : verdict.checks) ids.push_back(check.id);
  EXPECT_THAT(
      ids, ::testing::ElementsAre("policy.platform", "policy.debug", "policy.measurement", "policy.measurement",
                                  "policy.measurement", "policy.measurement", "policy.migration", "policy.revocation",
                                  "policy.tcb_evaluation_number", "policy.tcb_status", "policy.tcb_advisory"));
}

TEST(AppraiseTdx, RefusesAnotherValueOfEveryRequiredRegister) {
  EXPECT_EQ(tdx([](TdxClaims& claims) { claims.mr_td.back() ^= 1U; }), "policy.measurement");
  for (const std::size_t index : {0UZ, 1UZ, 2UZ}) {
    EXPECT_EQ(tdx([&](TdxClaims& claims) { claims.rtmr.at(index).front() ^= 1U; }), "policy.measurement");
  }
  EXPECT_EQ(tdx([](TdxClaims& claims) { claims.rtmr[3].front() ^= 1U; }), "");  // the workload's, where it is not named
}

TEST(AppraiseTdx, ComparesEveryFurtherRegisterThatIsNamed) {
  const std::vector<std::pair<const char*, const char*>> registers{{"rtmr3", "43"},          {"mr_seam", "10"},
                                                                   {"mr_signer_seam", "00"}, {"mr_config_id", "30"},
                                                                   {"mr_owner", "31"},       {"mr_owner_config", "32"}};
  for (const auto& [name, value] : registers) {
    const auto with = [&](const std::string& text) {
      std::string entry = tdx_entry();
      entry.insert(entry.find("mr_td"), std::string(name) + " = \"" + text + "\", ");
      return reason(tdx_claims(), entry);
    };
    EXPECT_EQ(with(hex(48, value)), "") << name;
    EXPECT_EQ(with(hex(47, value) + "ff"), "policy.measurement") << name;
  }
  std::string entry = tdx_entry();
  entry.insert(entry.find("mr_td"), "mr_service_td = \"" + hex(48, "66") + "\", ");
  EXPECT_EQ(reason(tdx_claims(), entry), "policy.measurement");  // TDX 1.0 has none
  const Claims with_it = tdx_claims([](TdxClaims& claims, Found&) {
    claims.mr_service_td.emplace();
    claims.mr_service_td->fill(0x66);
  });
  EXPECT_EQ(reason(with_it, entry), "");
}

TEST(AppraiseTdx, JudgesTheFirmwareAloneWhereThePolicySaysSo) {
  const std::string entry =
      "[[accept]]\nplatform = \"tdx\"\nmin_tcb_evaluation_number = 17\nmeasurements = { mr_td = \"" + hex(48, "20") +
      "\" }\ninsecure_partial_measurements = true\n";
  EXPECT_EQ(reason(tdx_claims(), entry), "");
}

TEST(AppraiseTdx, RefusesEntriesWithoutRegistersThatNoFileMade) {
  for (const char* needed : {"mr_td", "rtmr0", "rtmr1", "rtmr2"}) {
    PolicyEntry entry = Policy::parse(tdx_entry(), "policy.toml")->accept[0];
    entry.tdx.measurements.erase(entry.tdx.measurements.find(std::string_view(needed)));
    const Verdict verdict = appraise(tdx_claims(), Policy{{entry}}, context());
    ASSERT_TRUE(verdict.reason) << needed;
    EXPECT_EQ(verdict.reason->id(), "policy.measurement") << needed;
  }
}

TEST(AppraiseTdx, RefusesDebugAndMigrationUnlessThePolicyAllowsThem) {
  const Claims debug = tdx_claims([](TdxClaims&, Found& found) { found.debug = true; });
  EXPECT_EQ(reason(debug, tdx_entry()), "policy.debug");
  EXPECT_EQ(judged(debug, tdx_entry("debug = true\n")).status, AppraisalStatus::kWarning);
  const auto migratable = [](TdxClaims& claims) { claims.td_attributes[3] |= 0x20U; };
  EXPECT_EQ(tdx(migratable), "policy.migration");
  EXPECT_EQ(tdx(migratable, "allow_migration = true\n"), "");
}

TEST(AppraiseTdx, ComparesBitsOfAttributesAndXfam) {
  const std::string sept = "0000001000000000";
  const auto same = [](TdxClaims&) {};
  EXPECT_EQ(tdx(same, "td_attributes = { required = \"" + sept + "\" }\n"), "");
  EXPECT_EQ(tdx(same, "td_attributes = { forbidden = \"" + sept + "\" }\n"), "policy.td_attributes");
  EXPECT_EQ(
      tdx([](TdxClaims& claims) { claims.td_attributes[3] = 0; }, "td_attributes = { required = \"" + sept + "\" }\n"),
      "policy.td_attributes");
  EXPECT_EQ(tdx(same, "xfam = { required = \"e700000000000000\", forbidden = \"0000060000000000\" }\n"), "");
  EXPECT_EQ(tdx(same, "xfam = { forbidden = \"0400000000000000\" }\n"), "policy.xfam");
  EXPECT_EQ(tdx(same, "xfam = { required = \"0000060000000000\" }\n"), "policy.xfam");
}

TEST(AppraiseTdx, AcceptsTheListedPlatformsAlone) {
  const auto same = [](TdxClaims&) {};
  EXPECT_EQ(tdx(same, "fmspcs = [\"00806f050000\"]\nppids = [\"" + hex(16, "99") + "\"]\n"), "");
  EXPECT_EQ(tdx(same, "fmspcs = [\"90c06f000000\"]\n"), "policy.fmspc");
  EXPECT_EQ(tdx(same, "ppids = [\"" + hex(16, "98") + "\"]\n"), "policy.ppid");
}

TEST(AppraiseTdx, ComparesReportDataOfThePolicy) {
  const auto same = [](TdxClaims&) {};
  EXPECT_EQ(tdx(same, "report_data = \"" + hex(64, "11") + "\"\n"), "");
  EXPECT_EQ(tdx(same, "report_data = \"" + hex(64, "12") + "\"\n"), "policy.report_data");
}

TEST(AppraiseTdx, IsUndecidedWithoutRevocation) {
  const Claims claims = tdx_claims([](TdxClaims&, Found& found) { found.revocation = Revocation::kUnknown; });
  EXPECT_TRUE(judged(claims, tdx_entry()).undecided);
  EXPECT_EQ(reason(claims, tdx_entry()), "policy.revocation_unknown");
}

TEST(AppraiseSgx, AffirmsWhatAnEntryAccepts) {
  EXPECT_EQ(judged(sgx_claims(), sgx_entry()).status, AppraisalStatus::kAffirming);
  EXPECT_EQ(reason(sgx_claims(), sgx_of("mr_signer = \"" + hex(32, "51") + "\", isv_prod_id = 7, min_isv_svn = 3")),
            "");
}

TEST(AppraiseSgx, RefusesAnotherEnclaveSignerProductOrVersion) {
  EXPECT_EQ(sgx([](SgxReportBody& report) { report.mr_enclave[0] ^= 1U; }), "policy.measurement");
  const std::string signer = "mr_signer = \"" + hex(32, "51") + "\", ";
  EXPECT_EQ(reason(sgx_claims(), sgx_of("mr_signer = \"" + hex(32, "50") + "\", isv_prod_id = 7, min_isv_svn = 3")),
            "policy.measurement");
  EXPECT_EQ(reason(sgx_claims(), sgx_of(signer + "isv_prod_id = 8, min_isv_svn = 3")), "policy.isv_prod_id");
  EXPECT_EQ(reason(sgx_claims(), sgx_of(signer + "isv_prod_id = 7, min_isv_svn = 4")), "policy.isv_svn");
}

TEST(AppraiseSgx, RefusesEntriesWithoutMeasurementsThatNoFileMade) {
  PolicyEntry entry = Policy::parse(sgx_entry(), "policy.toml")->accept[0];
  entry.sgx.mr_enclave.reset();
  EXPECT_EQ(appraise(sgx_claims(), Policy{{entry}}, context()).reason->id(), "policy.measurement");
  for (const int left_out : {0, 1, 2}) {
    entry.sgx.mr_signer = sgx_claims().sgx().report.mr_signer;
    entry.sgx.isv_prod_id = 7;
    entry.sgx.min_isv_svn = 3;
    if (left_out == 0) entry.sgx.mr_signer.reset();
    if (left_out == 1) entry.sgx.isv_prod_id.reset();
    if (left_out == 2) entry.sgx.min_isv_svn.reset();
    EXPECT_EQ(appraise(sgx_claims(), Policy{{entry}}, context()).reason->id(), "policy.measurement") << left_out;
  }
}

TEST(AppraiseSgx, RefusesDebugUnlessThePolicyAllowsIt) {
  const Claims debug = sgx_claims([](SgxClaims&, Found& found) { found.debug = true; });
  EXPECT_EQ(reason(debug, sgx_entry()), "policy.debug");
  EXPECT_EQ(judged(debug, sgx_entry("debug = true\n")).status, AppraisalStatus::kWarning);
}

TEST(AppraiseSgx, ComparesAttributesAndConfiguration) {
  const auto same = [](SgxReportBody&) {};
  EXPECT_EQ(sgx(same, "attributes = { forbidden = \"" + std::string("10") + hex(15, "00") + "\" }\n"), "");
  EXPECT_EQ(sgx(same, "attributes = { required = \"80" + hex(15, "00") + "\" }\n"), "policy.attributes");
  EXPECT_EQ(sgx(same, "config_id = \"" + hex(64, "52") + "\"\nmin_config_svn = 2\n"), "");
  EXPECT_EQ(sgx(same, "config_id = \"" + hex(64, "53") + "\"\n"), "policy.config_id");
  EXPECT_EQ(sgx(same, "min_config_svn = 3\n"), "policy.config_svn");
  EXPECT_EQ(sgx(same, "isv_ext_prod_id = \"" + hex(16, "53") + "\"\nisv_family_id = \"" + hex(16, "54") + "\"\n"), "");
  EXPECT_EQ(sgx(same, "isv_ext_prod_id = \"" + hex(16, "00") + "\"\n"), "policy.isv_ext_prod_id");
  EXPECT_EQ(sgx(same, "isv_family_id = \"" + hex(16, "00") + "\"\n"), "policy.isv_family_id");
}

TEST(AppraiseSgx, AcceptsTheListedPlatformsAlone) {
  const auto same = [](SgxReportBody&) {};
  EXPECT_EQ(sgx(same, "fmspcs = [\"00806f050000\"]\nppids = [\"" + hex(16, "99") + "\"]\n"), "");
  EXPECT_EQ(sgx(same, "fmspcs = [\"90c06f000000\"]\n"), "policy.fmspc");
  EXPECT_EQ(sgx(same, "ppids = [\"" + hex(16, "98") + "\"]\n"), "policy.ppid");
}

TEST(AppraiseSgx, IsUndecidedWithoutRevocation) {
  const Claims claims = sgx_claims([](SgxClaims&, Found& found) { found.revocation = Revocation::kUnknown; });
  EXPECT_EQ(reason(claims, sgx_entry()), "policy.revocation_unknown");
}

}  // namespace
}  // namespace gateway::attestation
