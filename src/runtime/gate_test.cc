#include "runtime/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/test_parts.h"

namespace gateway::runtime {
namespace {

class GateTest : public ::testing::Test {
 protected:
  GateTest() {
    config_.paths = description_.ingress.paths;
    const auto list = channel::sign_token_list(
        {.version = 1,
         .not_after = clock_.now() + std::chrono::hours(1),
         .entries = {{.id = "caller", .token_sha256 = channel::token_digest(as_bytes("call")), .rights = 1},
                     {.id = "reader", .token_sha256 = channel::token_digest(as_bytes("read")), .rights = 6}}},
        key_);
    EXPECT_TRUE(admission_.replace(*list, loop_.now()));
    logs_.append(as_bytes("printed\n"));
    session_.exporter = [](const attestation::Nonce&) -> Result<ByteArray<32>> { return ByteArray<32>{}; };
  }
  void SetUp() override {
    auto identity = make_identity(nsm_, crypto::Sha384{}, clock_.now());
    ASSERT_TRUE(identity);
    identity_.emplace(std::move(*identity));
    evidence_ = *EvidenceService::start(loop_, nsm_, *identity_);
  }
  void use_llama() {
    description_.ingress.profile = image::IngressProfile::kLlama;
    description_.llama = image::LlamaDescription{.max_tokens = 10};
  }
  server::Decision decide(const std::string& method, const std::string& target, const std::string& headers = {}) {
    RuntimeGate gate(description_, config_,
                     {.loop = loop_,
                      .admission = admission_,
                      .evidence = *evidence_,
                      .logs = logs_,
                      .workload_ready = [this] { return ready_; },
                      .metrics = [] { return to_bytes(std::string_view("figures\n")); }});
    raw_ = method + " " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
    net::HttpHead head;
    const auto size = net::parse_request_head(as_bytes(raw_), {}, head);
    EXPECT_TRUE(size && *size) << raw_;
    return gate.on_request(head, session_);
  }
  // "200", "401 tokens.missing", "later", or "forward TARGET".
  std::string judged(const std::string& method, const std::string& target, const std::string& headers = {}) {
    const server::Decision decision = decide(method, target, headers);
    if (std::holds_alternative<server::DeferredResponse>(decision)) return "later";
    if (const auto* forward = std::get_if<server::ForwardDecision>(&decision)) return "forward " + forward->target;
    const server::LocalResponse& response = std::get<server::LocalResponse>(decision);
    body_ = as_text(response.body);
    const std::size_t at = body_.find("\"id\":\"");
    const std::string id = at == std::string::npos ? "" : " " + body_.substr(at + 6, body_.find('"', at + 6) - at - 6);
    return std::to_string(response.status) + id;
  }
  static constexpr const char* kCall = "Authorization: Bearer call\r\n";
  static constexpr const char* kRead = "Authorization: Bearer read\r\n";

