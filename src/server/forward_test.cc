// What passes between callers and the workload: framing, streaming, pace, and limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "net/proxy_protocol.h"
#include "server/testing.h"

namespace gateway::server::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(Forwarding, PassesAnAnswerWithItsLengthAndReusesTheConnection) {
  Workload workload(answers("HTTP/1.1 201 Whatever\r\nContent-Length: 5\r\nX-Mine: yes\r\n\r\nhello"));
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  for (int i = 0; i < 5; ++i) {
    const Answer answer = caller.ask(kGet);
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.headers.at("content-length"), "5");
    EXPECT_EQ(answer.headers.at("x-mine"), "yes");
  }
  EXPECT_EQ(workload.connections(), 1);
  const ServerMetrics metrics = server.metrics();
  EXPECT_EQ(metrics.forwarded, 5u);
  EXPECT_EQ(metrics.completed, 5u);
  EXPECT_EQ(metrics.in_flight_now, 0u);
}

// What a forwarder says of the caller's address: a claim, passed on where that is wanted, and never the caller's own.
class ClientClaims : public ::testing::TestWithParam<bool> {};

TEST_P(ClientClaims, GoWhereTheyAreWantedAndNowhereElse) {
  std::mutex mutex;
  std::string head;
  Workload workload([&](WorkloadPeer& peer) {
    const std::string got = peer.read_head();
    const std::lock_guard lock(mutex);
    head = got;
    peer.write("HTTP/1.1 204 No Content\r\n\r\n");
  });
  ServerLimits limits;
  limits.pass_client_claims = GetParam();
  ServerThread server(forward_all(), dial(workload.address()), limits);
  const Bytes header =
      net::encode_proxy_header({*net::IpAddress::parse("192.0.2.7"), 4711}, {*net::IpAddress::parse("192.0.2.1"), 443});
  TestCaller caller(server.port(), header);
  EXPECT_EQ(caller.ask("GET / HTTP/1.1\r\nHost: a\r\nGateway-Claimed-Client: 10.0.0.1:1\r\n\r\n").status, 204);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(head.contains("gateway-claimed-client: 192.0.2.7:4711\r\n"), GetParam()) << head;
  EXPECT_FALSE(head.contains("10.0.0.1")) << "the caller's own word for it";
}

INSTANTIATE_TEST_SUITE_P(Both, ClientClaims, ::testing::Bool());

TEST(Forwarding, EndsAConnectionWhoseForwarderTalksNonsense) {
  Workload workload(answers("HTTP/1.1 204 No Content\r\n\r\n"));
  ServerThread server(forward_all(), dial(workload.address()));
  Bytes header =
      net::encode_proxy_header({*net::IpAddress::parse("192.0.2.7"), 1}, {*net::IpAddress::parse("192.0.2.1"), 2});
  header[12] = 0x11;
  EXPECT_FALSE(TestCaller(server.port(), header).connected());
  EXPECT_TRUE(server.wait_for([](const ServerMetrics& now) { return now.handshakes_failed == 1; }));
  EXPECT_TRUE(TestCaller(server.port()).connected()) << "without a header all is as ever";
}

TEST(Forwarding, ShowsTheWorkloadNothingThatIsNotItsOwn) {
  std::mutex mutex;
  std::string head;
  Workload workload([&](WorkloadPeer& peer) {
    const std::string got = peer.read_head();
    {
      const std::lock_guard lock(mutex);
      head = got;
    }
    peer.write("HTTP/1.1 204 No Content\r\n\r\n");
  });
  ServerThread server(
      [](const net::HttpHead&, const SessionContext&) -> Decision {
        return ForwardDecision{.target = "/normal",
                               .collect_body = std::nullopt,
                               .rewrite_body = nullptr,
                               .wants_payload = false,
                               .observer = nullptr};
      },
      dial(workload.address()));
  TestCaller caller(server.port());
  EXPECT_EQ(caller
                .ask("GET /odd HTTP/1.1\r\nHost: example\r\nAuthorization: Bearer gwt_secret\r\nAccept: */*\r\n"
                     "Proxy-Authorization: Basic x\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
                     "TE: trailers\r\nUpgrade: websocket\r\nContent_Length: 7\r\n\r\n")
                .status,
            204);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(head, "GET /normal HTTP/1.1\r\nHost: example\r\nAccept: */*\r\n\r\n");
}

