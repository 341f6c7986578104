#include "attestation/appraisal/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/appraisal/appraise.h"
#include "attestation/testing/fake_claims.h"

namespace gateway::attestation {
namespace {

using testing::fake_local;
using testing::fake_nitro;
using testing::Found;
using ::testing::HasSubstr;
using testing::kNow;
using ::testing::Not;
using testing::sgx_claims;
using testing::snp_claims;
using testing::tdx_claims;

Claims nitro_claims() { return fake_nitro().authenticate(fake_nitro().document()).value(); }
Claims local_claims() {
  const Bytes bytes = fake_local().document();
  return nitro::authenticate(nitro::parse_document(bytes).value(), fake_local().as_local_root(), kNow).value();
}

Result<std::string> drafted(const std::vector<Claims>& evidence, Time at = kNow) {
  std::vector<DraftEvidence> items;
  for (const Claims& claims : evidence) items.push_back({claims, at});
  return draft_policy(items, {.at = at});
}
std::string refusal(const Result<std::string>& text) { return text ? "" : std::string(text.error().id()); }

// The verdict of the drafted policy on each piece of evidence that it was made from.
AppraisalStatus verdict_on(const Claims& claims, const std::string& text, Time at = kNow) {
  const auto policy = Policy::parse(text, "draft.toml");
  EXPECT_TRUE(policy) << policy.error().message() << "\n" << text;
  if (!policy) return AppraisalStatus::kContraindicated;
  return appraise(claims, *policy, {.at = at, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}})
      .status;
}

TEST(DraftPolicy, AcceptsTheEvidenceOfEveryPlatform) {
  const std::vector<Claims> all{nitro_claims(), local_claims(), snp_claims(), tdx_claims(), sgx_claims()};
  for (const Claims& claims : all) {
    const auto text = drafted({claims});
    ASSERT_TRUE(text) << text.error().message();
    EXPECT_EQ(verdict_on(claims, *text), AppraisalStatus::kAffirming) << *text;
    EXPECT_THAT(*text, Not(HasSubstr("WARNING")));
  }
  const auto together = drafted(all);
  ASSERT_TRUE(together);
  EXPECT_EQ(Policy::parse(*together, "draft.toml")->accept.size(), 5U);
  for (const Claims& claims : all) EXPECT_EQ(verdict_on(claims, *together), AppraisalStatus::kAffirming);
}

TEST(DraftPolicy, PinsWhatIsMeasuredAndWhatTheOwnerChose) {
  const std::vector<std::function<void(SnpClaims&)>> snp_changes{
      [](SnpClaims& snp) { snp.measurement[0] ^= 1U; },
      [](SnpClaims& snp) { snp.host_data[0] ^= 1U; },
      [](SnpClaims& snp) { snp.family_id[0] ^= 1U; },
      [](SnpClaims& snp) { snp.image_id[0] ^= 1U; },
      [](SnpClaims& snp) { snp.id_key_digest[0] ^= 1U; },
      [](SnpClaims& snp) { snp.author_key_digest[0] ^= 1U; },
      [](SnpClaims& snp) { snp.policy.smt = false; },
      [](SnpClaims& snp) { snp.policy.abi_minor -= 1; },
      [](SnpClaims& snp) { snp.guest_svn -= 1; },
      [](SnpClaims& snp) { snp.reported_tcb.microcode -= 1; },
      [](SnpClaims& snp) { snp.vmpl = 1; },
      [](SnpClaims& snp) { snp.policy.migrate_ma = true; },
      [](SnpClaims& snp) { snp.product = SnpProduct::kGenoa; }};
  const std::string snp = drafted({snp_claims()}).value();
  for (const auto& change : snp_changes) {
    const Claims other = snp_claims([&](SnpClaims& claims, Found&) { change(claims); });
    EXPECT_EQ(verdict_on(other, snp), AppraisalStatus::kContraindicated);
  }
  const std::vector<std::function<void(TdxClaims&)>> tdx_changes{
      [](TdxClaims& tdx) { tdx.mr_td[0] ^= 1U; },           [](TdxClaims& tdx) { tdx.rtmr[0][0] ^= 1U; },
      [](TdxClaims& tdx) { tdx.rtmr[2][0] ^= 1U; },         [](TdxClaims& tdx) { tdx.mr_config_id[0] ^= 1U; },
      [](TdxClaims& tdx) { tdx.mr_owner[0] ^= 1U; },        [](TdxClaims& tdx) { tdx.mr_owner_config[0] ^= 1U; },
      [](TdxClaims& tdx) { tdx.td_attributes[3] |= 0x20U; }};
  const std::string tdx = drafted({tdx_claims()}).value();
  for (const auto& change : tdx_changes) {
    const Claims other = tdx_claims([&](TdxClaims& claims, Found&) { change(claims); });
    EXPECT_EQ(verdict_on(other, tdx), AppraisalStatus::kContraindicated);
  }
  EXPECT_EQ(verdict_on(tdx_claims([](TdxClaims& claims, Found&) { claims.rtmr[3][0] ^= 1U; }), tdx),
            AppraisalStatus::kAffirming);
  const std::string sgx = drafted({sgx_claims()}).value();
  EXPECT_EQ(verdict_on(sgx_claims([](SgxClaims& claims, Found&) { claims.report.mr_enclave[0] ^= 1U; }), sgx),
            AppraisalStatus::kContraindicated);
  EXPECT_EQ(verdict_on(sgx_claims([](SgxClaims& claims, Found&) { claims.report.config_id[0] ^= 1U; }), sgx),
            AppraisalStatus::kContraindicated);
}

TEST(DraftPolicy, TakesTheLowestTcbOfEvidenceOfOneKind) {
  const auto with = [](std::uint8_t snp_svn, std::uint8_t microcode) {
    return snp_claims([=](SnpClaims& snp, Found&) {
      snp.reported_tcb.snp = snp_svn;
      snp.reported_tcb.microcode = microcode;
    });
  };
  const std::vector<Claims> fleet{with(22, 210), with(20, 213), with(21, 211)};
  const std::string text = drafted(fleet).value();
  const Policy policy = Policy::parse(text, "draft.toml").value();
  ASSERT_EQ(policy.accept.size(), 1U);
  EXPECT_EQ(policy.accept[0].tcb.min_tcb->snp, 20);
  EXPECT_EQ(policy.accept[0].tcb.min_tcb->microcode, 210);
  for (const Claims& claims : fleet) EXPECT_EQ(verdict_on(claims, text), AppraisalStatus::kAffirming);
  EXPECT_THAT(text, HasSubstr("From 3 pieces of evidence"));
}

TEST(DraftPolicy, NamesTheProviderOfALentKey) {
  const auto lent_to = [](const char* provider) {
    return snp_claims([=](SnpClaims& snp, Found&) {
      snp.signing_key = SnpSigningKey::kVlek;
      snp.csp_id = provider;
    });
  };
  const std::string text = drafted({lent_to("CN=one.example")}).value();
  EXPECT_EQ(verdict_on(lent_to("CN=one.example"), text), AppraisalStatus::kAffirming);
  EXPECT_EQ(verdict_on(lent_to("CN=two.example"), text), AppraisalStatus::kContraindicated);
  const std::string odd = drafted({lent_to("a\"\nplatform = 1")}).value();
  EXPECT_EQ(verdict_on(lent_to("a\"\nplatform = 1"), odd), AppraisalStatus::kAffirming);
}

TEST(DraftPolicy, NamesFmcWhereTheProductHasIt) {
  const Claims turin = snp_claims([](SnpClaims& snp, Found&) { snp.reported_tcb.fmc = 1; });
  const std::string text = drafted({turin}).value();
  EXPECT_THAT(text, HasSubstr("fmc = 1"));
  EXPECT_EQ(verdict_on(turin, text), AppraisalStatus::kAffirming);
}

TEST(DraftPolicy, ListsStatusAndAdvisoriesThatAreNotUpToDate) {
  const Claims claims = tdx_claims([](TdxClaims&, Found& found) {
    found.tcb.status = "SWHardeningNeeded";
    found.tcb.advisories = {"INTEL-SA-00334", "INTEL-SA-00615"};
  });
  const std::string text = drafted({claims, tdx_claims()}).value();
  EXPECT_EQ(verdict_on(claims, text), AppraisalStatus::kAffirming);
  EXPECT_THAT(text, HasSubstr("advisories_allowed = [\"INTEL-SA-00334\", \"INTEL-SA-00615\"]"));
}

TEST(DraftPolicy, GivesWhatIsOutOfDateAGraceWindow) {
  const Claims claims = sgx_claims([](SgxClaims&, Found& found) {
    found.tcb.status = "OutOfDateConfigurationNeeded";
    found.tcb.advisories = {"INTEL-SA-00615"};
    found.tcb.next_update.reset();
  });
  const std::string text = drafted({claims}).value();
  EXPECT_EQ(verdict_on(claims, text), AppraisalStatus::kWarning);
  EXPECT_EQ(verdict_on(claims, text, kNow + std::chrono::days(30)), AppraisalStatus::kWarning);
  EXPECT_EQ(verdict_on(claims, text, kNow + std::chrono::days(30) + std::chrono::seconds(1)),
            AppraisalStatus::kContraindicated);
}

TEST(DraftPolicy, LeavesRefusedWhatNoPolicyAccepts) {
  for (const char* status : {"Revoked", "NotSupported"}) {
    const Claims claims = sgx_claims([&](SgxClaims&, Found& found) { found.tcb.status = status; });
    const std::string text = drafted({claims}).value();
    EXPECT_EQ(verdict_on(claims, text), AppraisalStatus::kContraindicated);
  }
}

TEST(DraftPolicy, NeedsTcbDataForIntel) {
  EXPECT_EQ(refusal(drafted({tdx_claims([](TdxClaims&, Found& found) { found.tcb = {}; })})), "policy.tcb_unknown");
  EXPECT_EQ(refusal(drafted({sgx_claims([](SgxClaims&, Found& found) { found.tcb.evaluation_number.reset(); })})),
            "policy.tcb_unknown");
}

TEST(DraftPolicy, RefusesDebugModeUnlessItIsAskedFor) {
  const Claims claims = snp_claims([](SnpClaims&, Found& found) { found.debug = true; });
  EXPECT_EQ(refusal(drafted({claims})), "policy.draft_debug");
  const auto text = draft_policy(std::vector{DraftEvidence{claims, kNow}}, {.at = kNow, .insecure_allow_debug = true});
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("debug = true  # WARNING"));
  EXPECT_EQ(verdict_on(claims, *text), AppraisalStatus::kWarning);
}

TEST(DraftPolicy, SaysLoudlyWhatWeakensAGuest) {
  const Claims claims = snp_claims([](SnpClaims& snp, Found&) {
    snp.policy.migrate_ma = true;
    snp.vmpl = 2;
  });
  const std::string text = drafted({claims}).value();
  EXPECT_THAT(text, HasSubstr("allow_migration = true  # WARNING"));
  EXPECT_THAT(text, HasSubstr("vmpl = 2  # NOT 0"));
  EXPECT_EQ(verdict_on(claims, text), AppraisalStatus::kAffirming);
}

TEST(DraftPolicy, CoversTheAgeOfAStoredDocument) {
  const Time later = kNow + std::chrono::minutes(90) + std::chrono::milliseconds(1);
  const std::string text = drafted({nitro_claims()}, later).value();
  EXPECT_THAT(text, HasSubstr("max_age = \"91m\"  # WARNING"));
  EXPECT_EQ(verdict_on(nitro_claims(), text, later), AppraisalStatus::kAffirming);
}

TEST(DraftPolicy, NeedsEvidence) { EXPECT_EQ(refusal(drafted({})), "policy.draft_empty"); }

}  // namespace
}  // namespace gateway::attestation
