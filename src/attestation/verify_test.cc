#include "attestation/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "attestation/testing/fake_amd.h"
#include "attestation/testing/fake_intel.h"
#include "attestation/verification_json.h"

namespace gateway::attestation {
namespace {

using testing::DocumentFields;
using testing::fake_local;
using testing::fake_nitro;
using testing::kNow;
using testing::pcr;

VerifyInputs inputs() {
  VerifyInputs inputs{.at = kNow,
                      .platform = {},
                      .nitro = {},
                      .collateral = nullptr,
                      .expected_nonce = {},
                      .expected_report_data = {},
                      .config_digest = {},
                      .caches = nullptr};
  inputs.nitro = fake_local().as_local_root();
  return inputs;
}

Policy local_policy() {
  PolicyEntry entry;
  entry.platform = Platform::kLocal;
  entry.root_sha256 = fake_local().root_sha256();
  entry.measurements = {{0, pcr(0xa0)}, {1, pcr(0xa1)}, {2, pcr(0xa2)}};
  return {{entry}};
}

std::string reason(const Verification& verification) {
  return verification.reason ? std::string(verification.reason->id()) : "";
}

TEST(Verify, AuthenticatesWithoutAPolicy) {
  const Verification verification = verify(fake_local().document(), nullptr, inputs());
  EXPECT_EQ(verification.authentic, true);
  EXPECT_EQ(verification.platform, Platform::kLocal);
  EXPECT_EQ(verification.format, "nitro.document");
  EXPECT_EQ(verification.appraisal, AppraisalStatus::kNone);
  EXPECT_FALSE(verification.result);
  EXPECT_FALSE(verification.reason);
  EXPECT_TRUE(verification.claims);
  EXPECT_GT(verification.checks.size(), 15U);
}

TEST(Verify, AppraisesWithAPolicy) {
  const Policy policy = local_policy();
  const Verification verification = verify(fake_local().document(), &policy, inputs());
  EXPECT_EQ(verification.appraisal, AppraisalStatus::kAffirming);
  ASSERT_TRUE(verification.result);
  EXPECT_EQ(verification.result->claims().platform(), Platform::kLocal);
}

TEST(Verify, FindsTheRootThatThePolicyPins) {
  VerifyInputs no_roots = inputs();
  no_roots.nitro = {};
  const Policy policy = local_policy();
  EXPECT_EQ(verify(fake_local().document(), &policy, no_roots).appraisal, AppraisalStatus::kAffirming);
  EXPECT_EQ(reason(verify(fake_local().document(), nullptr, no_roots)), "nitro.chain.anchor");
  EXPECT_EQ(reason(verify(fake_nitro().document(), &policy, no_roots)), "nitro.chain.anchor");
}

TEST(Verify, SaysLocalOfEveryChainWithoutAwsRoot) {
  VerifyInputs no_roots = inputs();
  no_roots.nitro = {};
  const Verification verification = verify(fake_nitro().document(), nullptr, no_roots);
  EXPECT_EQ(verification.authentic, false);
  EXPECT_EQ(verification.platform, Platform::kLocal);
  EXPECT_EQ(reason(verification), "nitro.chain.anchor");
}

TEST(Verify, DoesNotLetALocalDocumentPassForNitro) {
  VerifyInputs as_nitro = inputs();
  as_nitro.platform = Platform::kNitro;
  const Policy policy = local_policy();
  for (const Policy* with : {static_cast<const Policy*>(nullptr), &policy}) {
    const Verification verification = verify(fake_local().document(), with, as_nitro);
    EXPECT_EQ(verification.authentic, false);
    EXPECT_EQ(reason(verification), "nitro.chain.anchor");
  }
  Policy nitro_policy = local_policy();
  nitro_policy.accept[0].platform = Platform::kNitro;
  nitro_policy.accept[0].root_sha256.reset();
  const Verification verification = verify(fake_local().document(), &nitro_policy, inputs());
  EXPECT_EQ(verification.authentic, true);
  EXPECT_EQ(reason(verification), "policy.platform");
  EXPECT_EQ(verification.appraisal, AppraisalStatus::kContraindicated);
}

TEST(Verify, AcceptsTheNameOfTheRightPlatform) {
  VerifyInputs as_local = inputs();
  as_local.platform = Platform::kLocal;
  EXPECT_EQ(verify(fake_local().document(), nullptr, as_local).authentic, true);
}

TEST(Verify, RefusesAwsChainsWhereLocalWasNamed) {
  VerifyInputs as_local = inputs();
  as_local.platform = Platform::kLocal;
  const Bytes document =
      fake_nitro().document([](DocumentFields& fields) { fields.cabundle[0] = nitro::aws_root().der(); });
  const Verification verification = verify(document, nullptr, as_local);
  EXPECT_EQ(verification.authentic, false);
  EXPECT_EQ(reason(verification), "evidence.platform");
}

TEST(Verify, LetsTheParserOfTheNamedPlatformExplain) {
  for (const auto& [platform, prefix] :
       {std::pair{Platform::kSnp, "snp."}, std::pair{Platform::kTdx, "dcap."}, std::pair{Platform::kSgx, "dcap."}}) {
    VerifyInputs other = inputs();
    other.platform = platform;
    const Verification verification = verify(fake_local().document(), nullptr, other);
    EXPECT_EQ(verification.authentic, false);
    EXPECT_EQ(verification.platform, platform);
    EXPECT_THAT(reason(verification), ::testing::StartsWith(prefix));
  }
}

TEST(Verify, RecognisesEvidenceOfEveryPlatformByItsContent) {
  const Verification snp = verify(testing::fake_amd().report(), nullptr, inputs());
  EXPECT_EQ(snp.platform, Platform::kSnp);
  EXPECT_EQ(snp.format, "snp.report");
  const Verification tdx = verify(testing::fake_intel().tdx_quote(4), nullptr, inputs());
  EXPECT_EQ(tdx.platform, Platform::kTdx);
  EXPECT_EQ(tdx.format, "dcap.quote.v4");
  const Verification sgx = verify(testing::fake_intel().sgx_quote(3), nullptr, inputs());
  EXPECT_EQ(sgx.platform, Platform::kSgx);
  EXPECT_EQ(sgx.format, "dcap.quote.v3");
}

TEST(Verify, LeavesUndecidedWhatLacksItsEndorsement) {
  const Policy policy = local_policy();
  for (const Policy* with : {static_cast<const Policy*>(nullptr), &policy}) {
    const Verification verification = verify(testing::fake_amd().report(), with, inputs());
    EXPECT_FALSE(verification.authentic);
    EXPECT_EQ(verification.appraisal, AppraisalStatus::kNone);
    EXPECT_EQ(reason(verification), "snp.endorsement_missing");
  }
}

TEST(Verify, LetsNobodyElseSpeakForAVendor) {
  const Collateral collateral = testing::fake_amd().collateral();
  VerifyInputs with = inputs();
  with.collateral = &collateral;
  EXPECT_EQ(verify(testing::fake_amd().report(), nullptr, with).authentic, false);
  EXPECT_EQ(verify(testing::fake_intel().tdx_quote(4), nullptr, with).authentic, false);
}

TEST(Verify, RefusesWhatItDoesNotRecognise) {
  EXPECT_EQ(reason(verify(as_bytes("hello"), nullptr, inputs())), "evidence.unrecognised");
  EXPECT_EQ(verify(as_bytes("hello"), nullptr, inputs()).authentic, false);
  EXPECT_FALSE(verify(as_bytes("hello"), nullptr, inputs()).platform);
  EXPECT_EQ(reason(verify({}, nullptr, inputs())), "nitro.document.empty");
  EXPECT_EQ(reason(verify(Bytes(kMaxEvidenceSize + 1, 0x84), nullptr, inputs())), "evidence.size");
  EXPECT_EQ(reason(verify(Bytes(kMaxEvidenceSize, 0x84), nullptr, inputs())), "nitro.document.size");
}

TEST(Verify, ComparesNonceAndUserDataWithoutAPolicyToo) {
  VerifyInputs expecting = inputs();
  const Bytes wrong(32, 0x99);
  expecting.expected_nonce = wrong;
  const Verification nonce = verify(fake_local().document(), nullptr, expecting);
  EXPECT_EQ(nonce.authentic, true);
  EXPECT_EQ(reason(nonce), "evidence.nonce");
  EXPECT_EQ(nonce.appraisal, AppraisalStatus::kNone);
  expecting.expected_nonce.reset();
  expecting.expected_report_data = wrong;
  EXPECT_EQ(reason(verify(fake_local().document(), nullptr, expecting)), "evidence.report_data");
}

TEST(Verify, IgnoresCollateralThatDoesNotApply) {
  VerifyInputs with = inputs();
  const std::array files{Bytes(100, 1), Bytes(), fake_nitro().root().der()};
  const Collateral collateral = Collateral::recognise(files);
  with.collateral = &collateral;
  EXPECT_EQ(verify(fake_local().document(), nullptr, with).authentic, true);
}

TEST(Verify, CallsWhatIsNotAuthenticContraindicatedUnderAPolicy) {
  Bytes document = fake_local().document();
  document.back() ^= 1U;
  const Policy policy = local_policy();
  const Verification verification = verify(document, &policy, inputs());
  EXPECT_EQ(verification.authentic, false);
  EXPECT_FALSE(verification.claims);
  EXPECT_FALSE(verification.result);
  EXPECT_EQ(verification.appraisal, AppraisalStatus::kContraindicated);
  EXPECT_EQ(reason(verification), "nitro.signature");
}

TEST(VerificationJson, HasExactlyTheKeysOfTheCommandLine) {
  const auto object = verification_json(verify(fake_local().document(), nullptr, inputs()));
  std::vector<std::string> keys;
  for (const auto& member : object) keys.emplace_back(member.key());
  EXPECT_THAT(keys, ::testing::UnorderedElementsAre("platform", "format", "authentic", "debug", "appraisal", "reason",
                                                    "not_before", "not_after", "claims", "checks"));
  EXPECT_EQ(object.at("platform"), "local");
  EXPECT_EQ(object.at("format"), "nitro.document");
  EXPECT_EQ(object.at("authentic"), true);
  EXPECT_EQ(object.at("debug"), false);
  EXPECT_EQ(object.at("appraisal"), "none");
  EXPECT_TRUE(object.at("reason").is_null());
  EXPECT_EQ(object.at("not_before"), "2026-05-20T11:59:57Z");
  EXPECT_EQ(object.at("not_after"), "2026-05-20T14:59:57Z");
  const auto& check = object.at("checks").as_array().at(0).as_object();
  EXPECT_EQ(check.at("ok"), true);
  for (const char* key : {"id", "expected", "actual", "remedy"}) EXPECT_TRUE(check.at(key).is_string()) << key;
}

TEST(VerificationJson, WritesClaimsInTheVendorsWords) {
  const Bytes document = fake_local().document([](DocumentFields& fields) {
    fields.timestamp += 7;
    fields.nonce.reset();
  });
  const auto object = verification_json(verify(document, nullptr, inputs()));
  const auto& claims = object.at("claims").as_object();
  EXPECT_EQ(claims.at("module_id"), "i-0123456789abcdef0-enc0123456789abcde");
  EXPECT_EQ(claims.at("timestamp"), "2026-05-20T12:00:00.007000Z");
  EXPECT_EQ(claims.at("pcrs").at("0"), boost::json::value(to_hex(pcr(0xa0))));
  EXPECT_EQ(claims.at("user_data"), boost::json::value(std::string(64, '1')));
  EXPECT_TRUE(claims.at("nonce").is_null());
  EXPECT_TRUE(claims.at("public_key").is_null());
  EXPECT_TRUE(claims.at("region").is_null());
}

TEST(VerificationJson, SaysWhyWithoutClaimsWhenNothingIsAuthentic) {
  const auto object = verification_json(verify(as_bytes("hello"), nullptr, inputs()));
  EXPECT_EQ(object.at("authentic"), false);
  EXPECT_EQ(object.at("reason"), "evidence.unrecognised");
  for (const char* key : {"platform", "format", "debug", "not_before", "not_after", "claims"}) {
    EXPECT_TRUE(object.at(key).is_null()) << key;
  }
  const auto& last = object.at("checks").as_array().back().as_object();
  EXPECT_EQ(last.at("ok"), false);
  EXPECT_EQ(last.at("id"), "evidence.unrecognised");
}

TEST(VerificationJson, MarksUndecidedChecksWithNull) {
  Policy policy = local_policy();
  policy.accept[0].config = ByteArray<48>{};
  const auto object = verification_json(verify(fake_local().document(), &policy, inputs()));
  EXPECT_EQ(object.at("reason"), "policy.config_unknown");
  EXPECT_EQ(object.at("authentic"), true);
  bool found = false;
  for (const auto& line : object.at("checks").as_array()) {
    if (line.at("id") == "policy.config_unknown") found = line.at("ok").is_null();
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace gateway::attestation
