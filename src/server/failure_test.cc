// Every way in which the workload or the caller can fail in the middle of a request.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "server/testing.h"

namespace gateway::server::testing {
namespace {

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(Failure, SaysWhenTheWorkloadIsNotThere) {
  Ended ended;
  ServerThread server(forward_watched(ended), dial(*net::Address::parse_url("unix:///nonexistent/socket")));
  TestCaller caller(server.port());
  for (int i = 0; i < 2; ++i) {
    const Answer answer = caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.error_id(), "server.workload_unavailable");
    EXPECT_EQ(answer.headers.at("retry-after"), "1");
  }
  EXPECT_EQ(ended.ending, ForwardObserver::Ending::kWorkloadFailed);
  EXPECT_EQ(ended.count, 2);
}

// Refusals pile up until the socket takes no more, in the middle of one: the server holds on to the rest of it.
TEST(Failure, ACallerThatReadsNoRefusalHarmsNobody) {
  constexpr int kBatch = 64;
  ServerThread server(forward_all(), dial(*net::Address::parse_url("unix:///nonexistent/socket")));
  TestCaller deaf(server.port());
  std::string many;
  for (int i = 0; i < kBatch; ++i) many += kGet;
  std::size_t sent = 0;
  for (std::size_t got = many.size(); got == many.size() && sent < 1'000'000 * kGet.size(); sent += got) {
    got = deaf.send_some(many, 500ms);
  }
  ASSERT_LT(sent, 1'000'000 * kGet.size()) << "the socket took everything: nothing was tried";
  EXPECT_EQ(TestCaller(server.port()).ask(kGet).status, 503);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(deaf.read_answer().status, 503) << i;
}

TEST(Failure, SaysWhenALoopbackPortRefuses) {
  net::Descriptor closed = *net::listen_on(*net::Address::parse_url("tcp://127.0.0.1:0"));
  const std::uint16_t port = *net::local_port(closed.get());
  closed.reset();
  ServerThread server(forward_all(), dial(*net::Address::parse_host_port("127.0.0.1:" + std::to_string(port))));
  TestCaller caller(server.port());
  EXPECT_EQ(caller.ask(kGet).error_id(), "server.workload_unavailable");
}

TEST(Failure, SaysWhenTheWorkloadTalksNonsense) {
  for (const char* nonsense :
       {"hello\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Le", ""}) {
    Workload workload(answers_and_closes(nonsense));
    ServerThread server(forward_all(), dial(workload.address()));
    TestCaller caller(server.port());
    const Answer answer = caller.ask(kGet);
    EXPECT_EQ(answer.status, 502) << nonsense;
    EXPECT_EQ(answer.error_id(), "server.workload_answer") << nonsense;
  }
}

TEST(Failure, SaysWhenTheWorkloadIsTooSlow) {
  Workload workload([](WorkloadPeer& peer) { EXPECT_TRUE(peer.wait_closed()); });
  ServerLimits limits;
  limits.response_timeout = 100ms;
  ServerThread server(forward_all(), dial(workload.address()), limits);
  TestCaller caller(server.port());
  const Answer answer = caller.ask(kGet);
  EXPECT_EQ(answer.status, 504);
  EXPECT_EQ(answer.error_id(), "server.workload_timeout");
}

class CutShort : public ::testing::TestWithParam<const char*> {};

TEST_P(CutShort, IsAnAbortForTheCaller) {
  Workload workload(answers_and_closes(GetParam()));
  Ended ended;
  ServerThread server(forward_watched(ended), dial(workload.address()));
  TestCaller caller(server.port());
  const Answer answer = caller.ask(kGet);
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.whole);
  EXPECT_EQ(caller.read_end(), End::kTruncated);
  EXPECT_TRUE(wait_until([&] { return ended.count == 1; }));
  EXPECT_EQ(ended.ending, ForwardObserver::Ending::kWorkloadFailed);
}

INSTANTIATE_TEST_SUITE_P(Answers, CutShort,
                         ::testing::Values("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
                                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));