  SystemClock clock_;
  crypto::PrivateKey key_ = *crypto::PrivateKey::generate(crypto::KeyType::kP256);
  image::Description description_ = test_description();
  EffectiveConfig config_{.access_key = key_.public_key(), .paths = {}, .argv = {}, .env = {}, .limits = {}};
  TestNsm device_;
  attester::NsmClient nsm_{device_.device(), attestation::Platform::kLocal};
  net::Loop loop_;
  Admission admission_{key_.public_key(), clock_};
  LogRing logs_;
  std::optional<Identity> identity_;
  std::unique_ptr<EvidenceService> evidence_;
  server::SessionContext session_;
  bool ready_ = true;
  std::string raw_;
  std::string body_;
};

TEST_F(GateTest, HealthAndReadinessAreOpenAndTellNothingElse) {
  EXPECT_EQ(judged("GET", "/health"), "200");
  EXPECT_EQ(body_, R"({"status":"ok"})");
  EXPECT_EQ(judged("GET", "/ready"), "200");
  ready_ = false;
  EXPECT_EQ(judged("GET", "/ready"), "503");
  EXPECT_EQ(body_, R"({"status":"starting"})");
  EXPECT_EQ(judged("GET", "/health"), "200");
}

TEST_F(GateTest, OwnPathsTakeGetAlone) {
  for (const char* path :
       {"/health", "/ready", "/metrics", "/.well-known/gateway/logs", "/.well-known/gateway/attestation"}) {
    EXPECT_EQ(judged("POST", path, kCall), "405 gate.method") << path;
    EXPECT_EQ(judged("HEAD", path, kCall), "405 gate.method") << path;
  }
}

TEST_F(GateTest, LogsAndMetricsTakeTheirOwnRight) {
  for (const char* path : {"/metrics", "/.well-known/gateway/logs"}) {
    EXPECT_EQ(judged("GET", path), "401 tokens.missing");
    EXPECT_EQ(judged("GET", path, kCall), "403 tokens.right");
    EXPECT_EQ(judged("GET", path, kRead), "200");
  }
  EXPECT_EQ(body_, "printed\n");
}

TEST_F(GateTest, OtherPathsBelowTheWellKnownFolderAreNobodys) {
  EXPECT_EQ(judged("GET", "/.well-known/gateway/keys"), "401 tokens.missing");
  EXPECT_EQ(judged("GET", "/.well-known/gateway/keys", kCall), "404 gate.path");
}

TEST_F(GateTest, AllowedPathsGoOnInTheirNormalForm) {
  EXPECT_EQ(judged("GET", "/v1/models", kCall), "forward /v1/models");
  EXPECT_EQ(judged("POST", "/v1/%61?x=%2e%2e&y", kCall), "forward /v1/a?x=%2e%2e&y");
  EXPECT_EQ(judged("GET", "/v1", kCall), "404 gate.path");
  EXPECT_EQ(judged("GET", "/V1/models", kCall), "404 gate.path");
  EXPECT_EQ(judged("GET", "/admin", kCall), "404 gate.path");
  EXPECT_EQ(judged("GET", "/v1/%2e%2e/admin", kCall), "400 http.target");
  EXPECT_EQ(judged("GET", "/v1//x", kCall), "400 http.target");
}

TEST_F(GateTest, WithoutATokenNothingIsSaidAboutPaths) {
  EXPECT_EQ(judged("GET", "/v1/models"), "401 tokens.missing");
  EXPECT_EQ(judged("GET", "/admin"), "401 tokens.missing");
  EXPECT_EQ(judged("GET", "/admin", "Authorization: Bearer x\r\n"), "401 tokens.unknown");
}

TEST_F(GateTest, TwoAuthorizationHeadersAreNone) {
  EXPECT_EQ(judged("GET", "/v1/models", std::string(kCall) + kCall), "401 tokens.missing");
  EXPECT_EQ(judged("GET", "/metrics", std::string(kRead) + "authorization: Bearer x\r\n"), "401 tokens.missing");
}

TEST_F(GateTest, AWorkloadThatIsNotReadyIsSaid) {
  ready_ = false;
  EXPECT_EQ(judged("GET", "/v1/models", kCall), "503 workload.not_ready");
}

TEST_F(GateTest, EvidenceIsOpen) {
  const std::string nonce(64, 'a');
  EXPECT_EQ(judged("GET", "/.well-known/gateway/attestation?nonce=" + nonce), "200");
  EXPECT_EQ(judged("GET", "/.well-known/gateway/attestation?nonce=" + nonce + "&fresh=1"), "later");
  EXPECT_EQ(judged("GET", "/.well-known/gateway/attestation"), "400 evidence.query");
}

TEST_F(GateTest, ReadingMethodsTakeNoBody) {
  for (const char* method : {"GET", "HEAD"}) {
    EXPECT_EQ(judged(method, "/v1/x", std::string(kCall) + "Content-Length: 2\r\n"), "400 gate.body");
    EXPECT_EQ(judged(method, "/v1/x", std::string(kCall) + "Transfer-Encoding: chunked\r\n"), "400 gate.body");
    EXPECT_EQ(judged(method, "/v1/x", kCall), "forward /v1/x");
  }
  EXPECT_EQ(judged("DELETE", "/v1/x", std::string(kCall) + "Content-Length: 2\r\n"), "forward /v1/x");
}

TEST_F(GateTest, ProfileHttpRelaysBodiesUntouched) {
  const server::Decision decision = decide("POST", "/v1/x", kCall);
  const auto& forward = std::get<server::ForwardDecision>(decision);
  EXPECT_FALSE(forward.collect_body);
  EXPECT_FALSE(forward.wants_payload);
  forward.observer->on_end(server::ForwardObserver::Ending::kCallerLeft, 200);
  EXPECT_EQ(admission_.callers()[0]->counters.left, 1U);
}

TEST_F(GateTest, ProfileLlamaKnowsItsPathsAndMethods) {
  use_llama();
  EXPECT_EQ(judged("GET", "/v1/models?x=1", kCall), "forward /v1/models");
  EXPECT_EQ(judged("GET", "/v1/models", std::string(kCall) + "Content-Length: 2\r\n"), "400 gate.body");
  EXPECT_EQ(judged("POST", "/v1/completions?slot=1", kCall), "forward /v1/completions");
  EXPECT_EQ(judged("GET", "/v1/completions", kCall), "405 gate.method");
  EXPECT_EQ(judged("POST", "/v1/models", kCall), "405 gate.method");
  EXPECT_EQ(judged("POST", "/v1/responses", kCall), "404 gate.path");
  EXPECT_EQ(judged("GET", "/stream", kCall), "404 gate.path");
}

TEST_F(GateTest, ProfileLlamaRewritesBodiesAndChargesForAnswers) {
  use_llama();
  config_.limits.max_body = 4096;
  server::Decision decision = decide("POST", "/v1/completions", kCall);
  auto& forward = std::get<server::ForwardDecision>(decision);
  EXPECT_EQ(forward.collect_body, 4096U);
  EXPECT_TRUE(forward.wants_payload);
  const auto refused = forward.rewrite_body(as_bytes(R"({"id_slot":1})"));
  EXPECT_EQ(std::get<server::LocalResponse>(refused).status, 400);
  const auto rewritten = forward.rewrite_body(as_bytes(R"({"prompt":"x"})"));
  EXPECT_THAT(std::string(as_text(std::get<Bytes>(rewritten))), ::testing::HasSubstr("\"max_tokens\":10"));
  forward.observer->on_response_payload(as_bytes(R"({"usage":{"prompt_tokens":3,"completion_tokens":4}})"));
  forward.observer->on_end(server::ForwardObserver::Ending::kComplete, 200);
  EXPECT_EQ(admission_.callers()[0]->counters.prompt_tokens, 3U);
  EXPECT_EQ(admission_.callers()[0]->counters.completion_tokens, 4U);
  EXPECT_EQ(admission_.callers()[0]->counters.complete, 1U);
}

// All heads may come before the first body is charged.
TEST_F(GateTest, ProfileLlamaLetsNoBodyPassThatTheQuotaDoesNotCover) {
  use_llama();
  const auto list = channel::sign_token_list({.version = 2,
                                              .not_after = clock_.now() + std::chrono::hours(1),
                                              .entries = {{.id = "caller",
                                                           .token_sha256 = channel::token_digest(as_bytes("call")),
                                                           .rights = 1,
                                                           .tokens_per_minute = 5}}},
                                             key_);
  ASSERT_TRUE(admission_.replace(*list, loop_.now()));
  server::Decision first = decide("POST", "/v1/completions", kCall);
  server::Decision second = decide("POST", "/v1/completions", kCall);
  const ByteView body = as_bytes(R"({"prompt":"x"})");
  EXPECT_TRUE(std::holds_alternative<Bytes>(std::get<server::ForwardDecision>(first).rewrite_body(body)));
  const auto refused = std::get<server::ForwardDecision>(second).rewrite_body(body);
  ASSERT_TRUE(std::holds_alternative<server::LocalResponse>(refused));
  EXPECT_EQ(std::get<server::LocalResponse>(refused).status, 429);
}

}  // namespace
}  // namespace gateway::runtime
