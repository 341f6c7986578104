// Answers that are cut, and sessions that somebody wants back.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <functional>
#include <memory>
#include <optional>

#include "callers.h"
#include "client/client.h"
#include "net/address.h"
#include "suite.h"

namespace gateway::hostile_suite {
namespace {

using harness::Ending;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kLongAnswer = "/stream?events=20000";  // about 600 KB of server-sent events
constexpr const char* kCutAfter = "60000";                   // bytes, evidence included

std::vector<std::string> cutting(const char* with, const char* at) {
  return {"truncate", "--upstream", enclave().listen, "--after", kCutAfter, "--with", with, "--at", at};
}

// A browser, curl or an OpenAI client behind `gateway connect`.
void expect_abort_at_local_port(const Attacker& attacker) {
  const Connection connection(attacker.endpoint());
  const auto answer = connection.exchange(harness::get(kLongAnswer, good_token()));
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.whole) << "a short answer looked whole";
  EXPECT_NE(answer.ending, Ending::kOpen);
  EXPECT_NE(answer.ending, Ending::kInOrder) << "the end of a cut answer looked orderly";
  EXPECT_THAT(answer.body, Not(HasSubstr("[DONE]")));
  EXPECT_THAT(answer.body, HasSubstr("data: "));
}

// An application on libgateway.
void expect_error_from_library(const Attacker& attacker) {
  auto parsed = attestation::Policy::parse(harness::read_text(policy()), "policy.toml");
  ASSERT_TRUE(parsed);
  auto client = client::Client::connect(attacker.endpoint(), *std::move(parsed));
  ASSERT_TRUE(client) << client.error().message();
  auto response = client->request(
      {.method = "GET", .target = kLongAnswer, .headers = {{"Authorization", "Bearer " + good_token()}}, .body = {}});
  ASSERT_TRUE(response) << response.error().message();
  const auto body = response->read_all();
  ASSERT_FALSE(body) << "a short answer of " << body->size() << " bytes looked whole";
  EXPECT_EQ(body.error().id(), "client.truncated");
}

TEST(Streams, AnAnswerCutAtARecordBoundaryIsAnError) {
  attack("the stream cut in mid-answer between two TLS records, ended with FIN",
         "`client.truncated`; reset at the local port");
  const Attacker attacker(cutting("fin", "record"));
  expect_abort_at_local_port(attacker);
  expect_error_from_library(attacker);
}

TEST(Streams, AnAnswerCutWithinARecordIsAnError) {
  attack("the stream cut in mid-answer within a TLS record", "`client.truncated`; reset at the local port");
  const Attacker attacker(cutting("fin", "byte"));
  expect_abort_at_local_port(attacker);
  expect_error_from_library(attacker);
}

TEST(Streams, AnAnswerEndedByAResetIsAnError) {
  attack("the stream reset in mid-answer", "`client.truncated`; reset at the local port");
  const Attacker attacker(cutting("rst", "byte"));
  expect_abort_at_local_port(attacker);
  expect_error_from_library(attacker);
}

TEST(Streams, AnAnswerThatTheWorkloadBreaksOffIsAnError) {
  attack("a workload that breaks off its answer", "no terminal chunk, no close_notify, reset at the local port");
  const auto client = harness::RawClient::tls(enclave().listen);
  ASSERT_NE(client, nullptr);
  const auto direct = client->exchange(harness::get("/truncate?bytes=100", good_token()));
  EXPECT_FALSE(direct.whole);
  EXPECT_NE(direct.ending, Ending::kInOrder);
  const Connection connection(enclave().listen);
  const auto local = connection.exchange(harness::get("/truncate?bytes=100", good_token()));
  EXPECT_FALSE(local.whole);
  EXPECT_EQ(local.ending, Ending::kReset);
}

TEST(Streams, CurlSaysThatACutAnswerFailed) {
  attack("the same, with an ordinary client behind the local port", "the client's own error");
  const Attacker attacker(cutting("fin", "record"));
  const Connection connection(attacker.endpoint());
  const auto curl =
      harness::run({.argv = {"/usr/bin/curl", "-sS", "-o", "/dev/null", "-H", "Authorization: Bearer " + good_token(),
                             "http://" + connection.local() + kLongAnswer}});
  if (curl.status == 127) GTEST_SKIP() << "curl is not installed";
  EXPECT_NE(curl.status, 0);
}

using Session = std::shared_ptr<SSL_SESSION>;

// A client that keeps every ticket, and offers what it is told to.
struct Handshake {
  bool done = false;
  bool reused = false;
  int version = 0;
  Session ticket;
};

int keep_ticket(SSL* session, SSL_SESSION* ticket) {
  static_cast<Handshake*>(SSL_get_app_data(session))->ticket = Session(ticket, SSL_SESSION_free);
  return 1;  // the reference is ours
}

// A session of the attacker's own making, offered as an external PSK (RFC 8446 §4.2.11).
int offer_psk(SSL* session, const EVP_MD* /*digest*/, const unsigned char** id, std::size_t* id_size,
              SSL_SESSION** out) {
  static const unsigned char kIdentity[] = "a session from yesterday";
  static const unsigned char kKey[32] = {7};
  const unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
  SSL_SESSION* made = SSL_SESSION_new();
  SSL_SESSION_set1_master_key(made, kKey, sizeof kKey);
  SSL_SESSION_set_cipher(made, SSL_CIPHER_find(session, aes_128_gcm_sha256));
  SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION);
  *id = kIdentity;
  *id_size = sizeof kIdentity;
  *out = made;
  return 1;
}