TEST(Forwarding, AConnectionFieldCannotRemoveTheHost) {
  Workload workload([](WorkloadPeer& peer) {
    const std::string head = peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(head.size()) + "\r\n\r\n" + head);
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  EXPECT_THAT(caller.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: Host, Authorization\r\n\r\n").body,
              HasSubstr("Host: a\r\n"));
}

TEST(Forwarding, RelaysChunksAsTheyCome) {
  std::atomic<int> released = 0;
  Workload workload([&released](WorkloadPeer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      wait_until([&] { return released > i; });
      peer.write("8\r\ndata: " + std::to_string(i) + "\n\r\n");
    }
    peer.write("0\r\n\r\n");
    peer.wait_closed();
  });
  Ended ended;
  ServerThread server(forward_watched(ended), dial(workload.address()));
  TestCaller caller(server.port());
  caller.send(kGet);
  EXPECT_THAT(caller.read_raw(80), HasSubstr("Transfer-Encoding: chunked\r\n"));
  for (int i = 0; i < 3; ++i) {
    ++released;
    EXPECT_EQ(caller.read_raw(i == 2 ? 18 : 13),
              "8\r\ndata: " + std::to_string(i) + "\n\r\n" + (i == 2 ? "0\r\n\r\n" : ""));
  }
  EXPECT_TRUE(wait_until([&] { return ended.count == 1; }));
  EXPECT_EQ(ended.payload, "data: 0\ndata: 1\ndata: 2\n");
  EXPECT_EQ(ended.ending, ForwardObserver::Ending::kComplete);
  EXPECT_EQ(ended.status, 200);
}

TEST(Forwarding, TurnsAnAnswerUntilCloseIntoChunks) {
  Workload workload(answers_and_closes("HTTP/1.1 200 OK\r\n\r\nuntil close"));
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  for (int i = 0; i < 2; ++i) {
    const Answer answer = caller.ask(kGet);
    EXPECT_EQ(answer.headers.at("transfer-encoding"), "chunked");
    EXPECT_EQ(answer.body, "until close");
    EXPECT_TRUE(answer.whole);
  }
}

