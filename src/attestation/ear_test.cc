#include "attestation/ear.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "attestation/testing/fake_claims.h"

namespace gateway::attestation {
namespace {

namespace json = boost::json;
using testing::DocumentFields;
using testing::fake_local;
using testing::kNow;
using testing::pcr;

EarContext context() {
  return {.issued_at = kNow + Duration(999), .developer = "Gateway", .build = "test", .policy_id = "sha256:00"};
}

PolicyEntry entry() {
  PolicyEntry entry;
  entry.platform = Platform::kLocal;
  entry.root_sha256 = fake_local().root_sha256();
  entry.measurements = {{0, pcr(0xa0)}, {1, pcr(0xa1)}, {2, pcr(0xa2)}};
  return entry;
}

Verification verified(ByteView document, const Policy* policy) {
  VerifyInputs inputs{.at = kNow,
                      .platform = {},
                      .nitro = fake_local().as_local_root(),
                      .collateral = nullptr,
                      .expected_nonce = {},
                      .expected_report_data = {},
                      .config_digest = {},
                      .caches = nullptr};
  return verify(document, policy, inputs);
}

json::object appraisal_of(const Verification& verification) {
  const json::object claims = json::parse(ear_claims(verification, context())).as_object();
  return claims.at("submods").at("local").as_object();
}

// The rule that readers rely on: the status is the worst tier of the vector.
void expect_consistent(const json::object& appraisal) {
  std::int64_t worst = 0;
  for (const auto& member : appraisal.at("ear.trustworthiness-vector").as_object()) {
    worst = std::max(worst, member.value().as_int64());
  }
  const std::string_view status = worst >= 96   ? "contraindicated"
                                  : worst >= 32 ? "warning"
                                  : worst >= 2  ? "affirming"
                                                : "none";
  EXPECT_EQ(appraisal.at("ear.status"), json::value(status));
}

TEST(Ear, CarriesTheClaimsSetOfTheDraft) {
  const Policy policy{{entry()}};
  const json::object claims =
      json::parse(ear_claims(verified(fake_local().document(), &policy), context())).as_object();
  EXPECT_EQ(claims.at("eat_profile"), "tag:github.com,2023:veraison/ear");
  EXPECT_EQ(claims.at("iat"), kNow.time_since_epoch().count() / 1000);
  EXPECT_EQ(claims.at("ear.verifier-id").at("developer"), "Gateway");
  EXPECT_EQ(claims.at("ear.verifier-id").at("build"), "test");
  EXPECT_EQ(claims.at("eat_nonce"), json::value(to_base64url(Bytes(32, 0x22))));
  const auto& appraisal = claims.at("submods").at("local").as_object();
  EXPECT_EQ(appraisal.at("ear.appraisal-policy-id"), "sha256:00");
  EXPECT_EQ(appraisal.at("ear.veraison.annotated-evidence").at("user_data"), json::value(std::string(64, '1')));
}

TEST(Ear, AffirmsWhatThePolicyAccepts) {
  const Policy policy{{entry()}};
  const json::object appraisal = appraisal_of(verified(fake_local().document(), &policy));
  EXPECT_EQ(appraisal.at("ear.status"), "affirming");
  EXPECT_EQ(appraisal.at("ear.trustworthiness-vector").at("executables"), 3);
  EXPECT_EQ(appraisal.at("ear.trustworthiness-vector").at("hardware"), 0);
  expect_consistent(appraisal);
}

TEST(Ear, WarnsOfAllowedDebugMode) {
  PolicyEntry debug = entry();
  debug.measurements = {{0, pcr(0)}, {1, pcr(0)}, {2, pcr(0)}};
  debug.insecure_allow_debug = true;
  const Policy policy{{debug}};
  const Bytes document = fake_local().document([](DocumentFields& fields) {
    for (const std::size_t index : {0UZ, 1UZ, 2UZ}) fields.pcrs[index].second = pcr(0);
  });
  const json::object appraisal = appraisal_of(verified(document, &policy));
  EXPECT_EQ(appraisal.at("ear.status"), "warning");
  expect_consistent(appraisal);
}

TEST(Ear, ContraindicatesEveryRefusal) {
  PolicyEntry other_image = entry();
  other_image.measurements[0] = pcr(1);
  PolicyEntry other_root = entry();
  other_root.root_sha256 = crypto::Sha256{};
  PolicyEntry other_platform = entry();
  other_platform.platform = Platform::kNitro;
  for (const PolicyEntry& refusing : {other_image, other_root, other_platform}) {
    const Policy policy{{refusing}};
    const json::object appraisal = appraisal_of(verified(fake_local().document(), &policy));
    EXPECT_EQ(appraisal.at("ear.status"), "contraindicated");
    expect_consistent(appraisal);
  }
}

TEST(Ear, ContraindicatesWhatIsNotAuthentic) {
  Bytes document = fake_local().document();
  document.back() ^= 1U;
  const Policy policy{{entry()}};
  for (const Policy* with : {static_cast<const Policy*>(nullptr), &policy}) {
    const json::object appraisal = appraisal_of(verified(document, with));
    EXPECT_EQ(appraisal.at("ear.status"), "contraindicated");
    EXPECT_FALSE(appraisal.contains("ear.veraison.annotated-evidence"));
    expect_consistent(appraisal);
  }
}

TEST(Ear, ClaimsNothingWithoutAPolicy) {
  const json::object appraisal = appraisal_of(verified(fake_local().document(), nullptr));
  EXPECT_EQ(appraisal.at("ear.status"), "none");
  expect_consistent(appraisal);
}

TEST(Ear, ClaimsNothingWhenTheConfigurationIsUnknown) {
  PolicyEntry named = entry();
  named.config = ByteArray<48>{};
  const Policy policy{{named}};
  const json::object appraisal = appraisal_of(verified(fake_local().document(), &policy));
  EXPECT_EQ(appraisal.at("ear.status"), "none");
  EXPECT_EQ(appraisal.at("ear.trustworthiness-vector"), json::object());
  EXPECT_EQ(appraisal.at("ear.veraison.policy-claims").at("reason"), "policy.config_unknown");
}

// A verification of claims that no evidence stands behind, under the text of a policy.
Verification judged(const Claims& claims, const std::string& policy, Time at = kNow) {
  const auto parsed = Policy::parse(policy, "policy.toml");
  EXPECT_TRUE(parsed) << parsed.error().message();
  Verdict verdict =
      appraise(claims, *parsed, {.at = at, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}});
  Verification verification;
  verification.platform = claims.platform();
  verification.authentic = true;
  verification.claims = claims;
  verification.appraisal = verdict.status;
  verification.reason = std::move(verdict.reason);
  verification.result = std::move(verdict.result);
  verification.checks = std::move(verdict.checks);
  return verification;
}

// The appraisal in the token, after the rule that all tokens keep.
json::object appraisal_in(const Verification& verification) {
  const json::object claims = json::parse(ear_claims(verification, context())).as_object();
  const json::object appraisal = claims.at("submods").at(to_string(*verification.platform)).as_object();
  expect_consistent(appraisal);
  return appraisal;
}
std::int64_t hardware_in(const Verification& verification) {
  return appraisal_in(verification).at("ear.trustworthiness-vector").at("hardware").as_int64();
}

const std::string kGrace = "[[accept.grace]]\nuntil = \"2026-05-20T13:00:00Z\"\n";

TEST(Ear, CallsHardwareGenuineWhoseTcbIsAccepted) {
  for (const auto& [claims, entry] :
       {std::pair{testing::snp_claims(), testing::snp_entry()}, std::pair{testing::tdx_claims(), testing::tdx_entry()},
        std::pair{testing::sgx_claims(), testing::sgx_entry()}}) {
    const Verification verification = judged(claims, entry);
    EXPECT_EQ(hardware_in(verification), 2);
    EXPECT_EQ(appraisal_in(verification).at("ear.status"), "affirming");
    EXPECT_FALSE(json::parse(ear_claims(verification, context())).as_object().contains("eat_nonce"));
  }
}

TEST(Ear, WarnsOfHardwareThatIsToleratedForATime) {
  const Claims tdx = testing::tdx_claims([](TdxClaims&, testing::Found& found) { found.tcb.status = "OutOfDate"; });
  const Claims snp = testing::snp_claims([](SnpClaims& claims, testing::Found&) { claims.reported_tcb.snp = 20; });
  const std::string low = "min_tcb = { boot_loader = 0, tee = 0, snp = 0, microcode = 0 }\n";
  for (const Verification& verification : {judged(tdx, testing::tdx_entry(kGrace + "tcb_status = [\"OutOfDate\"]\n")),
                                           judged(snp, testing::snp_entry(kGrace + low))}) {
    EXPECT_EQ(hardware_in(verification), 32);
    EXPECT_EQ(appraisal_in(verification).at("ear.status"), "warning");
  }
}

TEST(Ear, ContraindicatesHardwareBelowThePolicy) {
  const auto tdx_of = [](const char* status) {
    return testing::tdx_claims([&](TdxClaims&, testing::Found& found) { found.tcb.status = status; });
  };
  EXPECT_EQ(hardware_in(judged(tdx_of("OutOfDate"), testing::tdx_entry())), 96);
  EXPECT_EQ(hardware_in(judged(tdx_of("Revoked"), testing::tdx_entry())), 96);
  EXPECT_EQ(hardware_in(judged(tdx_of("NotSupported"), testing::tdx_entry())), 97);
  const Claims snp = testing::snp_claims([](SnpClaims& claims, testing::Found&) { claims.reported_tcb.snp = 20; });
  EXPECT_EQ(hardware_in(judged(snp, testing::snp_entry())), 96);
  EXPECT_EQ(appraisal_in(judged(snp, testing::snp_entry())).at("ear.status"), "contraindicated");
}

TEST(Ear, NeverAffirmsNorWarnsOfWhatIsUndecided) {
  const Claims unknown_tcb = testing::tdx_claims([](TdxClaims&, testing::Found& found) { found.tcb = {}; });
  const Claims unrevoked =
      testing::snp_claims([](SnpClaims&, testing::Found& found) { found.revocation = Revocation::kUnknown; });
  for (const Verification& verification :
       {judged(unknown_tcb, testing::tdx_entry()), judged(unrevoked, testing::snp_entry())}) {
    EXPECT_EQ(appraisal_in(verification).at("ear.status"), "none");
    EXPECT_TRUE(appraisal_in(verification).at("ear.trustworthiness-vector").as_object().empty());
  }
}

TEST(Ear, ClaimsNothingOfHardwareThatWasNotJudged) {
  EXPECT_EQ(hardware_in(judged(testing::snp_claims(), testing::tdx_entry())), 0);
}

TEST(Ear, ClaimsNothingWhileAuthenticityIsUndecided) {
  Verification verification;
  verification.platform = Platform::kSnp;
  verification.reason = Error(ErrorCode::kUnavailable, "snp.endorsement_missing");
  EXPECT_EQ(appraisal_in(verification).at("ear.status"), "none");
}

TEST(Ear, IsAJwsThatVerifies) {
  const Verification verification = verified(fake_local().document(), nullptr);
  for (const auto type : {crypto::KeyType::kP256, crypto::KeyType::kP384}) {
    const auto key = crypto::PrivateKey::generate(type).value();
    const std::string token = sign_ear(verification, context(), key).value();
    const std::size_t first = token.find('.');
    const std::size_t second = token.rfind('.');
    ASSERT_NE(first, second);
    const auto header = json::parse(as_text(from_base64url(token.substr(0, first)).value()));
    EXPECT_EQ(header.at("alg"), type == crypto::KeyType::kP256 ? "ES256" : "ES384");
    EXPECT_EQ(header.at("typ"), "JWT");
    const auto payload = from_base64url(token.substr(first + 1, second - first - 1)).value();
    EXPECT_EQ(as_text(payload), ear_claims(verification, context()));
    const auto signature = from_base64url(token.substr(second + 1)).value();
    EXPECT_TRUE(key.public_key().verify(
        type == crypto::KeyType::kP256 ? crypto::HashAlgorithm::kSha256 : crypto::HashAlgorithm::kSha384,
        crypto::SignatureFormat::kRaw, as_bytes(token.substr(0, second)), signature));
  }
}

}  // namespace
}  // namespace gateway::attestation
