#include "attestation/ear_verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "attestation/ear.h"
#include "attestation/testing/fake_claims.h"
#include "codec/json.h"

namespace gateway::attestation {
namespace {

namespace json = boost::json;
using testing::kNow;

const crypto::PrivateKey& key_of(crypto::KeyType type) {
  static const auto p256 = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  static const auto p384 = crypto::PrivateKey::generate(crypto::KeyType::kP384).value();
  return type == crypto::KeyType::kP256 ? p256 : p384;
}
const crypto::PrivateKey& p256() { return key_of(crypto::KeyType::kP256); }

std::string encode(std::string_view text) { return to_base64url(as_bytes(text)); }

std::string signed_token(std::string_view header, std::string_view payload, const crypto::PrivateKey& key = p256()) {
  const std::string message = encode(header) + "." + encode(payload);
  const auto hash =
      key.type() == crypto::KeyType::kP256 ? crypto::HashAlgorithm::kSha256 : crypto::HashAlgorithm::kSha384;
  return message + "." + to_base64url(key.sign(hash, crypto::SignatureFormat::kRaw, as_bytes(message)).value());
}

constexpr const char* kHeader = R"({"alg":"ES256","typ":"JWT"})";

json::object good_claims() {
  return json::parse(R"({"eat_profile":"tag:github.com,2023:veraison/ear","iat":1779278400,"eat_nonce":"bm9uY2Vub25jZQ",
    "ear.verifier-id":{"developer":"Gateway","build":"test"},
    "submods":{"snp":{"ear.status":"affirming","ear.appraisal-policy-id":"sha256:00",
      "ear.trustworthiness-vector":{"hardware":2,"executables":3,"configuration":0,"instance-identity":2}}}})")
      .as_object();
}
using Change = std::function<void(json::object&)>;

EarExpectations expected() { return {.at = kNow, .max_age = std::chrono::minutes(5), .nonce = {}}; }

Result<EarToken> verified(const Change& change, const EarExpectations& expectations = expected()) {
  json::object claims = good_claims();
  change(claims);
  return verify_ear(signed_token(kHeader, codec::write_json(claims)), p256().public_key(), expectations);
}
std::string refusal(const Result<EarToken>& token) { return token ? "" : std::string(token.error().id()); }
std::string refusal(const Change& change, const EarExpectations& expectations = expected()) {
  return refusal(verified(change, expectations));
}
std::string refusal(std::string_view token) { return refusal(verify_ear(token, p256().public_key(), expected())); }
std::string refusal_of_header(std::string_view header) {
  return refusal(signed_token(header, codec::write_json(good_claims())));
}
json::object& submod(json::object& claims) { return claims.at("submods").at("snp").as_object(); }

TEST(EarVerify, ReadsWhatAVerifierSigned) {
  const auto token = verified([](json::object&) {});
  ASSERT_TRUE(token) << token.error().message();
  EXPECT_EQ(token->issued_at, kNow);
  EXPECT_EQ(token->developer, "Gateway");
  EXPECT_EQ(token->build, "test");
  EXPECT_THAT(token->nonces, ::testing::ElementsAre("bm9uY2Vub25jZQ"));
  ASSERT_EQ(token->submods.size(), 1U);
  const EarSubmod& snp = token->submods.at("snp");
  EXPECT_EQ(snp.status, AppraisalStatus::kAffirming);
  EXPECT_EQ(snp.vector.at("executables"), 3);
  EXPECT_EQ(snp.policy_id, "sha256:00");
  EXPECT_EQ(token->worst(), AppraisalStatus::kAffirming);
}

TEST(EarVerify, AcceptsOurOwnTokensOfBothKeys) {
  const Policy policy = Policy::parse(testing::tdx_entry(), "policy.toml").value();
  const Claims claims = testing::tdx_claims();
  Verdict verdict =
      appraise(claims, policy, {.at = kNow, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}});
  Verification verification;
  verification.platform = Platform::kTdx;
  verification.authentic = true;
  verification.claims = claims;
  verification.result = std::move(verdict.result);
  verification.checks = std::move(verdict.checks);
  verification.appraisal = verdict.status;
  for (const auto type : {crypto::KeyType::kP256, crypto::KeyType::kP384}) {
    const auto& key = key_of(type);
    const std::string text =
        sign_ear(verification, {.issued_at = kNow, .developer = "Gateway", .build = "test", .policy_id = {}}, key)
            .value();
    const auto token = verify_ear(text, key.public_key(), expected());
    ASSERT_TRUE(token) << token.error().message();
    EXPECT_EQ(token->submods.at("tdx").status, AppraisalStatus::kAffirming);
    EXPECT_THAT(token->claims, ::testing::HasSubstr("annotated-evidence"));
  }
}