TEST(Forwarding, GivesHttp10CallersNoChunks) {
  Workload workload(
      answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nT: 1\r\n\r\n"));
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  const Answer answer = caller.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_FALSE(answer.headers.contains("transfer-encoding"));
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(answer.body, "abcdef");
  EXPECT_TRUE(answer.whole);
}

TEST(Forwarding, PassesAnswersWithoutBodies) {
  const std::map<std::string, std::string> heads{{"204", "HTTP/1.1 204 No Content\r\n\r\n"},
                                                 {"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n"},
                                                 {"200", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}};
  Workload workload([&heads](WorkloadPeer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head())
      peer.write(heads.at(head.substr(5, 3)));
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  for (const auto& [status, head] : heads) {
    const Answer answer = caller.ask("GET /" + status + " HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(std::to_string(answer.status), status);
    EXPECT_TRUE(answer.whole);
    EXPECT_FALSE(answer.headers.contains("transfer-encoding"));
    EXPECT_EQ(answer.headers.contains("content-length"), status != "204");
  }
}

TEST(Forwarding, PassesHeadAndInterimAnswers) {
  Workload workload(answers("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  for (int i = 0; i < 2; ++i) {
    caller.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    const Answer answer = caller.read_answer("HEAD");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.at("content-length"), "5");
  }
}

// Echoes bodies, whatever their framing.
void echo(WorkloadPeer& peer) {
  for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
    std::string body;
    const std::size_t at = head.find("Content-Length: ");
    if (at != std::string::npos) {
      body = peer.read_body(std::stoul(head.substr(at + 16)));
    } else {
      for (std::string line = peer.read_until("\r\n"); line != "0\r\n" && !line.empty();
           line = peer.read_until("\r\n")) {
        body += peer.read_body(std::stoul(line, nullptr, 16));
        peer.read_until("\r\n");
      }
      peer.read_until("\r\n");
    }
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
}

TEST(Forwarding, StreamsBodiesOfBothFramings) {
  Workload workload(echo);
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  std::string large;
  for (int i = 0; i < 300'000; ++i) large += static_cast<char>('a' + i % 26);
  EXPECT_EQ(caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + large).body, large);
  EXPECT_EQ(caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").body, "");
  std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < large.size(); at += 30'000) chunked += "7530;e\r\n" + large.substr(at, 30'000) + "\r\n";
  EXPECT_EQ(caller.ask(chunked + "0\r\nTrailer: x\r\n\r\n").body, large);
}

// A workload that leaves bodies unread would take what is in them for its next request, and the answer to that for
// somebody else's.
TEST(Forwarding, NeverUsesAConnectionAgainOnWhichABodyWasStreamed) {
  std::mutex mutex;
  std::vector<std::string> heads;
  Workload workload([&](WorkloadPeer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      const std::string target = head.substr(0, head.find(" HTTP"));
      {
        const std::lock_guard lock(mutex);
        heads.push_back(target);
      }
      const bool last = head.find("\r\nConnection: close\r\n") != std::string::npos;
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(target.size()) + "\r\n\r\n" + target);
      if (last) return peer.reset();
    }
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller attacker(server.port());
  TestCaller victim(server.port());
  const std::string hidden = "GET /forbidden HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const std::string& framing : {"Content-Length: " + std::to_string(hidden.size()) + "\r\n\r\n" + hidden,
                                     "Transfer-Encoding: chunked\r\n\r\n24\r\n" + hidden + "\r\n0\r\n\r\n"}) {
    EXPECT_EQ(attacker.ask("POST /allowed HTTP/1.1\r\nHost: a\r\n" + framing).body, "POST /allowed");
    EXPECT_EQ(victim.ask(kGet).body, "GET /");
  }
  const std::lock_guard lock(mutex);
  EXPECT_THAT(heads, ::testing::Not(::testing::Contains("GET /forbidden")));
}

TEST(Forwarding, GivesHttp10CallersEveryChunkHoweverTheyArrive) {
  Workload workload([](WorkloadPeer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::this_thread::sleep_for(30ms);
    peer.write("3\r\nabc\r\n3\r\ndef\r\n3\r\nghi\r\n");
    std::this_thread::sleep_for(30ms);
    peer.write("3\r\njkl\r\n3\r\nmno\r\n0\r\n\r\n");
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  const Answer answer = caller.ask("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.body, "abcdefghijklmno");
  EXPECT_TRUE(answer.whole);
}

TEST(Forwarding, KeepsPipelinedRequestsForTheirTurn) {
  Workload workload(echo);
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  std::string requests;
  for (int i = 10; i < 40; ++i)
    requests += "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n" + std::to_string(i);
  caller.send(requests);
  for (int i = 10; i < 40; ++i) EXPECT_EQ(caller.read_answer().body, std::to_string(i));
}

TEST(Forwarding, SaysContinueItself) {
  Workload workload(echo);
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(caller.read_raw(25), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(caller.ask("body").body, "body");
}

LambdaGate::Judge rewriting(std::size_t limit) {
  return [limit](const net::HttpHead&, const SessionContext&) -> Decision {
    return ForwardDecision{.target = "/",
                           .collect_body = limit,
                           .rewrite_body = [](ByteView body) -> std::variant<Bytes, LocalResponse> {
                             if (as_text(body) == "bad") return refuse(422, "test.bad", "bad");
                             return to_bytes("<" + std::string(as_text(body)) + ">");
                           },
                           .wants_payload = false,
                           .observer = nullptr};
  };
}

TEST(Forwarding, CollectsAndRewritesBodies) {
  Workload workload(echo);
  ServerThread server(rewriting(10), dial(workload.address()));
  TestCaller caller(server.port());
  EXPECT_EQ(caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").body, "<body>");
  EXPECT_EQ(
      caller.ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n").body,
      "<abc>");
  EXPECT_EQ(caller.ask(kGet).body, "<>");
  const Answer refused = caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nbad");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.error_id(), "test.bad");
  EXPECT_EQ(caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").body, "<body>");
  const Answer large = caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world");
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.error_id(), "server.body_size");
}

TEST(Forwarding, RefusesChunkedBodiesThatGrowTooLarge) {
  Workload workload([](WorkloadPeer& peer) { peer.wait_closed(); });
  ServerLimits limits;
  limits.max_body = 1000;
  Ended ended;
  ServerThread server(forward_watched(ended), dial(workload.address()), limits);
  TestCaller caller(server.port());
  std::string request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) request += "64\r\n" + std::string(100, 'x') + "\r\n";
  const Answer answer = caller.ask(request);
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.error_id(), "server.body_size");
  EXPECT_EQ(caller.read_end(), End::kOrderly);
  EXPECT_EQ(ended.count, 1);
}

TEST(Forwarding, RefusesBrokenChunks) {
  Workload workload([](WorkloadPeer& peer) { EXPECT_TRUE(peer.wait_closed()); });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  const Answer answer = caller.ask(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n" + std::string(kGet));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error_id(), "http.chunk");
  EXPECT_EQ(caller.read_end(), End::kOrderly);
}

TEST(Forwarding, EndsASlowBody) {
  Workload workload([](WorkloadPeer& peer) { EXPECT_TRUE(peer.wait_closed()); });
  ServerLimits limits;
  limits.body_timeout = 100ms;
  Ended ended;
  ServerThread server(forward_watched(ended), dial(workload.address()), limits);
  TestCaller caller(server.port());
  const Answer answer = caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.error_id(), "server.body_timeout");
  EXPECT_EQ(caller.read_end(), End::kOrderly);
  EXPECT_EQ(ended.ending, ForwardObserver::Ending::kCallerLeft);
  EXPECT_EQ(ended.status, 408);
}

// Each byte comes in time, the body never would.
TEST(Forwarding, EndsABodyThatDrips) {
  Workload workload([](WorkloadPeer& peer) { peer.wait_closed(); });
  ServerLimits limits;
  limits.body_timeout = 200ms;
  ServerThread server(forward_all(), dial(workload.address()), limits);
  TestCaller caller(server.port());
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  for (int i = 0; i < 100 && server.metrics().in_flight_now + server.metrics().callers_left == 0; ++i)
    std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 60 && server.metrics().callers_left == 0; ++i) {
    caller.send("x");
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_EQ(server.metrics().callers_left, 1u);
  EXPECT_EQ(caller.read_answer().error_id(), "server.body_timeout");
}

TEST(Forwarding, KeepsNoMoreOfAllBodiesThanItMay) {
  Workload workload(echo);
  ServerLimits limits;
  limits.max_collected = 10;
  ServerThread server(rewriting(10), dial(workload.address()), limits);
  TestCaller first(server.port());
  first.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12345678");
  ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.in_flight_now == 1; }));
  TestCaller second(server.port());
  const Answer refused = second.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.error_id(), "server.body_memory");
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(first.ask("9").body, "<123456789>");
  TestCaller third(server.port());
  third.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12345678");
  ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.in_flight_now == 1; }));
  third.leave();
  ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.in_flight_now == 0; }));
  TestCaller fourth(server.port());
  EXPECT_EQ(fourth.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").body, "<abc>");
}

