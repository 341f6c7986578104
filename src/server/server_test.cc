// What the server answers itself: handshakes, heads, limits, its own errors, and its end.
#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/testing.h"

namespace gateway::server::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Dial no_workload() {
  return []() -> Result<net::Descriptor> { return fail(ErrorCode::kUnavailable, "net.connect", "nobody listens"); };
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(Server, AnswersAndKeepsTheConnection) {
  ServerThread server(answer_all("hello"), no_workload());
  TestCaller caller(server.port());
  for (int i = 0; i < 3; ++i) {
    const Answer answer = caller.ask(kGet);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.headers.at("content-type"), "text/plain");
    EXPECT_FALSE(answer.headers.contains("connection"));
  }
  const ServerMetrics metrics = server.metrics();
  EXPECT_EQ(metrics.connections_accepted, 1u);
  EXPECT_EQ(metrics.requests, 3u);
  EXPECT_EQ(metrics.answered_here, 3u);
}

TEST(Server, ClosesInOrderWhenAsked) {
  ServerThread server(answer_all("hello"), no_workload());
  TestCaller caller(server.port());
  const Answer answer = caller.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(caller.read_end(), End::kOrderly);
  EXPECT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.connections_now == 0; }));
}

TEST(Server, SpeaksHttp10) {
  ServerThread server(answer_all("hello"), no_workload());
  TestCaller closing(server.port());
  EXPECT_EQ(closing.ask("GET / HTTP/1.0\r\n\r\n").headers.at("connection"), "close");
  EXPECT_EQ(closing.read_end(), End::kOrderly);
  TestCaller keeping(server.port());
  EXPECT_EQ(keeping.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").headers.at("connection"), "keep-alive");
  EXPECT_EQ(keeping.ask("GET / HTTP/1.0\r\n\r\n").body, "hello");
}

TEST(Server, AnswersHeadWithoutABody) {
  ServerThread server(answer_all("hello"), no_workload());
  TestCaller caller(server.port());
  caller.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Answer answer = caller.read_answer("HEAD");
  EXPECT_EQ(answer.headers.at("content-length"), "5");
  EXPECT_THAT(answer.body, IsEmpty());
  EXPECT_EQ(caller.ask(kGet).body, "hello");
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  int count = 0;
  ServerThread server(
      [&count](const net::HttpHead& head, const SessionContext&) -> Decision {
        return LocalResponse{.status = 200,
                             .media_type = "text/plain",
                             .body = to_bytes(std::string(head.target) + std::to_string(++count)),
                             .extra_headers = {}};
      },
      no_workload());
  TestCaller caller(server.port());
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += "GET /r HTTP/1.1\r\nHost: a\r\n\r\n";
  caller.send(requests);
  for (int i = 1; i <= 50; ++i) EXPECT_EQ(caller.read_answer().body, "/r" + std::to_string(i));
}

TEST(Server, TakesAHeadInPieces) {
  ServerThread server(answer_all("hello"), no_workload());
  TestCaller caller(server.port());
  for (const char c : kGet) {
    caller.send(std::string_view(&c, 1));
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(caller.read_answer().body, "hello");
}

struct Refusal {
  const char* request;
  int status;
  const char* id;
};
class ServerRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(ServerRefuses, WithItsIdAndCloses) {
  ServerThread server(answer_all("hello"), no_workload());
  TestCaller caller(server.port());
  // What follows a refused head must never be taken for a request.
  const Answer answer = caller.ask(std::string(GetParam().request) + std::string(kGet));
  EXPECT_EQ(answer.status, GetParam().status);
  EXPECT_EQ(answer.error_id(), GetParam().id);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(caller.read_end(), End::kOrderly);
  EXPECT_EQ(server.metrics().requests, 0u);
  EXPECT_EQ(server.metrics().refused_by_server, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Heads, ServerRefuses,
    ::testing::Values(
        Refusal{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
                "http.framing"},
        Refusal{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", 400,
                "http.framing"},
        Refusal{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n", 400, "http.framing"},
        Refusal{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400, "http.framing"},
        Refusal{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400, "http.header"},
        Refusal{"GET / HTTP/1.1\nHost: a\n\n", 400, "http.header"}, Refusal{"GET / HTTP/1.1\r\n\r\n", 400, "http.host"},
        Refusal{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http.target"},
        Refusal{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "http.version"},
        Refusal{"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http.request_line"}));

TEST(Server, RefusesHeadsThatAreTooLarge) {
  ServerLimits limits;
  limits.http = {.max_head = 1024, .max_headers = 8, .max_target = 100};
  ServerThread server(answer_all("hello"), no_workload(), limits);
  const auto refusal = [&server](const std::string& request) {
    TestCaller caller(server.port());
    const Answer answer = caller.ask(request);
    EXPECT_EQ(caller.read_end(), End::kOrderly);
    return std::to_string(answer.status) + " " + answer.error_id();
  };
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'x')), "431 http.head_size");
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 10; ++i) many += "X: y\r\n";
  EXPECT_EQ(refusal(many + "\r\n"), "431 http.header_count");
  EXPECT_EQ(refusal("GET /" + std::string(200, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"), "414 http.target_size");
}

TEST(Server, RefusesABodyThatIsAnnouncedTooLarge) {
  ServerLimits limits;
  limits.max_body = 100;
  ServerThread server(forward_all(), no_workload(), limits);
  TestCaller caller(server.port());
  const Answer answer = caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x'));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.error_id(), "server.body_size");
  // A small body is stepped over, and the connection goes on.
  EXPECT_EQ(caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x')).status,
            413);
}

TEST(Server, RefusesOtherExpectations) {
  ServerThread server(answer_all("hello"), no_workload());
  TestCaller caller(server.port());
  const Answer answer = caller.ask("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n");
  EXPECT_EQ(answer.status, 417);
  EXPECT_EQ(answer.error_id(), "server.expectation");
}

TEST(Server, EndsASlowHead) {
  ServerLimits limits;
  limits.head_timeout = 150ms;
  ServerThread server(answer_all("hello"), no_workload(), limits);
  TestCaller caller(server.port());
  const auto begin = std::chrono::steady_clock::now();
  std::thread drip([&caller] {
    for (const char c : std::string("GET / HTTP/1.1\r\nHos")) {
      caller.send(std::string_view(&c, 1));
      std::this_thread::sleep_for(15ms);
    }
  });
  drip.join();
  const Answer answer = caller.read_answer();
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.error_id(), "server.head_timeout");
  EXPECT_EQ(caller.read_end(), End::kOrderly);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST(Server, EndsIdleConnectionsInOrder) {
  ServerLimits limits;
  limits.idle_timeout = 60ms;
  ServerThread server(answer_all("hello"), no_workload(), limits);
  TestCaller caller(server.port());
  EXPECT_EQ(caller.ask(kGet).status, 200);
  EXPECT_EQ(caller.read_end(), End::kOrderly);
}

TEST(Server, EndsHandshakesThatNeverCome) {
  ServerLimits limits;
  limits.handshake_timeout = 60ms;
  ServerThread server(answer_all("hello"), no_workload(), limits);
  const auto silent =
      net::connect_to(*net::Address::parse_host_port("127.0.0.1:" + std::to_string(server.port())), 5000);
  ASSERT_TRUE(silent);
  EXPECT_TRUE(
      server.wait_for([](const ServerMetrics& m) { return m.handshakes_failed == 1 && m.connections_now == 0; }));
}

TEST(Server, ClosesTheConnectionThatHasBeenIdleLongestForANewOne) {
  ServerLimits limits;
  limits.max_connections = 2;
  ServerThread server(answer_all("hello"), no_workload(), limits);
  TestCaller first(server.port());
  TestCaller second(server.port());
  EXPECT_EQ(second.ask(kGet).status, 200);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(first.ask(kGet).status, 200);
  TestCaller third(server.port());
  EXPECT_EQ(third.ask(kGet).status, 200);
  EXPECT_EQ(second.read_end(), End::kOrderly);
  EXPECT_EQ(first.ask(kGet).status, 200);
  EXPECT_EQ(server.metrics().connections_refused, 0u);
}

TEST(Server, RefusesConnectionsBeyondTheLimitWhenNoneIsIdle) {
  ServerLimits limits;
  limits.max_connections = 2;
  ServerThread server(answer_all("hello"), no_workload(), limits);
  TestCaller first(server.port());
  TestCaller second(server.port());
  EXPECT_EQ(first.ask(kGet).status, 200);
  EXPECT_EQ(second.ask(kGet).status, 200);
  first.send("GET / HTTP/1.1\r\n");
  second.send("GET / HTTP/1.1\r\n");
  std::this_thread::sleep_for(50ms);
  TestCaller third(server.port());
  EXPECT_EQ(third.ask(kGet).status, 0);
  EXPECT_EQ(server.metrics().connections_refused, 1u);
  first.leave();
  EXPECT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.connections_now == 1; }));
  TestCaller fourth(server.port());
  EXPECT_EQ(fourth.ask(kGet).status, 200);
}

TEST(Server, AnswersLaterWhenTheGateSaysSo) {
  Respond later;
  ServerThread server(
      [&later](const net::HttpHead&, const SessionContext&) -> Decision {
        return DeferredResponse{[&later](Respond respond) { later = std::move(respond); }};
      },
      no_workload());
  TestCaller caller(server.port());
  caller.send(kGet);
  ASSERT_TRUE(server.wait_for([&later](const ServerMetrics&) { return later != nullptr; }));
  server.on_loop([&later](Server&) {
    later(LocalResponse{.status = 200, .media_type = "text/plain", .body = to_bytes("late"), .extra_headers = {}});
    later(LocalResponse{.status = 200, .media_type = "text/plain", .body = to_bytes("twice"), .extra_headers = {}});
  });
  EXPECT_EQ(caller.read_answer().body, "late");
  caller.send(kGet);
  ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.requests == 2; }));
  caller.leave();
  ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.connections_now == 0; }));
  server.on_loop([&later](Server&) { later(LocalResponse{}); });
}

