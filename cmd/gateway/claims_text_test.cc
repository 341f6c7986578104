#include "claims_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/testing/fake_claims.h"

namespace gateway::cli {
namespace {

using namespace attestation;
using testing::Found;
using ::testing::HasSubstr;

std::string value_of(const Claims& claims, std::string_view label) {
  for (const auto& [name, value] : claim_lines(claims)) {
    if (name == label) return value;
  }
  return "(none)";
}

TEST(ClaimsText, ShowsWhatDecidesOnEveryPlatform) {
  const Claims nitro = testing::fake_nitro().authenticate(testing::fake_nitro().document()).value();
  EXPECT_EQ(value_of(nitro, "PCR0"), to_hex(testing::pcr(0xa0)));
  EXPECT_EQ(value_of(nitro, "region"), "eu-central-1");
  EXPECT_EQ(value_of(nitro, "revocation"), "(none)");
  const Claims snp = testing::snp_claims();
  EXPECT_EQ(value_of(snp, "platform"), "snp");
  EXPECT_EQ(value_of(snp, "product"), "Milan, report version 3, signed by a VCEK");
  EXPECT_EQ(value_of(snp, "measurement"), to_hex(snp.snp().measurement));
  EXPECT_EQ(value_of(snp, "reported TCB"), "boot_loader 4, tee 0, snp 22, microcode 213");
  EXPECT_EQ(value_of(snp, "launch TCB"), "(none)");  // as the reported one
  EXPECT_EQ(value_of(snp, "revocation"), "checked");
  const Claims tdx = testing::tdx_claims();
  EXPECT_EQ(value_of(tdx, "MRTD"), to_hex(tdx.tdx().mr_td));
  EXPECT_EQ(value_of(tdx, "RTMR3"), to_hex(tdx.tdx().rtmr[3]));
  EXPECT_EQ(value_of(tdx, "MRSERVICETD"), "(none)");
  EXPECT_THAT(value_of(tdx, "TCB"), HasSubstr("UpToDate, evaluation number 17"));
  const Claims sgx = testing::sgx_claims();
  EXPECT_EQ(value_of(sgx, "MRENCLAVE"), to_hex(sgx.sgx().report.mr_enclave));
  EXPECT_EQ(value_of(sgx, "product, SVN"), "7, 3");
}

TEST(ClaimsText, SaysWhatWeakensEvidence) {
  const Claims snp = testing::snp_claims([](SnpClaims& claims, Found& found) {
    found.debug = true;
    found.revocation = Revocation::kUnknown;
    claims.policy.migrate_ma = true;
    claims.chip_id = {};
    claims.launch_tcb.raw = 1;
  });
  EXPECT_THAT(value_of(snp, "platform"), HasSubstr("DEBUG"));
  EXPECT_THAT(value_of(snp, "revocation"), HasSubstr("UNKNOWN"));
  EXPECT_THAT(value_of(snp, "guest policy"), HasSubstr("MIGRATION AGENT"));
  EXPECT_EQ(value_of(snp, "chip"), "masked");
  EXPECT_NE(value_of(snp, "launch TCB"), "(none)");
  const Claims tdx = testing::tdx_claims([](TdxClaims&, Found& found) { found.tcb.advisories = {"INTEL-SA-00615"}; });
  EXPECT_EQ(value_of(tdx, "advisory"), "INTEL-SA-00615");
}

}  // namespace
}  // namespace gateway::cli
