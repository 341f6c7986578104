// Every path, and every refusal, of the service; evidence is of a vendor of our own under a policy for local.
#include "verifier/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "attestation/ear_verify.h"
#include "attestation/formats/bundle.h"
#include "attestation/testing/fake_vendor.h"

namespace gateway::verifier {
namespace {

namespace json = boost::json;
using attestation::testing::fake_local;
using attestation::testing::kNow;
using ::testing::HasSubstr;

class FixedClock final : public Clock {
 public:
  Time now() const override { return at; }
  Time at = kNow;
};

std::string policy_text() {
  std::string text = "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + to_hex(fake_local().root_sha256()) +
                     "\"\nmeasurements = { ";
  const auto fields = fake_local().fields();
  for (const auto& [index, value] : fields.pcrs) {
    if (index <= 2) text += "\"" + std::to_string(index) + "\" = \"" + to_hex(value) + "\", ";
  }
  text.resize(text.size() - 2);
  return text + " }\n";
}

Bytes document_with(const Bytes& nonce) {
  return fake_local().document([&](attestation::testing::DocumentFields& fields) { fields.nonce = nonce; });
}

struct Answer {
  int status = 0;
  std::string headers;
  std::string text;
  json::object body() const { return json::parse(text).as_object(); }
  std::string id() const { return std::string(body().at("title").as_string()); }
};

class ServiceTest : public ::testing::Test {
 protected:
  void make(std::vector<CallerEntry> callers = {}, std::uint64_t anonymous = 0) {
    Settings settings{
        .policies = {{.id = "default",
                      .policy = attestation::Policy::parse(policy_text(), "p").value(),
                      .digest = "sha256:aa"},
                     {.id = "nothing", .policy = attestation::Policy::parse("", "n").value(), .digest = "sha256:bb"}},
        .collateral = {},
        .ear_key = key_,
        .developer = "Gateway",
        .build = "test",
        .callers = std::move(callers),
        .anonymous_per_minute = anonymous,
        .max_sessions = 3,
        .session_life = std::chrono::minutes(5)};
    service_ = std::make_unique<Service>(
        std::move(settings), Service::Sources{.clock = clock_,
                                              .monotonic = [this] { return monotonic_; },
                                              .random = [this](std::size_t size) { return Bytes(size, ++drawn_); }});
  }
  Answer ask(const std::string& method, const std::string& target, ByteView body = {},
             const std::string& headers = {}) {
    if (!service_) make();
    const std::string raw = method + " " + target + " HTTP/1.1\r\nHost: v\r\n" + headers + "\r\n";
    net::HttpHead head;
    const auto size = net::parse_request_head(as_bytes(raw), {}, head);
    EXPECT_TRUE(size && *size) << raw;
    auto decision = service_->on_request(head, {});
    if (auto* forward = std::get_if<server::ForwardDecision>(&decision)) {
      EXPECT_EQ(forward->collect_body, kMaxBody);
      auto judged = forward->rewrite_body(body);
      return answer_of(std::get<server::LocalResponse>(judged));
    }
    return answer_of(std::get<server::LocalResponse>(decision));
  }
  static Answer answer_of(const server::LocalResponse& response) {
    return {.status = response.status, .headers = response.more_headers, .text = std::string(as_text(response.body))};
  }
  attestation::EarToken token(const std::string& ear, const std::optional<std::string>& nonce = {}) {
    auto verified = attestation::verify_ear(ear, key_.public_key(),
                                            {.at = clock_.at, .max_age = std::chrono::minutes(1), .nonce = nonce});
    EXPECT_TRUE(verified) << verified.error().message();
    return *verified;
  }
  std::string open_session(const std::string& query) {
    const Answer made = ask("POST", "/challenge-response/v1/newSession?" + query);
    EXPECT_EQ(made.status, 201) << made.text;
    const std::size_t at = made.headers.find("/challenge-response");
    nonce_ = from_base64(std::string(made.body().at("nonce").as_string())).value();
    return made.headers.substr(at, made.headers.find('\r') - at);
  }