std::optional<net::Descriptor> blocking_socket() {
  const auto address = net::Address::parse_host_port(enclave().listen);
  auto socket = net::connect_to(*address, 5'000);
  if (!socket) return std::nullopt;
  ::fcntl(socket->get(), F_SETFL, ::fcntl(socket->get(), F_GETFL) & ~O_NONBLOCK);
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return std::move(*socket);
}

Handshake shake(const std::function<void(SSL_CTX*)>& prepare, const Session& offered = nullptr) {
  Handshake handshake;
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
  SSL_CTX_sess_set_new_cb(context.get(), keep_ticket);
  if (prepare) prepare(context.get());
  const auto socket = blocking_socket();
  if (!socket) return handshake;
  const std::unique_ptr<SSL, decltype(&SSL_free)> session(SSL_new(context.get()), SSL_free);
  SSL_set_app_data(session.get(), &handshake);
  SSL_set_fd(session.get(), socket->get());
  if (offered) SSL_set_session(session.get(), offered.get());
  handshake.done = SSL_connect(session.get()) == 1;
  if (!handshake.done) return handshake;
  handshake.reused = SSL_session_reused(session.get()) == 1;
  handshake.version = SSL_version(session.get());
  // A ticket comes with the first answer.
  const std::string request = harness::get("/health");
  SSL_write(session.get(), request.data(), static_cast<int>(request.size()));
  char answer[1'024];
  EXPECT_GT(SSL_read(session.get(), answer, sizeof answer), 0);
  return handshake;
}

TEST(Streams, TheEnclaveTakesNoTicketBack) {
  attack("a caller who resumes with the ticket of an earlier session", "a full handshake instead");
  const Handshake first = shake({});
  EXPECT_TRUE(first.done);
  EXPECT_EQ(first.version, TLS1_3_VERSION);
  ASSERT_NE(first.ticket, nullptr) << "nothing to try with";
  EXPECT_EQ(SSL_SESSION_get_max_early_data(first.ticket.get()), 0U) << "early data is offered";
  const Handshake second = shake({}, first.ticket);
  EXPECT_TRUE(second.done);
  EXPECT_FALSE(second.reused);
}

TEST(Streams, TheEnclaveResumesNoSessionOfACallersMaking) {
  attack("a caller who resumes with a key of his own making", "a full handshake instead");
  const Handshake handshake = shake([](SSL_CTX* context) { SSL_CTX_set_psk_use_session_callback(context, offer_psk); });
  EXPECT_TRUE(handshake.done);
  EXPECT_FALSE(handshake.reused);
}

TEST(Streams, TheEnclaveSpeaksNoOlderTls) {
  attack("a caller who insists on TLS 1.2", "the handshake fails");
  EXPECT_FALSE(shake([](SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); }).done);
}

TEST(Streams, TheClientResumesNoSession) {
  attack("a server that offers tickets and early data on every connection", "no connection asks to resume");
  const Attacker twin(twin_of(enclave(), {"forge"}));
  const Connection connection(twin.endpoint());
  // The twin ends each connection with its answer, so that each request needs another one.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(connection.exchange(harness::get("/echo", good_token())).status, 200);
  const std::string said = twin.program().out();
  EXPECT_THAT(said, HasSubstr("connection 4 is a session of its own"));
  EXPECT_THAT(said, Not(HasSubstr("asks to resume")));
}

TEST(Streams, ASilentConnectionIsClosed) {
  attack("a connection that never begins its handshake", "closed within seconds");
  const auto silent = harness::RawClient::tcp(enclave().listen);
  ASSERT_NE(silent, nullptr);
  const auto end = silent->receive(Milliseconds(15'000));
  EXPECT_NE(end.ending, Ending::kOpen);
  EXPECT_EQ(end.bytes, "");
}

}  // namespace
}  // namespace gateway::hostile_suite