TEST(EarVerify, RefusesAnySingleChangedCharacter) {
  const std::string good = signed_token(kHeader, codec::write_json(good_claims()));
  ASSERT_EQ(refusal(good), "");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(refusal(changed), "") << i;
  }
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_NE(refusal(good.substr(0, size)), "") << size;
}

TEST(EarVerify, RefusesWhatIsNoCompactJws) {
  const std::string good = signed_token(kHeader, codec::write_json(good_claims()));
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."), std::string("..."),
                                 std::string("a.b"), "." + good, good + ".", good + ".e30", good + "=", good + "\n",
                                 " " + good, good.substr(good.find('.')), good.substr(0, good.rfind('.') + 1)}) {
    EXPECT_EQ(refusal(bad), "ear.token") << bad;
  }
  EXPECT_EQ(refusal(std::string(kMaxEarSize + 1, 'A')), "ear.size");
}

TEST(EarVerify, RefusesAnotherVerifiersSignature) {
  const auto other = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  EXPECT_EQ(refusal(signed_token(kHeader, codec::write_json(good_claims()), other)), "ear.signature");
  const std::string good = signed_token(kHeader, codec::write_json(good_claims()));
  EXPECT_EQ(refusal(good.substr(0, good.rfind('.') + 1) + to_base64url(Bytes(64, 0))), "ear.signature");
  EXPECT_EQ(refusal(good.substr(0, good.rfind('.') + 1) + to_base64url(Bytes(63, 1))), "ear.signature");
}

TEST(EarVerify, PinsTheAlgorithmToTheKey) {
  EXPECT_EQ(refusal_of_header(R"({"alg":"none"})"), "ear.algorithm");
  EXPECT_EQ(refusal_of_header(R"({"alg":"HS256"})"), "ear.algorithm");
  EXPECT_EQ(refusal_of_header(R"({"alg":"ES384"})"), "ear.algorithm");
  EXPECT_EQ(refusal_of_header(R"({"alg":"es256"})"), "ear.algorithm");
  const auto& p384 = key_of(crypto::KeyType::kP384);
  EXPECT_EQ(
      refusal(verify_ear(signed_token(kHeader, codec::write_json(good_claims()), p384), p384.public_key(), expected())),
      "ear.algorithm");
}

TEST(EarVerify, RefusesHeadersThatSayMoreThanThatItIsSigned) {
  EXPECT_EQ(refusal_of_header(R"({"alg":"ES256"})"), "");
  EXPECT_EQ(refusal_of_header(R"({"alg":"ES256","kid":"1","typ":"eat+jwt"})"), "");
  for (const char* bad :
       {R"({"typ":"JWT"})", R"({"alg":256})", R"({"alg":"ES256","typ":"JOSE"})", R"({"alg":"ES256","crit":["b64"]})",
        R"({"alg":"ES256","jwk":{}})", R"({"alg":"ES256","jku":"https://example.org"})",
        R"({"alg":"ES256","b64":false})", R"(["ES256"])", R"({"alg":"ES256","alg":"ES256"})", "{"}) {
    EXPECT_EQ(refusal_of_header(bad), "ear.header") << bad;
  }
}