  crypto::PrivateKey key_ = *crypto::PrivateKey::generate(crypto::KeyType::kP256);
  FixedClock clock_;
  MonotonicTime monotonic_{};
  std::uint8_t drawn_ = 0;
  std::unique_ptr<Service> service_;
  Bytes nonce_;
};

TEST_F(ServiceTest, AffirmsEvidenceThatAnswersTheSessionsNonce) {
  const std::string session = open_session("nonceSize=32");
  EXPECT_EQ(nonce_, Bytes(32, 1));
  EXPECT_EQ(ask("GET", session).body().at("status"), "waiting");
  const Answer judged = ask("POST", session, document_with(nonce_));
  EXPECT_EQ(judged.status, 200);
  EXPECT_EQ(judged.body().at("status"), "complete");
  const std::string ear(judged.body().at("result").as_string());
  EXPECT_EQ(token(ear, to_base64url(nonce_)).worst(), attestation::AppraisalStatus::kAffirming);
  EXPECT_EQ(ask("GET", session).body().at("result"), json::value(ear.c_str()));
  EXPECT_EQ(ask("DELETE", session).status, 204);
  EXPECT_EQ(ask("GET", session).id(), "verifier.session");
}

TEST_F(ServiceTest, TakesANonceOfTheCallersOwn) {
  const std::string nonce = to_base64url(Bytes(16, 0xfe));
  const std::string session = open_session("nonce=" + nonce + "&policy=default");
  EXPECT_EQ(nonce_, Bytes(16, 0xfe));
  const Answer judged = ask("POST", session, document_with(nonce_));
  EXPECT_EQ(token(std::string(judged.body().at("result").as_string()), nonce).worst(),
            attestation::AppraisalStatus::kAffirming);
  EXPECT_EQ(ask("POST", "/challenge-response/v1/newSession?nonce=" + nonce + "==").status, 201) << "padding";
}

TEST_F(ServiceTest, SaysNoToEvidenceForAnotherNonce) {
  const std::string session = open_session("nonceSize=32");
  const Answer judged = ask("POST", session, document_with(Bytes(32, 9)));
  EXPECT_EQ(judged.status, 200) << "a verdict is no error";
  EXPECT_EQ(token(std::string(judged.body().at("result").as_string())).worst(),
            attestation::AppraisalStatus::kContraindicated);
  EXPECT_EQ(service_->metrics().reasons.at("evidence.nonce"), 1U);
}

TEST_F(ServiceTest, JudgesOncePerSession) {
  const std::string session = open_session("nonceSize=8");
  ask("POST", session, document_with(nonce_));
  const Answer again = ask("POST", session, document_with(nonce_));
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.id(), "verifier.session_used");
}

TEST_F(ServiceTest, JudgesOncePerSessionWhenTwoBodiesComeInAtOnce) {
  const std::string session = open_session("nonceSize=8");
  const std::string raw = "POST " + session + " HTTP/1.1\r\nHost: v\r\n\r\n";
  net::HttpHead head;
  ASSERT_TRUE(net::parse_request_head(as_bytes(raw), {}, head));
  auto first = std::get<server::ForwardDecision>(service_->on_request(head, {}));
  auto second = std::get<server::ForwardDecision>(service_->on_request(head, {}));
  const Bytes document = document_with(nonce_);
  EXPECT_EQ(std::get<server::LocalResponse>(first.rewrite_body(document)).status, 200);
  EXPECT_EQ(std::get<server::LocalResponse>(second.rewrite_body(document)).status, 409);
}

TEST_F(ServiceTest, JudgesWithoutASession) {
  const Answer judged = ask("POST", "/v1/verify?policy=default", fake_local().document());
  EXPECT_EQ(judged.status, 200);
  EXPECT_EQ(judged.body().at("policy"), "default");
  EXPECT_EQ(judged.body().at("verification").at("appraisal"), "affirming");
  EXPECT_EQ(token(std::string(judged.body().at("ear").as_string())).worst(), attestation::AppraisalStatus::kAffirming);
  const Bytes nonce(20, 3);
  EXPECT_EQ(
      ask("POST", "/v1/verify?nonce=" + to_hex(nonce), document_with(nonce)).body().at("verification").at("reason"),
      nullptr);
  EXPECT_EQ(ask("POST", "/v1/verify?nonce=" + to_hex(Bytes(20, 4)), document_with(nonce))
                .body()
                .at("verification")
                .at("reason"),
            "evidence.nonce");
}

TEST_F(ServiceTest, OpensBundles) {
  const std::vector<Bytes> collateral{fake_local().root().der()};
  const auto bundle = attestation::formats::encode_bundle(fake_local().document(), collateral);
  ASSERT_TRUE(bundle);
  EXPECT_EQ(ask("POST", "/v1/verify", *bundle).body().at("verification").at("appraisal"), "affirming");
}

TEST_F(ServiceTest, AnswersRubbishWithAVerdict) {
  for (const Bytes& body : {Bytes{}, Bytes(100, 0xff), to_bytes("-----BEGIN CERTIFICATE-----\nAA==\n")}) {
    const Answer judged = ask("POST", "/v1/verify", body);
    EXPECT_EQ(judged.status, 200);
    EXPECT_EQ(judged.body().at("verification").at("authentic"), false);
    EXPECT_EQ(token(std::string(judged.body().at("ear").as_string())).worst(),
              attestation::AppraisalStatus::kContraindicated);
  }
}

TEST_F(ServiceTest, KnowsOnlyPoliciesOfItsOwn) {
  EXPECT_EQ(ask("POST", "/v1/verify?policy=other").id(), "verifier.policy");
  EXPECT_EQ(ask("POST", "/challenge-response/v1/newSession?nonceSize=8&policy=other").id(), "verifier.policy");
  EXPECT_EQ(ask("POST", "/v1/verify?policy=nothing", fake_local().document()).body().at("verification").at("reason"),
            "nitro.chain.anchor")
      << "the roots are those of the policy that was named";
  EXPECT_THAT(ask("GET", "/v1/policies").text, HasSubstr("\"id\":\"nothing\""));
}

TEST_F(ServiceTest, RefusesQueriesThatItDoesNotUnderstand) {
  const std::string session = "/challenge-response/v1/newSession";
  for (const char* query : {"", "?nonceSize=7", "?nonceSize=65", "?nonceSize=-1", "?nonceSize=8x", "?nonce=AAA",
                            "?nonce=!!!!!!!!!!!!", "?nonce=AAAAAAAAAAAAAAAA&nonceSize=8"}) {
    EXPECT_EQ(ask("POST", session + query).id(), "verifier.nonce") << query;
  }
  EXPECT_EQ(ask("POST", session + "?nonceSize=8&polcy=default").id(), "verifier.query");
  EXPECT_EQ(ask("POST", "/v1/verify?nonce=zz").id(), "verifier.nonce");
  EXPECT_EQ(ask("POST", "/v1/verify?nonce=aabb").id(), "verifier.nonce");
  EXPECT_EQ(ask("POST", "/v1/verify?session=1").id(), "verifier.query");
  EXPECT_EQ(ask("POST", "/v1/verify?policy=a&policy=b").status, 400);
}

TEST_F(ServiceTest, RefusesPathsAndMethodsThatAreNone) {
  EXPECT_EQ(ask("GET", "/").id(), "verifier.path");
  EXPECT_EQ(ask("GET", "/challenge-response/v1/session/").id(), "verifier.path");
  EXPECT_EQ(ask("GET", "/challenge-response/v1/session").id(), "verifier.path");
  EXPECT_EQ(ask("GET", "/v1/verify").id(), "verifier.method");
  EXPECT_EQ(ask("POST", "/v1/policies").id(), "verifier.method");
  EXPECT_EQ(ask("POST", "/health").id(), "verifier.method");
  EXPECT_EQ(ask("POST", "/metrics").id(), "verifier.method");
  EXPECT_EQ(ask("DELETE", "/.well-known/veraison/verification").id(), "verifier.method");
  EXPECT_EQ(ask("GET", "/v1/../metrics").status, 400);
  const std::string session = open_session("nonceSize=8");
  EXPECT_EQ(ask("PUT", session).id(), "verifier.method");
}

TEST_F(ServiceTest, IsBoundedInSessions) {
  for (int i = 0; i < 3; ++i) open_session("nonceSize=8");
  const Answer full = ask("POST", "/challenge-response/v1/newSession?nonceSize=8");
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.id(), "verifier.sessions");
  EXPECT_THAT(full.headers, HasSubstr("Retry-After"));
  clock_.at += std::chrono::minutes(5);
  EXPECT_EQ(ask("POST", "/challenge-response/v1/newSession?nonceSize=8").status, 201);
}