TEST(Server, GivesTheGateTheSessionsExporter) {
  attestation::Nonce nonce{};
  nonce.fill(7);
  ServerThread server(
      [&nonce](const net::HttpHead&, const SessionContext& session) -> Decision {
        const auto value = session.exporter(nonce);
        return LocalResponse{.status = 200,
                             .media_type = "text/plain",
                             .body = to_bytes(value ? to_hex(*value) : std::string("none")),
                             .extra_headers = {}};
      },
      no_workload());
  TestCaller caller(server.port());
  const Answer answer = caller.ask(kGet);
  const auto mine = caller.tls().exporter(nonce);
  ASSERT_TRUE(mine);
  EXPECT_EQ(answer.body, to_hex(*mine));
  TestCaller other(server.port());
  EXPECT_NE(other.ask(kGet).body, answer.body);
}

TEST(Server, AnExporterThatOutlivesItsCallerExportsNothing) {
  std::function<Result<ByteArray<32>>(const attestation::Nonce&)> kept;
  ServerThread server(
      [&kept](const net::HttpHead&, const SessionContext& session) -> Decision {
        kept = session.exporter;
        return LocalResponse{};
      },
      no_workload());
  TestCaller caller(server.port());
  EXPECT_EQ(caller.ask(kGet).status, 200);
  caller.leave();
  ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.connections_now == 0; }));
  server.on_loop([&kept](Server&) {
    const auto value = kept(attestation::Nonce{});
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error().id(), "server.caller_left");
  });
}

