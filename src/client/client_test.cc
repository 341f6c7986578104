// The client against an enclave in this process, and against every way in which a host could stand between them.
#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/testing/fake_enclave.h"
#include "crypto/random.h"

namespace gateway::client {
namespace {

using attestation::AttestationResponse;
using testing::FakeEnclave;
using testing::ManualClock;
using testing::ServerSide;
using testing::UncheckedClient;

std::string refusal(const FakeEnclave& enclave, const attestation::Policy& policy) {
  const auto client = Client::connect(enclave.endpoint(), policy);
  return client ? "connected" : std::string(client.error().id());
}
std::string refusal(const FakeEnclave& enclave) { return refusal(enclave, enclave.policy()); }

std::string text_of(Result<Response> response) {
  if (!response) return "error " + std::string(response.error().id());
  const auto body = response->read_all();
  return body ? std::string(as_text(*body)) : "error " + std::string(body.error().id());
}

std::string get(Client& client, const std::string& target = "/") {
  return text_of(client.request({.method = "GET", .target = target, .headers = {}, .body = {}}));
}

FakeEnclave::Knobs answering(std::string answer, bool in_order) {
  FakeEnclave::Knobs knobs;
  knobs.serve = [answer = std::move(answer), in_order](ServerSide& side, const ServerSide::Seen&) {
    side.write(answer);
    if (in_order) side.close_in_order();
    else side.cut();
    return false;
  };
  return knobs;
}

TEST(Client, TalksToAnEnclaveThatThePolicyAccepts) {
  FakeEnclave enclave;
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client) << client.error().message();
  EXPECT_EQ(client->verification().appraisal, attestation::AppraisalStatus::kAffirming);
  EXPECT_EQ(
      text_of(client->request(
          {.method = "POST", .target = "/v1/completions", .headers = {{"X-A", "b"}}, .body = to_bytes("a prompt")})),
      "a prompt");
  EXPECT_EQ(get(*client), "");
  EXPECT_EQ(enclave.connections(), 1U);
  EXPECT_EQ(enclave.fresh_requests(), 1U);
}

TEST(Client, ListsEachCheckIncludingThoseOfTheBinding) {
  FakeEnclave enclave;
  const auto verification = Client::verify(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(verification);
  EXPECT_EQ(verification->authentic, true);
  std::vector<std::string> ids;
  for (const auto& check : verification->checks) {
    EXPECT_EQ(check.outcome, attestation::Outcome::kOk);
    ids.emplace_back(check.id);
  }
  EXPECT_THAT(ids, ::testing::IsSupersetOf({"binding.quote.nonce", "binding.session"}));
}

TEST(Client, RefusesAnotherImage) {
  FakeEnclave enclave({.pcr_fill = 0x41});
  FakeEnclave expected;
  EXPECT_EQ(refusal(enclave, expected.policy()), "policy.measurement");
}

TEST(Client, RefusesAnotherConfiguration) {
  FakeEnclave enclave({.config = "version = 1\n# changed\n"});
  FakeEnclave expected;
  EXPECT_EQ(refusal(enclave, expected.policy()), "policy.config");
}

TEST(Client, RefusesAnotherRoot) {
  const auto other = attester::LocalRoot::create(SystemClock().now());
  ASSERT_TRUE(other);
  FakeEnclave enclave({.root = &*other});
  FakeEnclave expected;
  const auto client = Client::connect(enclave.endpoint(), expected.policy());
  ASSERT_FALSE(client);
  EXPECT_EQ(exit_status(client.error().code()), 1);
}

TEST(Client, RefusesDebugMode) {
  FakeEnclave enclave({.mode = attester::NsmMode::kDebug});
  EXPECT_EQ(exit_status(Client::connect(enclave.endpoint(), enclave.policy()).error().code()), 1);
}

TEST(Client, RefusesAnEmptyPolicy) {
  FakeEnclave enclave;
  const auto client = Client::connect(enclave.endpoint(), {});
  ASSERT_FALSE(client);
  EXPECT_EQ(exit_status(client.error().code()), 1);
}

TEST(Client, RefusesAnAnswerReplayedFromAnEarlierConnection) {
  FakeEnclave enclave;
  const std::string target = std::string(attestation::kAttestationPath) + "?nonce=" + std::string(64, 'a') + "&fresh=1";
  const Bytes recorded = UncheckedClient::connect(enclave.endpoint())->get(target);
  FakeEnclave attacker({.attestation_body = [&](const std::string&) { return recorded; }});
  EXPECT_EQ(refusal(attacker, enclave.policy()), "binding.quote.nonce");
}

TEST(Client, RefusesEvidenceThatDoesNotCarryItsNonce) {
  FakeEnclave enclave({.reuse_evidence = true});
  ASSERT_TRUE(Client::connect(enclave.endpoint(), enclave.policy()));  // the first evidence is made for this nonce
  EXPECT_EQ(refusal(enclave), "binding.quote.nonce");
}

TEST(Client, RefusesAManInTheMiddleWhoRelaysGenuineEvidence) {
  FakeEnclave enclave;
  FakeEnclave attacker({.attestation_body = [&](const std::string& target) {
    return UncheckedClient::connect(enclave.endpoint())->get(target);
  }});
  EXPECT_EQ(refusal(attacker, enclave.policy()), "binding.session.exporter");
}

TEST(Client, RefusesAStatementSignedByAnotherKey) {
  const auto other = crypto::PrivateKey::generate(crypto::KeyType::kP256);
  FakeEnclave enclave({.tamper = [&](AttestationResponse& response) {
    response.signature = *other->sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, response.s);
  }});
  EXPECT_EQ(refusal(enclave), "binding.session.signature");
}

TEST(Client, RefusesAStatementForAnotherServerKey) {
  FakeEnclave enclave;
  enclave.set_knobs([&](FakeEnclave::Knobs& knobs) {
    knobs.tamper = [&](AttestationResponse& response) {
      auto session = *attestation::parse_session(response.s);
      session.server_spki[0] ^= 1;
      response.s = attestation::encode_session(session);
      response.signature =
          *enclave.identity_key().sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, response.s);
    };
  });
  EXPECT_EQ(refusal(enclave), "binding.session.server_key");
}