TEST_F(ServiceTest, HoldsCallersToTheirQuota) {
  make({}, 2);
  EXPECT_EQ(ask("GET", "/v1/policies").status, 200);
  EXPECT_EQ(ask("GET", "/v1/policies").status, 200);
  const Answer over = ask("POST", "/v1/verify", fake_local().document());
  EXPECT_EQ(over.status, 429);
  EXPECT_EQ(over.id(), "verifier.quota");
  EXPECT_THAT(over.headers, HasSubstr("Retry-After: 30"));
  EXPECT_EQ(ask("GET", "/health").status, 200);
  monotonic_ += std::chrono::seconds(30);
  EXPECT_EQ(ask("GET", "/v1/policies").status, 200);
}

TEST_F(ServiceTest, KnowsItsCallersByTheirTokens) {
  make({{.id = "a", .token_sha256 = crypto::sha256(as_bytes("alpha")), .per_minute = 1},
        {.id = "b", .token_sha256 = crypto::sha256(as_bytes("beta")), .per_minute = 0}});
  const auto as = [](const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; };
  EXPECT_EQ(ask("GET", "/v1/policies").id(), "verifier.token");
  EXPECT_THAT(ask("GET", "/v1/policies").headers, HasSubstr("WWW-Authenticate"));
  EXPECT_EQ(ask("GET", "/v1/policies", {}, as("gamma")).id(), "verifier.token");
  EXPECT_EQ(ask("GET", "/v1/policies", {}, "Authorization: Basic alpha\r\n").id(), "verifier.token");
  EXPECT_EQ(ask("GET", "/v1/policies", {}, as("alpha")).status, 200);
  EXPECT_EQ(ask("GET", "/v1/policies", {}, as("alpha")).status, 429);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("GET", "/v1/policies", {}, as("beta")).status, 200);
  EXPECT_EQ(service_->metrics().refused_token, 4U);
}