TEST(Server, SendsLargeAnswersToSlowReaders) {
  const std::string large(3'000'000, 'x');
  ServerThread server(answer_all(large), no_workload());
  TestCaller caller(server.port());
  caller.send(kGet);
  caller.send(kGet);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(caller.read_answer().body.size(), large.size());
  EXPECT_EQ(caller.read_answer().body.size(), large.size());
}

TEST(Server, AbortsCallersThatDoNotReadTheirAnswer) {
  ServerLimits limits;
  limits.body_timeout = 100ms;
  ServerThread server(answer_all(std::string(30'000'000, 'x')), no_workload(), limits);
  TestCaller caller(server.port());
  caller.send(kGet);
  EXPECT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.requests == 1 && m.connections_now == 0; }));
  EXPECT_FALSE(caller.read_answer().whole);
}

TEST(Server, AbortsCallersThatSipTheirAnswer) {
  ServerLimits limits;
  limits.body_timeout = 300ms;
  ServerThread server(answer_all(std::string(30'000'000, 'x')), no_workload(), limits);
  TestCaller caller(server.port());
  caller.send(kGet);
  bool ended = false;
  for (int i = 0; i < 200 && !ended; ++i) {
    caller.read_raw(static_cast<std::size_t>(i) * 1);
    std::this_thread::sleep_for(20ms);
    const ServerMetrics metrics = server.metrics();
    ended = metrics.requests == 1 && metrics.connections_now == 0;
  }
  EXPECT_TRUE(ended);
}

