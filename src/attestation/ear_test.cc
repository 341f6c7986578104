#include "attestation/ear.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "attestation/testing/fake_vendor.h"

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
                      .chain_cache = nullptr};
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

TEST(Ear, WarnsWhenTheConfigurationIsUnknown) {
  PolicyEntry named = entry();
  named.config = ByteArray<48>{};
  const Policy policy{{named}};
  const json::object appraisal = appraisal_of(verified(fake_local().document(), &policy));
  EXPECT_EQ(appraisal.at("ear.trustworthiness-vector").at("configuration"), 36);
  EXPECT_EQ(appraisal.at("ear.status"), "warning");
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