TEST(Failure, AbortsWhenChunksTurnBadInMidAnswer) {
  std::atomic<bool> go = false;
  Workload workload([&go](WorkloadPeer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    wait_until([&] { return go.load(); });
    peer.write("nonsense\r\n");
    peer.wait_closed();
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  caller.send(kGet);
  caller.read_raw(55);
  go = true;
  EXPECT_EQ(caller.read_end(), End::kTruncated);
}

TEST(Failure, AbortsWhenTheAnswerStalls) {
  Workload workload([](WorkloadPeer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    EXPECT_TRUE(peer.wait_closed());
  });
  ServerLimits limits;
  limits.response_timeout = 100ms;
  ServerThread server(forward_all(), dial(workload.address()), limits);
  TestCaller caller(server.port());
  EXPECT_FALSE(caller.ask(kGet).whole);
  EXPECT_EQ(caller.read_end(), End::kTruncated);
}

TEST(Failure, CancelsWhenTheCallerLeaves) {
  for (const bool orderly : {false, true}) {
    std::atomic<bool> cancelled = false;
    Workload workload([&cancelled](WorkloadPeer& peer) {
      peer.read_head();
      cancelled = peer.wait_closed();
    });
    Ended ended;
    ServerThread server(forward_watched(ended), dial(workload.address()));
    TestCaller caller(server.port());
    caller.send(kGet);
    ASSERT_TRUE(server.wait_for([](const ServerMetrics& m) { return m.in_flight_now == 1; }));
    if (orderly) caller.leave_in_order();
    else caller.leave();
    EXPECT_TRUE(wait_until([&] { return cancelled && ended.count == 1; }));
    EXPECT_EQ(ended.ending, ForwardObserver::Ending::kCallerLeft);
    EXPECT_EQ(server.metrics().callers_left, 1u);
  }
}

TEST(Failure, CancelsWhenTheCallerLeavesInMidStream) {
  std::atomic<bool> cancelled = false;
  Workload workload([&cancelled](WorkloadPeer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!cancelled) {
      peer.write("3\r\nabc\r\n");
      pollfd closed{.fd = peer.descriptor(), .events = POLLIN, .revents = 0};
      if (::poll(&closed, 1, 1) > 0) cancelled = peer.wait_closed();
    }
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  caller.send(kGet);
  caller.read_raw(200);
  caller.leave();
  EXPECT_TRUE(wait_until([&] { return cancelled.load(); }));
}

TEST(Failure, PassesAnEarlyAnswerAndCloses) {
  Workload workload([](WorkloadPeer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    peer.wait_closed();
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  const Answer answer = caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\npart");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body, "no");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(caller.read_end(), End::kOrderly);
}

TEST(Failure, TakesAnotherConnectionWhenTheOldOneWasClosed) {
  Workload workload(answers_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  for (int i = 0; i < 20; ++i) {
    // The workload closes after its answer; a request that may act is not repeated when it races that.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(caller.ask(i % 2 == 0 ? "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" : kGet).body, "ok");
  }
  EXPECT_EQ(workload.connections(), 20);
}

TEST(Failure, RepeatsASafeRequestThatRacedAClose) {
  std::atomic<int> connection = 0;
  Workload workload([&connection](WorkloadPeer& peer) {
    const bool first = connection++ == 0;
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    // Reads the second request and closes without a word, as a server does whose patience ended at that moment.
    if (first) peer.read_head();
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  EXPECT_EQ(caller.ask(kGet).body, "ok");
  EXPECT_EQ(caller.ask(kGet).body, "ok");
  EXPECT_EQ(workload.connections(), 2);
}

TEST(Failure, NeverRepeatsARequestThatMayHaveActed) {
  Workload workload([](WorkloadPeer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer.read_head();
  });
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  EXPECT_EQ(caller.ask(kGet).body, "ok");
  EXPECT_EQ(caller.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").error_id(), "server.workload_answer");
  EXPECT_EQ(workload.connections(), 1);
}

TEST(Failure, DropsAConnectionThatSaysMoreThanItWasAsked) {
  Workload workload(
      answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
  ServerThread server(forward_all(), dial(workload.address()));
  TestCaller caller(server.port());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(caller.ask(kGet).body, "ok");
  EXPECT_EQ(workload.connections(), 5);
}

TEST(Failure, BreaksOffWhenTheServerEnds) {
  Workload workload([](WorkloadPeer& peer) { EXPECT_TRUE(peer.wait_closed()); });
  Ended ended;
  auto server = std::make_unique<ServerThread>(forward_watched(ended), dial(workload.address()));
  TestCaller caller(server->port());
  caller.send(kGet);
  ASSERT_TRUE(server->wait_for([](const ServerMetrics& m) { return m.in_flight_now == 1; }));
  server.reset();
  EXPECT_EQ(ended.count, 1);
  EXPECT_EQ(caller.read_end(), End::kTruncated);
}

}  // namespace
}  // namespace gateway::server::testing