TEST(EarVerify, RefusesOtherKindsOfTokens) {
  EXPECT_EQ(refusal([](json::object& claims) { claims["eat_profile"] = "tag:example.org,2025:other"; }), "ear.profile");
  EXPECT_EQ(refusal([](json::object& claims) { claims.erase("eat_profile"); }), "ear.claims");
  for (const char* payload : {"[]", "{", "null", R"({"iat":1,"iat":1})"}) {
    EXPECT_EQ(refusal(signed_token(kHeader, payload)), "ear.claims") << payload;
  }
}

TEST(EarVerify, HoldsTheTimeToTheOneGiven) {
  const auto with = [](const char* name, std::int64_t offset) {
    return refusal([=](json::object& claims) { claims[name] = 1779278400 + offset; });
  };
  EXPECT_EQ(with("iat", 60), "");  // the two clocks differ
  EXPECT_EQ(with("iat", 61), "ear.future");
  EXPECT_EQ(with("iat", -300), "");
  EXPECT_EQ(with("iat", -301), "ear.age");
  EXPECT_EQ(with("nbf", 60), "");
  EXPECT_EQ(with("nbf", 61), "ear.future");
  EXPECT_EQ(with("exp", 1), "");
  EXPECT_EQ(with("exp", 0), "ear.expired");
  for (const char* name : {"iat", "nbf", "exp"}) {
    for (const json::value& bad : {json::value("now"), json::value(1.5), json::value(-1), json::value(253402300800)}) {
      EXPECT_EQ(refusal([&](json::object& claims) { claims[name] = bad; }), "ear.claims") << name;
    }
  }
  EXPECT_EQ(refusal([](json::object& claims) { claims.erase("iat"); }), "ear.claims");
}

TEST(EarVerify, ComparesTheNonce) {
  EarExpectations mine = expected();
  mine.nonce = "bm9uY2Vub25jZQ";
  EXPECT_EQ(refusal([](json::object&) {}, mine), "");
  EXPECT_EQ(refusal([](json::object& claims) { claims["eat_nonce"] = json::array{"other", "bm9uY2Vub25jZQ"}; }, mine),
            "");
  EXPECT_EQ(refusal([](json::object& claims) { claims["eat_nonce"] = "other"; }, mine), "ear.nonce");
  EXPECT_EQ(refusal([](json::object& claims) { claims.erase("eat_nonce"); }, mine), "ear.nonce");
  EXPECT_EQ(refusal([](json::object& claims) { claims.erase("eat_nonce"); }), "");
  EXPECT_EQ(refusal([](json::object& claims) { claims["eat_nonce"] = 1; }), "ear.claims");
  EXPECT_EQ(refusal([](json::object& claims) { claims["eat_nonce"] = json::array{1}; }), "ear.claims");
  json::array many;
  for (int i = 0; i < 17; ++i) many.emplace_back("nonce");
  EXPECT_EQ(refusal([&](json::object& claims) { claims["eat_nonce"] = many; }), "ear.claims");
}

TEST(EarVerify, NeedsAVerifierAndSubmodules) {
  EXPECT_EQ(refusal([](json::object& claims) { claims.erase("ear.verifier-id"); }), "ear.claims");
  EXPECT_EQ(refusal([](json::object& claims) { claims["ear.verifier-id"] = "Gateway"; }), "ear.claims");
  for (const char* name : {"developer", "build"}) {
    EXPECT_EQ(refusal([&](json::object& claims) { claims["ear.verifier-id"].as_object().erase(name); }), "ear.claims");
  }
  EXPECT_EQ(refusal([](json::object& claims) { claims.erase("submods"); }), "ear.claims");
  EXPECT_EQ(refusal([](json::object& claims) { claims["submods"] = json::object(); }), "ear.claims");
  EXPECT_EQ(refusal([](json::object& claims) { claims["submods"] = json::array(); }), "ear.claims");
  EXPECT_EQ(refusal([](json::object& claims) { claims["submods"].as_object()["other"] = 1; }), "ear.claims");
  EXPECT_EQ(refusal([](json::object& claims) {
              auto& submods = claims["submods"].as_object();
              for (std::size_t i = 0; i < kMaxEarSubmods; ++i)
                submods["s" + std::to_string(i)] = json::object{{"ear.status", "none"}};
            }),
            "ear.claims");
}

