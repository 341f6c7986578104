// The JSON of claims and of the TCB, as docs/cli.md promises it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "attestation/testing/fake_claims.h"
#include "attestation/verification_json.h"

namespace gateway::attestation {
namespace {

namespace json = boost::json;
using testing::Found;
using testing::kNow;
using testing::sgx_claims;
using testing::snp_claims;
using testing::tdx_claims;

template <std::size_t N>
json::value hex(const ByteArray<N>& bytes) {
  return json::value_from(to_hex(bytes));
}

Verification verification_of(const Claims& claims) {
  Verification verification;
  verification.platform = claims.platform();
  verification.authentic = true;
  verification.claims = claims;
  return verification;
}

TEST(ClaimsJson, WritesSevSnpInAmdsWords) {
  const Claims claims = snp_claims();
  const json::object object = claims_json(claims);
  EXPECT_EQ(object.at("version"), 3);
  EXPECT_EQ(object.at("measurement"), hex(claims.snp().measurement));
  EXPECT_EQ(object.at("report_data"), hex(claims.snp().report_data));
  EXPECT_EQ(object.at("host_data"), hex(claims.snp().host_data));
  EXPECT_EQ(object.at("policy"), "0x30133");
  EXPECT_EQ(object.at("policy_bits").at("smt"), true);
  EXPECT_EQ(object.at("policy_bits").at("migrate_ma"), false);
  EXPECT_EQ(object.at("policy_bits").at("abi_minor"), 51);
  EXPECT_EQ(object.at("platform_info"), "0x5");
  EXPECT_EQ(object.at("platform_info_bits").at("ecc_en"), true);
  EXPECT_EQ(object.at("chip_id"), hex(claims.snp().chip_id));
  EXPECT_EQ(object.at("vmpl"), 0);
  EXPECT_EQ(object.at("product"), "Milan");
  EXPECT_EQ(object.at("signing_key"), "vcek");
  EXPECT_EQ(object.at("guest_svn"), 5);
  EXPECT_EQ(object.at("current_version"), "1.55.21");
  for (const char* name : {"reported_tcb", "current_tcb", "committed_tcb", "launch_tcb"}) {
    const auto& tcb = object.at(name).as_object();
    EXPECT_EQ(tcb.at("boot_loader"), 4) << name;
    EXPECT_EQ(tcb.at("tee"), 0) << name;
    EXPECT_EQ(tcb.at("snp"), 22) << name;
    EXPECT_EQ(tcb.at("microcode"), 213) << name;
    EXPECT_EQ(tcb.at("raw"), "0xd516000000000004") << name;
    EXPECT_FALSE(tcb.contains("fmc")) << name;
  }
  EXPECT_TRUE(object.at("cpuid_family").is_null());
  EXPECT_TRUE(object.at("launch_mitigations").is_null());
}

TEST(ClaimsJson, WritesWhatLaterReportsHave) {
  const json::object object = claims_json(snp_claims([](SnpClaims& snp, Found&) {
    snp.reported_tcb.fmc = 1;
    snp.cpuid_family = 0x1a;
    snp.launch_mitigations = 0xffffffffffffffff;
    snp.csp_id = "CN=x";
    snp.runtime_data = Bytes{1, 2};
  }));
  EXPECT_EQ(object.at("reported_tcb").at("fmc"), 1);
  EXPECT_EQ(object.at("cpuid_family"), 26);
  EXPECT_EQ(object.at("csp_id"), "CN=x");
  EXPECT_EQ(object.at("runtime_data"), "0102");
  EXPECT_EQ(object.at("launch_mitigations"), "0xffffffffffffffff");
}

TEST(ClaimsJson, WritesTdxInIntelsWords) {
  const Claims claims = tdx_claims();
  const json::object object = claims_json(claims);
  EXPECT_EQ(object.at("mr_td"), hex(claims.tdx().mr_td));
  EXPECT_EQ(object.at("rtmr0"), hex(claims.tdx().rtmr[0]));
  EXPECT_EQ(object.at("rtmr3"), hex(claims.tdx().rtmr[3]));
  EXPECT_EQ(object.at("report_data"), hex(claims.tdx().report_data));
  EXPECT_EQ(object.at("td_attributes"), "0000001000000000");
  EXPECT_EQ(object.at("xfam"), "e700000000000000");
  EXPECT_EQ(object.at("mr_seam"), hex(claims.tdx().mr_seam));
  EXPECT_EQ(object.at("tee_tcb_svn"), hex(claims.tdx().tee_tcb_svn));
  EXPECT_TRUE(object.at("mr_service_td").is_null());
  EXPECT_TRUE(object.at("tee_tcb_svn_2").is_null());
  EXPECT_EQ(object.at("platform").at("fmspc"), "00806f050000");
  EXPECT_EQ(object.at("platform").at("quote_version"), 4);
  EXPECT_EQ(object.at("platform").at("pck_ca"), "platform");
}

TEST(ClaimsJson, WritesSgxInIntelsWords) {
  const Claims claims = sgx_claims();
  const json::object object = claims_json(claims);
  EXPECT_EQ(object.at("mr_enclave"), hex(claims.sgx().report.mr_enclave));
  EXPECT_EQ(object.at("mr_signer"), hex(claims.sgx().report.mr_signer));
  EXPECT_EQ(object.at("isv_prod_id"), 7);
  EXPECT_EQ(object.at("isv_svn"), 3);
  EXPECT_EQ(object.at("attributes"), "0500000000000000e700000000000000");
  EXPECT_EQ(object.at("report_data"), hex(claims.sgx().report.report_data));
  EXPECT_EQ(object.at("platform").at("fmspc"), "00806f050000");
}

TEST(VerificationJson, ShowsIntelsJudgementOfTheTcb) {
  const Claims claims = tdx_claims([](TdxClaims&, Found& found) {
    found.tcb.status = "OutOfDate";
    found.tcb.advisories = {"INTEL-SA-00615"};
  });
  const json::object object = verification_json(verification_of(claims));
  EXPECT_EQ(object.at("tcb").at("status"), "OutOfDate");
  EXPECT_EQ(object.at("tcb").at("advisories"), json::value(json::array{"INTEL-SA-00615"}));
  EXPECT_EQ(object.at("tcb").at("evaluation_number"), 17);
  for (const char* part : {"platform_status", "tdx_module_status", "qe_status"})
    EXPECT_EQ(object.at("tcb").at(part), "UpToDate") << part;
  EXPECT_EQ(object.at("tcb").at("next_update"), "2026-06-19T12:00:00Z");
}

TEST(VerificationJson, SaysUnknownWithoutTcbData) {
  const Claims claims = sgx_claims([](SgxClaims&, Found& found) { found.tcb = {}; });
  const json::object object = verification_json(verification_of(claims));
  EXPECT_EQ(object.at("tcb").at("status"), "Unknown");
  EXPECT_EQ(object.at("tcb").at("advisories"), json::value(json::array{}));
  EXPECT_TRUE(object.at("tcb").at("evaluation_number").is_null());
}

TEST(VerificationJson, HasNoTcbWhereIntelJudgesNone) {
  EXPECT_FALSE(verification_json(verification_of(snp_claims())).contains("tcb"));
}

TEST(VerificationJson, ShowsTheValidityOfTheVerdict) {
  const Policy policy = Policy::parse(testing::tdx_entry("[[accept.grace]]\nuntil = \"2026-05-20T13:00:00Z\"\n"
                                                         "tcb_status = [\"OutOfDate\"]\n"),
                                      "policy.toml")
                            .value();
  const Claims claims = tdx_claims([](TdxClaims&, Found& found) { found.tcb.status = "OutOfDate"; });
  Verification verification = verification_of(claims);
  EXPECT_EQ(verification_json(verification).at("not_after"), "2026-05-21T12:00:00Z");
  Verdict verdict =
      appraise(claims, policy, {.at = kNow, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}});
  verification.result = std::move(verdict.result);
  verification.checks = std::move(verdict.checks);
  verification.appraisal = verdict.status;
  const json::object object = verification_json(verification);
  EXPECT_EQ(object.at("appraisal"), "warning");
  EXPECT_EQ(object.at("not_after"), "2026-05-20T13:00:00Z");
  for (const auto& line : object.at("checks").as_array()) EXPECT_EQ(line.at("ok"), true);
}

}  // namespace
}  // namespace gateway::attestation