TEST(Forwarding, LimitsRequestsInFlight) {
  std::atomic<bool> release = false;
  Workload workload([&release](WorkloadPeer& peer) {
    peer.read_head();
    wait_until([&] { return release.load(); });
    peer.write("HTTP/1.1 204 No Content\r\n\r\n");
  });
  ServerLimits limits;
  limits.max_in_flight = 1;
  ServerThread server(forward_all(), dial(workload.address()), limits);
  TestCaller first(server.port());
  first.send(kGet);
  ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.in_flight_now == 1; }));
  TestCaller second(server.port());
  const Answer answer = second.ask(kGet);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.error_id(), "server.in_flight");
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  release = true;
  EXPECT_EQ(first.read_answer().status, 204);
  EXPECT_EQ(second.ask(kGet).status, 204);
}

TEST(Forwarding, ASlowReaderSlowsTheWorkloadNotTheMemory) {
  std::atomic<std::size_t> taken = 0;
  constexpr std::size_t kSize = 64UZ * 1024 * 1024;
  Workload workload([&taken](WorkloadPeer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
    const std::string block(65536, 'x');
    while (taken < kSize) {
      const std::size_t sent =
          peer.write_some(std::string_view(block).substr(0, std::min(block.size(), kSize - taken)));
      taken += sent;
      if (sent == 0) std::this_thread::sleep_for(1ms);
    }
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  caller.send(kGet);
  std::size_t before = 1;
  while (taken != before) {
    before = taken;
    std::this_thread::sleep_for(100ms);
  }
  // Nobody reads: only what the sockets of both sides hold has left the workload.
  EXPECT_LT(taken, kSize / 4);
  const Answer answer = caller.read_answer();
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body.size(), kSize);
}

TEST(Forwarding, ASlowWorkloadSlowsTheCallerNotTheMemory) {
  std::atomic<bool> release = false;
  Workload workload([&release](WorkloadPeer& peer) {
    peer.read_head();
    wait_until([&] { return release.load(); });
    peer.read_body(8'000'000);
    peer.write("HTTP/1.1 204 No Content\r\n\r\n");
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  const std::string request =
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" + std::string(8'000'000, 'x');
  const std::size_t sent = caller.send_some(request, 300ms);
  EXPECT_LT(server.metrics().bytes_from_callers, 2'000'000u);
  release = true;
  caller.send(std::string_view(request).substr(sent));
  EXPECT_EQ(caller.read_answer().status, 204);
}

}  // namespace
}  // namespace gateway::server::testing