TEST_F(ServiceTest, SaysWhatItIs) {
  const json::object found = ask("GET", "/.well-known/veraison/verification").body();
  EXPECT_EQ(found.at("service-state"), "READY");
  EXPECT_EQ(found.at("api-endpoints").at("newChallengeResponseSession"), "/challenge-response/v1/newSession");
  const json::object& jwk = found.at("ear-verification-key").as_object();
  EXPECT_EQ(jwk.at("crv"), "P-256");
  const Bytes x = from_base64url(std::string(jwk.at("x").as_string())).value();
  const Bytes y = from_base64url(std::string(jwk.at("y").as_string())).value();
  Bytes point = x;
  append(point, y);
  EXPECT_EQ(point, to_bytes(ByteView(key_.public_key().spki()).last(64)));
}

TEST_F(ServiceTest, CountsForPrometheus) {
  ask("POST", "/v1/verify", fake_local().document());
  ask("POST", "/v1/verify", Bytes(3, 0x80));
  const std::string text = ask("GET", "/metrics").text;
  EXPECT_THAT(text, HasSubstr("gateway_verifier_verifications_total{platform=\"local\",appraisal=\"affirming\"} 1"));
  EXPECT_THAT(text, HasSubstr("gateway_verifier_sessions 0"));
  EXPECT_THAT(text, HasSubstr("gateway_verifier_refused_total{why=\"quota\"} 0"));
}

}  // namespace
}  // namespace gateway::verifier
