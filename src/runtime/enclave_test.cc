// The real binary from its first instruction to its end, with the host's side played here.
#include "runtime/enclave.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <fstream>

#include "attestation/nitro/authenticate.h"
#include "crypto/random.h"
#include "runtime/test_enclave.h"

namespace gateway::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class EnclaveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!TestEnclave::possible()) GTEST_SKIP() << "NOT TESTED: needs bubblewrap and user namespaces";
  }
  void start_ready() {
    enclave_.start();
    ASSERT_TRUE(enclave_.await_ready()) << enclave_.events();
  }
  std::string refused() {
    enclave_.start();
    std::string reason = enclave_.await_fatal();
    EXPECT_NE(enclave_.wait_for_exit(), 0);
    return reason;
  }
  TestEnclave enclave_;
};

std::string attestation_target(const attestation::Nonce& nonce, bool fresh) {
  return std::string(attestation::kAttestationPath) + "?nonce=" + to_hex(nonce) + (fresh ? "&fresh=1" : "");
}

TEST_F(EnclaveTest, ServesEvidenceThatBindsNonceSessionAndConfiguration) {
  start_ready();
  TestClient client(enclave_.ingress_path());
  ASSERT_TRUE(client.connected());
  const attestation::Nonce nonce = crypto::random_array<32>();
  const TestAnswer answer = client.request("GET", attestation_target(nonce, true));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto response = attestation::parse_response(as_bytes(answer.body));
  ASSERT_TRUE(response) << response.error().message();

  const auto quote = attestation::parse_quote(response->q);
  ASSERT_TRUE(quote);
  EXPECT_THAT(quote->nonces, ::testing::Contains(nonce));
  const auto keys = attestation::parse_keys(quote->k);
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->platform, attestation::Platform::kLocal);
  EXPECT_EQ(keys->config_digest, channel::deployment_digest(as_bytes(enclave_.config)));

  const auto document = attestation::nitro::parse_document(response->evidence);
  ASSERT_TRUE(document) << document.error().message();
  attestation::nitro::Anchors anchors;
  anchors.local_roots.push_back(enclave_.root().certificate);
  const auto claims = attestation::nitro::authenticate(*document, anchors, SystemClock().now());
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_EQ(claims->nitro().user_data, to_bytes(attestation::report_data_of(response->q)));
  EXPECT_FALSE(claims->nitro().public_key);
  EXPECT_EQ(claims->nitro().pcrs.at(0), Bytes(48, 0xa0));
  EXPECT_EQ(claims->nitro().pcrs.at(16), to_bytes(crypto::sha384({crypto::Sha384{}, keys->config_digest})));
  EXPECT_EQ(claims->nitro().pcrs.size(), 32U);  // all locked

  const attestation::SessionFacts facts{.role = attestation::SessionRole::kServer,
                                        .nonce = nonce,
                                        .exporter = *client.stream().exporter(nonce),
                                        .server_spki = *client.stream().peer_spki_sha256()};
  const Status bound = attestation::verify_session(response->s, response->signature, quote->k, facts);
  EXPECT_TRUE(bound) << bound.error().message();
}

TEST_F(EnclaveTest, TheCurrentQuoteServesEverySessionWithAStatementOfItsOwn) {
  start_ready();
  TestClient first(enclave_.ingress_path());
  TestClient second(enclave_.ingress_path());
  const attestation::Nonce nonce = crypto::random_array<32>();
  const auto one = attestation::parse_response(as_bytes(first.request("GET", attestation_target(nonce, false)).body));
  const auto two = attestation::parse_response(as_bytes(second.request("GET", attestation_target(nonce, false)).body));
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->q, two->q);
  EXPECT_NE(one->s, two->s);
  const attestation::SessionFacts wrong{.role = attestation::SessionRole::kServer,
                                        .nonce = nonce,
                                        .exporter = *second.stream().exporter(nonce),
                                        .server_spki = *second.stream().peer_spki_sha256()};
  const auto quote = attestation::parse_quote(one->q);
  EXPECT_FALSE(attestation::verify_session(one->s, one->signature, quote->k, wrong));
  EXPECT_TRUE(attestation::verify_session(two->s, two->signature, quote->k, wrong));
}