TEST(EarVerify, ReadsTheStatusAsWordOrNumber) {
  const auto with = [](const json::value& status) {
    const auto token = verified([&](json::object& claims) {
      submod(claims)["ear.status"] = status;
      submod(claims).erase("ear.trustworthiness-vector");
    });
    return token ? std::string(to_string(token->submods.at("snp").status)) : std::string(token.error().id());
  };
  for (const auto& [number, word] :
       {std::pair{0, "none"}, std::pair{2, "affirming"}, std::pair{32, "warning"}, std::pair{96, "contraindicated"}}) {
    EXPECT_EQ(with(word), word);
    EXPECT_EQ(with(number), word);
  }
  for (const json::value& bad : {json::value("Affirming"), json::value(3), json::value(nullptr), json::value(2.0)})
    EXPECT_EQ(with(bad), "ear.claims");
  EXPECT_EQ(refusal([](json::object& claims) { submod(claims).erase("ear.status"); }), "ear.claims");
  EXPECT_EQ(refusal([](json::object& claims) { submod(claims)["ear.appraisal-policy-id"] = 1; }), "ear.claims");
}

TEST(EarVerify, RefusesAStatusBetterThanItsVector) {
  const auto with = [](const char* status, int hardware) {
    return refusal([=](json::object& claims) {
      submod(claims)["ear.status"] = status;
      submod(claims)["ear.trustworthiness-vector"] = json::object{{"hardware", hardware}, {"executables", 2}};
    });
  };
  EXPECT_EQ(with("affirming", 2), "");
  EXPECT_EQ(with("affirming", 32), "ear.status");
  EXPECT_EQ(with("affirming", 96), "ear.status");
  EXPECT_EQ(with("affirming", -33), "ear.status");
  EXPECT_EQ(with("warning", 32), "");
  EXPECT_EQ(with("warning", 97), "ear.status");
  EXPECT_EQ(with("none", 32), "ear.status");
  EXPECT_EQ(with("none", 2), "");  // a verifier may say less than it found
  EXPECT_EQ(with("warning", 2), "");
  EXPECT_EQ(with("contraindicated", 2), "");
}

TEST(EarVerify, RefusesVectorsThatAr4siDoesNotKnow) {
  for (const json::value& bad :
       {json::value(json::object{{"hardware", 128}}), json::value(json::object{{"hardware", -129}}),
        json::value(json::object{{"hardware", "2"}}), json::value(json::object{{"hardwear", 2}}),
        json::value(json::array{2}), json::value(2)}) {
    EXPECT_EQ(refusal([&](json::object& claims) { submod(claims)["ear.trustworthiness-vector"] = bad; }), "ear.claims");
  }
}

TEST(EarVerify, SortsValuesIntoAr4sisTiers) {
  const auto in = [](AppraisalStatus tier, std::initializer_list<int> values) {
    for (const int value : values) EXPECT_EQ(tier_of(value), tier) << value;
  };
  in(AppraisalStatus::kNone, {-1, 0, 1});
  in(AppraisalStatus::kAffirming, {2, 31, -2, -32});
  in(AppraisalStatus::kWarning, {32, 95, -33, -96});
  in(AppraisalStatus::kContraindicated, {96, 127, -97, -128});
}

TEST(EarVerify, TakesTheWorstOfSeveralSubmodules) {
  const auto with = [](const char* other) {
    return verified([=](json::object& claims) {
             claims["submods"].as_object()["other"] = json::object{{"ear.status", other}};
           })
        ->worst();
  };
  EXPECT_EQ(with("affirming"), AppraisalStatus::kAffirming);
  EXPECT_EQ(with("warning"), AppraisalStatus::kWarning);
  EXPECT_EQ(with("contraindicated"), AppraisalStatus::kContraindicated);
  EXPECT_EQ(with("none"), AppraisalStatus::kNone);
}

}  // namespace
}  // namespace gateway::attestation