TEST(ServerLimits, PatienceIsEarnedByBytes) {
  ServerLimits limits;
  limits.body_timeout = 30s;
  EXPECT_EQ(limits.patience(0s, 0), 30s);
  EXPECT_EQ(limits.patience(10s, 0), 20s);
  EXPECT_EQ(limits.patience(40s, 20 * 1024), 10s);
  EXPECT_EQ(limits.patience(40s, 100 * 1024), 30s) << "never longer than between bytes";
  EXPECT_EQ(limits.patience(31s, 1), 1ms) << "never nothing: a timer fires at once";
}

TEST(Server, DrainsInOrder) {
  Respond later;
  ServerThread server(
      [&later](const net::HttpHead& head, const SessionContext&) -> Decision {
        if (head.target == "/slow") return DeferredResponse{[&later](Respond respond) { later = std::move(respond); }};
        return LocalResponse{};
      },
      no_workload());
  TestCaller idle(server.port());
  TestCaller busy(server.port());
  EXPECT_EQ(idle.ask(kGet).status, 200);
  busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.requests == 2; }));
  std::atomic<bool> drained = false;
  server.on_loop([&drained](Server& s) { s.drain([&drained] { drained = true; }); });
  EXPECT_EQ(idle.read_end(), End::kOrderly);
  EXPECT_FALSE(drained);
  server.on_loop([&later](Server&) { later(LocalResponse{}); });
  const Answer answer = busy.read_answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(busy.read_end(), End::kOrderly);
  EXPECT_TRUE(server.wait_for([&drained](const ServerMetrics&) { return drained.load(); }));
  EXPECT_EQ(TestCaller(server.port()).ask(kGet).status, 0);
}

TEST(Server, ACallerThatSendsWithoutEndKeepsNobodyWaiting) {
  ServerThread server(answer_all("hello"), no_workload());
  TestCaller flood(server.port());
  std::atomic<bool> stop = false;
  std::thread sender([&] {
    std::string requests;
    for (int i = 0; i < 2000; ++i) requests += kGet;
    while (!stop && flood.send_some(requests, 100ms) > 0) {
    }
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(TestCaller(server.port()).ask(kGet).body, "hello");
  stop = true;
  sender.join();
}

TEST(Server, ErrorsSayNothingOfTheInside) {
  const LocalResponse response = refuse(403, "test.refused", "no \"way\"\n", "Retry-After: 1\r\n");
  EXPECT_EQ(as_text(response.body), "{\"error\":{\"id\":\"test.refused\",\"message\":\"no \\\"way\\\" \"}}\n");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.extra_headers, "Retry-After: 1\r\n");
}

}  // namespace
}  // namespace gateway::server::testing