TEST_F(EnclaveTest, AnswersArePaddedWhenTheImageSaysSo) {
  enclave_.description.ingress.padding = 4096;
  start_ready();
  TestClient client(enclave_.ingress_path());
  ASSERT_TRUE(client.stream().write(as_bytes("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")));
  pollfd readable{client.stream().descriptor(), POLLIN, 0};
  ASSERT_EQ(::poll(&readable, 1, 10'000), 1);
  std::array<std::uint8_t, 5> head{};
  ASSERT_EQ(::recv(client.stream().descriptor(), head.data(), head.size(), MSG_PEEK), 5);
  constexpr std::size_t kTag = 16;
  EXPECT_EQ((head[3] * 256U + head[4] - kTag) % 4096, 0U);
}

TEST_F(EnclaveTest, ACallerChoosesNothingButTheNonce) {
  start_ready();
  TestClient client(enclave_.ingress_path());
  const std::string path(attestation::kAttestationPath);
  const std::string nonce(64, 'a');
  for (const std::string& query : std::vector<std::string>{
           "", "?nonce=", "?nonce=" + nonce.substr(2), "?nonce=" + nonce + "&user_data=00",
           "?nonce=" + nonce + "&nonce=" + nonce, "?nonce=" + nonce + "&fresh=0",
           "?nonce=" + nonce + "&fresh=1&fresh=1", "?nonce=" + nonce.substr(1) + "g", "?fresh=1"}) {
    const TestAnswer answer = client.request("GET", path + query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_THAT(answer.body, HasSubstr("evidence.query"));
  }
  EXPECT_EQ(client.request("POST", path + "?nonce=" + nonce).status, 405);
}

TEST_F(EnclaveTest, AdmitsTokensToAllowedPathsOnly) {
  start_ready();
  TestClient client(enclave_.ingress_path());
  const std::string caller = enclave_.token("caller");
  EXPECT_EQ(client.request("GET", "/health").status, 200);
  EXPECT_EQ(client.request("GET", "/ready").status, 200);

  const TestAnswer admitted = client.request("POST", "/v1/echo?x=1", caller, "payload");
  EXPECT_EQ(admitted.status, 200) << admitted.body;
  EXPECT_THAT(admitted.body, StartsWith("POST /v1/echo?x=1 HTTP/1.1"));
  EXPECT_THAT(admitted.body, ::testing::EndsWith("payload"));
  EXPECT_THAT(admitted.body, Not(HasSubstr(caller)));  // tokens never reach the workload

  const TestAnswer missing = client.request("GET", "/v1/x");
  EXPECT_EQ(missing.status, 401);
  EXPECT_THAT(missing.body, HasSubstr("tokens.missing"));
  const TestAnswer unknown = client.request("GET", "/v1/x", "gwt_guess");
  EXPECT_EQ(unknown.status, 401);
  EXPECT_THAT(unknown.body, HasSubstr("tokens.unknown"));
  const TestAnswer elsewhere = client.request("GET", "/v2/x", caller);
  EXPECT_EQ(elsewhere.status, 404);
  EXPECT_THAT(elsewhere.body, HasSubstr("gate.path"));
  const TestAnswer no_right = client.request("GET", "/v1/x", enclave_.token("reader"));
  EXPECT_EQ(no_right.status, 403);
  EXPECT_THAT(no_right.body, HasSubstr("tokens.right"));
  EXPECT_EQ(client.request("GET", "/metrics", caller).status, 403);
  EXPECT_EQ(client.request("GET", "/.well-known/gateway/logs", caller).status, 403);
  EXPECT_EQ(client.request("GET", "/v1/../v2/x", caller).status, 400);
}

TEST_F(EnclaveTest, TheWorkloadFindsNothingInsideTheEnclaveEither) {
  start_ready();
  TestClient client(enclave_.ingress_path());
  const TestAnswer logs = client.request("GET", "/.well-known/gateway/logs", enclave_.token("reader"));
  EXPECT_EQ(logs.status, 200);
  EXPECT_THAT(logs.body, HasSubstr("probe passed"));
  EXPECT_THAT(logs.body, Not(HasSubstr("FAIL")));
  EXPECT_THAT(enclave_.events(), Not(HasSubstr("probe passed")));  // the host sees the runtime's events alone
  const TestAnswer metrics = client.request("GET", "/metrics", enclave_.token("reader"));
  EXPECT_THAT(metrics.body, HasSubstr("gateway_workload_ready 1"));
}

TEST_F(EnclaveTest, StreamsPassAsTheyCome) {
  start_ready();
  TestClient client(enclave_.ingress_path());
  const TestAnswer answer = client.request("GET", "/stream", enclave_.token("caller"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("data: [DONE]"));
  EXPECT_TRUE(answer.ended_in_order);
}

TEST_F(EnclaveTest, ProfileLlamaRewritesAndCharges) {
  enclave_.description.ingress.profile = image::IngressProfile::kLlama;
  enclave_.description.ingress.paths = {"/v1/*"};
  enclave_.description.llama = image::LlamaDescription{.max_tokens = 16};
  enclave_.tokens.entries[0].tokens_per_minute = 30;
  start_ready();
  TestClient client(enclave_.ingress_path());
  const std::string caller = enclave_.token("caller");
  EXPECT_EQ(client.request("POST", "/v1/completions", caller, R"({"prompt":"x","id_slot":3})").status, 400);
  EXPECT_EQ(client.request("POST", "/v1/completions", caller, R"({"prompt":"x","prompt":"y"})").status, 400);
  EXPECT_EQ(client.request("GET", "/v1/slots", caller).status, 404);
  // Four answers of seven tokens each fit; what is reserved meanwhile is given back.
  for (int i = 0; i < 4; ++i) {
    const TestAnswer answer = client.request("POST", "/v1/completions", caller, R"({"prompt":"x","stream":true})");
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  const TestAnswer metrics = client.request("GET", "/metrics", enclave_.token("reader"));
  EXPECT_THAT(metrics.body, HasSubstr(R"(gateway_model_tokens_total{token="caller",kind="prompt"} 20)"));
  EXPECT_THAT(metrics.body, HasSubstr(R"(gateway_model_tokens_total{token="caller",kind="completion"} 8)"));
  EXPECT_EQ(client.request("POST", "/v1/completions", caller, R"({"prompt":"x","stream":true})").status, 200);
  const TestAnswer over = client.request("POST", "/v1/completions", caller, R"({"prompt":"x"})");
  EXPECT_EQ(over.status, 429);
  EXPECT_THAT(over.head, HasSubstr("Retry-After: "));
}

TEST_F(EnclaveTest, ANewerListReplacesAnOlderOneDoesNot) {
  start_ready();
  TestClient client(enclave_.ingress_path());
  const std::string caller = enclave_.token("caller");
  channel::TokenList without = enclave_.tokens;
  without.version = 2;
  without.entries.erase(without.entries.begin());
  enclave_.send(net::ControlType::kTokens, enclave_.sign(without));
  enclave_.send(net::ControlType::kPing, {});
  ASSERT_TRUE(enclave_.await(net::ControlType::kPong));
  EXPECT_EQ(client.request("GET", "/v1/x", caller).status, 401);
  enclave_.send(net::ControlType::kTokens, enclave_.sign(enclave_.tokens));  // the older one, replayed
  enclave_.send(net::ControlType::kPing, {});
  ASSERT_TRUE(enclave_.await(net::ControlType::kPong));
  EXPECT_EQ(client.request("GET", "/v1/x", caller).status, 401);
  enclave_.send(net::ControlType::kPing, {});
  ASSERT_TRUE(enclave_.await(net::ControlType::kPong));
  EXPECT_THAT(enclave_.events(), HasSubstr("tokens.version"));
}

TEST_F(EnclaveTest, StopsInOrder) {
  start_ready();
  ByteWriter grace;
  grace.u32be(2);
  enclave_.send(net::ControlType::kStop, grace.bytes());
  EXPECT_EQ(enclave_.wait_for_exit(), 0);
}

TEST_F(EnclaveTest, UnknownFramesChangeNothing) {
  start_ready();
  enclave_.send(static_cast<net::ControlType>(99), as_bytes("?"));
  EXPECT_EQ(TestClient(enclave_.ingress_path()).request("GET", "/health").status, 200);
}

TEST_F(EnclaveTest, TheRuntimeIsSmall) {
  start_ready();
  const std::string path =
      "/proc/" + std::to_string(enclave_.pid()) + "/task/" + std::to_string(enclave_.pid()) + "/children";
  pid_t child = 0;
  std::ifstream(path) >> child;
  std::ifstream status("/proc/" + std::to_string(child) + "/status");
  long resident = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) resident = std::atol(line.c_str() + 6);
  }
  RecordProperty("rss_kib", static_cast<int>(resident));
  EXPECT_GT(resident, 0);
#ifndef GATEWAY_SANITIZED
  EXPECT_LT(resident, 12 * 1024);
#endif
}

TEST_F(EnclaveTest, RefusesAnotherCommandLine) {
  enclave_.passed_cmdline += " init=/bin/sh";
  EXPECT_THAT(refused(), StartsWith("runtime.cmdline_mismatch\n"));
}

TEST_F(EnclaveTest, RefusesAConfigurationThatWidens) {
  enclave_.config += "[ingress]\npaths = [\"/admin\"]\n";
  EXPECT_THAT(refused(), StartsWith("config.widens\n"));
}

TEST_F(EnclaveTest, RefusesAConfigurationWithUnknownKeys) {
  enclave_.config += "debug = true\n";
  EXPECT_THAT(refused(), StartsWith("toml.unknown_key\n"));
}

TEST_F(EnclaveTest, RefusesRootsThatAreNotInTheImage) {
  enclave_.description.egress.allow = {"api.example.org:443"};
  enclave_.description.egress.runtime_tls = true;
  enclave_.description.egress.roots = "/etc/roots.pem";
  EXPECT_THAT(refused(), StartsWith("runtime.roots\n"));
}

TEST_F(EnclaveTest, RefusesAWorkloadThatCannotBeExecuted) {
  enclave_.description.workload.argv = {"/bin/missing"};
  EXPECT_THAT(refused(), StartsWith("workload.exec\n"));
}

TEST_F(EnclaveTest, SaysWhenTheWorkloadEndsForGood) {
  enclave_.description.workload.argv = {"/bin/test_workload", "exit", "3"};
  enclave_.description.workload.restart = image::RestartPolicy::kNever;
  EXPECT_THAT(refused(), StartsWith("workload.exited\n"));
}

TEST_F(EnclaveTest, RestartsAWorkloadThatFails) {
  enclave_.description.workload.argv = {"/bin/test_workload", "exit", "3"};
  enclave_.start();
  std::string seen;
  while (seen.find("workload.restarting") == std::string::npos) {
    const auto event = enclave_.await(net::ControlType::kEvent);
    ASSERT_TRUE(event) << seen;
    seen.append(as_text(*event));
  }
}

}  // namespace
}  // namespace gateway::runtime