TEST(Client, RefusesKThatNamesAnotherPlatform) {
  FakeEnclave enclave({.platform_in_k = attestation::Platform::kNitro});
  EXPECT_EQ(refusal(enclave), "binding.platform");
}

TEST(Client, RefusesEvidenceThatCarriesAnotherQuote) {
  FakeEnclave enclave({.tamper = [](AttestationResponse& response) {
    const auto quote = *attestation::parse_quote(response.q);
    std::vector<attestation::Nonce> nonces = quote.nonces;
    nonces.push_back({});
    response.q = attestation::encode_quote(quote.k, nonces);
  }});
  EXPECT_EQ(refusal(enclave), "evidence.report_data");
}

TEST(Client, RefusesWhatIsNotAnAttestationResponse) {
  FakeEnclave enclave({.attestation_body = [](const std::string&) { return to_bytes("{}"); }});
  EXPECT_EQ(refusal(enclave), "binding.response");
}

TEST(Client, SaysThatTheServiceThereIsNoEnclave) {
  FakeEnclave missing({.attestation_answer = [](const std::string&) {
    return std::string("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  }});
  EXPECT_EQ(refusal(missing), "client.attestation.missing");
  FakeEnclave elsewhere({.attestation_answer = [](const std::string&) {
    return std::string("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
  }});
  EXPECT_EQ(refusal(elsewhere), "client.attestation.status");
}

TEST(Client, IsUndecidedWhenTheEnclaveHasNoRoomForAnotherQuote) {
  FakeEnclave enclave({.attestation_answer = [](const std::string&) {
    return std::string("HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
  }});
  EXPECT_EQ(refusal(enclave), "client.attestation.busy");
}

TEST(Client, RefusesAnAttestationAnswerOfUnknownLength) {
  FakeEnclave enclave(
      {.attestation_answer = [](const std::string&) { return std::string("HTTP/1.1 200 OK\r\n\r\n"); }});
  EXPECT_EQ(refusal(enclave), "client.attestation.framing");
}

TEST(Client, RefusesAnAttestationAnswerThatIsTooLarge) {
  FakeEnclave enclave({.attestation_answer = [](const std::string&) {
    const std::string size = std::to_string(attestation::kMaxResponseSize + 1);
    return "HTTP/1.1 200 OK\r\nContent-Length: " + size + "\r\n\r\n" +
           std::string(attestation::kMaxResponseSize + 1, 'x');
  }});
  EXPECT_EQ(refusal(enclave), "client.attestation.size");
}

TEST(Client, RefusesBytesThatNobodyAskedFor) {
  FakeEnclave enclave({.attestation_answer = [](const std::string&) {
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n");
  }});
  EXPECT_EQ(refusal(enclave), "client.attestation.trailing");
}

TEST(Client, SaysThatTheServiceClosedTooEarly) {
  FakeEnclave enclave(
      {.attestation_answer = [](const std::string&) { return std::string(); }, .close_after_answer = true});
  EXPECT_EQ(refusal(enclave), "client.attestation.closed");
}

TEST(Client, IsUndecidedWhenNobodyListens) {
  const auto client = Client::connect("127.0.0.1:1", {});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().id(), "net.connect");
  EXPECT_EQ(exit_status(client.error().code()), 3);
}

TEST(Client, IsUndecidedWhenNothingIsAnswered) {
  const auto listener = net::listen_on(*net::Address::parse_host_port("127.0.0.1:0"));
  const std::string endpoint = "127.0.0.1:" + std::to_string(*net::local_port(listener->get()));
  ClientOptions options;
  options.connect_timeout = std::chrono::milliseconds(150);
  const auto client = Client::connect(endpoint, {}, std::move(options));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().id(), "client.timeout");
}

TEST(Client, AsksForFreshEvidenceAgainOnlyWhenTheKeyHasAged) {
  ManualClock clock;
  FakeEnclave enclave({.clock = &clock});
  ClientOptions options;
  options.clock = &clock;
  auto client = Client::connect(enclave.endpoint(), enclave.policy(std::chrono::minutes(5)), std::move(options));
  ASSERT_TRUE(client);
  clock.advance(std::chrono::minutes(4));
  EXPECT_EQ(get(*client), "");
  EXPECT_EQ(enclave.fresh_requests(), 1U);
  clock.advance(std::chrono::minutes(2));
  EXPECT_EQ(get(*client), "");
  EXPECT_EQ(enclave.fresh_requests(), 2U);
  EXPECT_EQ(enclave.connections(), 1U);
}

TEST(Client, RefusesAnAgedKeyWhoseEvidenceCannotBeRenewed) {
  ManualClock clock;
  FakeEnclave enclave({.clock = &clock});
  ClientOptions options;
  options.clock = &clock;
  auto client = Client::connect(enclave.endpoint(), enclave.policy(), std::move(options));
  ASSERT_TRUE(client);
  enclave.set_knobs([](FakeEnclave::Knobs& knobs) { knobs.reuse_evidence = true; });
  clock.advance(std::chrono::minutes(6));
  EXPECT_EQ(get(*client), "error policy.age");
  EXPECT_EQ(enclave.requests(), 0U);
}

TEST(Client, TrustsNoLongerWhenAClockWasPutBackOrASnapshotRestored) {
  for (const bool back : {true, false}) {
    ManualClock clock;
    FakeEnclave enclave({.clock = &clock});
    ClientOptions options;
    options.clock = &clock;
    auto client = Client::connect(enclave.endpoint(), enclave.policy(), std::move(options));
    ASSERT_TRUE(client);
    if (back) clock.set_wall_back(std::chrono::seconds(30));
    else clock.restore_snapshot(std::chrono::minutes(10));
    EXPECT_EQ(get(*client), "");
    EXPECT_EQ(enclave.fresh_requests(), 2U);
  }
}

TEST(Client, ConnectsAgainAfterTheEnclaveClosedAnIdleConnection) {
  FakeEnclave enclave;
  enclave.set_knobs([](FakeEnclave::Knobs& knobs) {
    knobs.serve = [](ServerSide& side, const ServerSide::Seen&) {
      side.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      side.close_in_order();
      return false;
    };
  });
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  EXPECT_EQ(get(*client), "ok");
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(get(*client), "ok");
  EXPECT_EQ(enclave.connections(), 2U);
  EXPECT_EQ(enclave.fresh_requests(), 1U) << "the key was known: its statement for the new session is enough";
}

TEST(Client, RefusesTheStatementOfAnotherSessionForAKnownKey) {
  FakeEnclave enclave(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true));
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  EXPECT_EQ(get(*client), "");
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  enclave.set_knobs([](FakeEnclave::Knobs& knobs) {
    knobs.tamper = [](AttestationResponse& response) { response.signature[5] ^= 1; };
  });
  EXPECT_EQ(get(*client), "error binding.session.signature");
}

TEST(Client, StreamsAChunkedAnswer) {
  FakeEnclave enclave(
      answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", false));
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  EXPECT_EQ(get(*client), "abcdefg");
}

TEST(Client, ReadsIntoSmallBuffers) {
  FakeEnclave enclave(
      answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nabcdefg\r\n0\r\n\r\n", false));
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  auto response = client->request({.method = "GET", .target = "/", .headers = {}, .body = {}});
  ASSERT_TRUE(response);
  std::string all;
  std::array<std::uint8_t, 2> two{};
  for (;;) {
    const auto size = response->read(two);
    ASSERT_TRUE(size);
    if (*size == 0) break;
    all += as_text(ByteView(two).first(*size));
  }
  EXPECT_EQ(all, "abcdefg");
}

TEST(Client, AcceptsAnEndByCloseNotify) {
  FakeEnclave enclave(answering("HTTP/1.1 200 OK\r\n\r\nall of it", true));
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  EXPECT_EQ(get(*client), "all of it");
}

TEST(Client, TakesNoCutAnswerForAWholeOne) {
  const std::pair<const char*, bool> answers[] = {
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false},  // no terminal chunk
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true},
      {"HTTP/1.1 200 OK\r\n\r\npart of it", false},  // no close_notify
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", false},
      {"HTTP/1.1 200 O", true},
  };
  for (const auto& [answer, in_order] : answers) {
    FakeEnclave enclave(answering(answer, in_order));
    auto client = Client::connect(enclave.endpoint(), enclave.policy());
    ASSERT_TRUE(client);
    EXPECT_EQ(get(*client), "error client.truncated") << answer;
  }
}

TEST(Client, SaysThatTheEnclaveClosedWithoutAnAnswer) {
  FakeEnclave enclave(answering("", true));
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  EXPECT_EQ(get(*client), "error client.upstream_closed");
}

TEST(Client, RefusesToSendWhatIsNotOneRequest) {
  FakeEnclave enclave;
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  const Request requests[] = {
      {.method = "GET", .target = "/\r\nX: y", .headers = {}, .body = {}},
      {.method = "GET /", .target = "/", .headers = {}, .body = {}},
      {.method = "CONNECT", .target = "/", .headers = {}, .body = {}},
      {.method = "GET", .target = "http://x/", .headers = {}, .body = {}},
      {.method = "GET", .target = "/", .headers = {{"A", "b\r\nC: d"}}, .body = {}},
      {.method = "GET", .target = "/", .headers = {{"A b", "c"}}, .body = {}},
      {.method = "GET", .target = "/", .headers = {{"Content-Length", "3"}}, .body = {}},
      {.method = "GET", .target = "/", .headers = {{"transfer-encoding", "chunked"}}, .body = {}},
  };
  for (const Request& request : requests) EXPECT_EQ(text_of(client->request(request)), "error client.request");
  EXPECT_EQ(enclave.requests(), 0U);
}

TEST(Client, HoldsBackASecondRequestWhileAnAnswerIsRead) {
  FakeEnclave enclave;
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  const auto first = client->request({.method = "POST", .target = "/", .headers = {}, .body = to_bytes("abc")});
  ASSERT_TRUE(first);
  EXPECT_EQ(get(*client), "error client.request");
}

TEST(Client, LimitsWhatReadAllKeeps) {
  FakeEnclave enclave;
  auto client = Client::connect(enclave.endpoint(), enclave.policy());
  ASSERT_TRUE(client);
  auto response = client->request({.method = "POST", .target = "/", .headers = {}, .body = Bytes(5000, 'x')});
  ASSERT_TRUE(response);
  const auto body = response->read_all(4999);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().id(), "client.response_size");
}

}  // namespace
}  // namespace gateway::client
