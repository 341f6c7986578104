// The local port of `gateway connect`, with real sockets on both sides.
#include "client/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>
#include <thread>

#include "client/testing/fake_enclave.h"

namespace gateway::client {
namespace {

using testing::FakeEnclave;
using ::testing::HasSubstr;
using testing::ManualClock;
using ::testing::Not;
using testing::ServerSide;
using ::testing::StartsWith;

// A local client that knows bytes alone.
class LocalClient {
 public:
  explicit LocalClient(std::uint16_t port)
      : socket_(
            *net::connect_to({.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .cid = 0, .port = port}, 2000)),
        host_("127.0.0.1:" + std::to_string(port)) {}

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
      else if (errno != EAGAIN || !ready(POLLOUT)) return;
    }
  }
  void ask(std::string_view line, std::string_view more = {}) {
    send(std::string(line) + " HTTP/1.1\r\nHost: " + host_ + "\r\n" + std::string(more) + "\r\n");
  }
  // Waits until `end` was read; what was read so far. "RESET" and "CLOSED" stand for ends of the connection.
  std::string read_until(std::string_view end) {
    for (;;) {
      if (const std::size_t at = buffer_.find(end); at != std::string::npos) {
        std::string out = buffer_.substr(0, at + end.size());
        buffer_.erase(0, out.size());
        return out;
      }
      if (!ready(POLLIN)) return buffer_ + "TIMEOUT";
      char part[4096];
      const ssize_t got = ::recv(socket_.get(), part, sizeof part, 0);
      if (got == 0) return std::exchange(buffer_, {}) + "CLOSED";
      if (got < 0 && errno == ECONNRESET) return std::exchange(buffer_, {}) + "RESET";
      if (got > 0) buffer_.append(part, static_cast<std::size_t>(got));
    }
  }
  std::string rest() { return read_until("\x01"); }
  void leave() { socket_.reset(); }
  const std::string& host() const { return host_; }

 private:
  bool ready(short events) {
    pollfd p{.fd = socket_.get(), .events = events, .revents = 0};
    return ::poll(&p, 1, 3000) == 1;
  }
  net::Descriptor socket_;
  std::string host_;
  std::string buffer_;
};

// A proxy on a thread of its own.
class Running {
 public:
  explicit Running(FakeEnclave& enclave, ProxyOptions options = {}, Duration max_age = std::chrono::minutes(5))
      : verifier_(enclave.policy(max_age), {}, clock), context_(*channel::TlsContext::client()) {
    Endpoint endpoint = *Endpoint::parse(enclave.endpoint());
    options.on_refusal = [this](const Error& error) { refusals.emplace_back(error.id()); };
    Attempt made = attempt(endpoint, context_, verifier_, std::chrono::seconds(5));
    EXPECT_FALSE(made.error) << made.error->message();
    proxy_ =
        *Proxy::open(loop_, std::move(endpoint), context_, verifier_, std::move(made.connection), std::move(options));
    port = proxy_->port();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Running() {
    loop_.stop();
    thread_.join();
    proxy_.reset();
  }
  // Looks at the proxy from its own thread.
  template <class F>
  auto on_loop(F look) {
    std::promise<decltype(look(*proxy_))> promise;
    loop_.post([&] { promise.set_value(look(*proxy_)); });
    return promise.get_future().get();
  }

  ManualClock clock;
  std::uint16_t port = 0;
  std::vector<std::string> refusals;

 private:
  Verifier verifier_;
  channel::TlsContext context_;
  net::Loop loop_;
  std::unique_ptr<Proxy> proxy_;
  std::thread thread_;
};

FakeEnclave::Knobs serving(std::function<bool(ServerSide&, const ServerSide::Seen&)> serve) {
  FakeEnclave::Knobs knobs;
  knobs.serve = std::move(serve);
  return knobs;
}

FakeEnclave::Knobs answering(std::string answer, bool in_order) {
  return serving([answer = std::move(answer), in_order](ServerSide& side, const ServerSide::Seen&) {
    side.write(answer);
    if (in_order) side.close_in_order();
    else side.cut();
    return false;
  });
}

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 200; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(Proxy, PassesARequestAndItsAnswer) {
  FakeEnclave enclave;
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("POST /v1/completions?a=b", "Content-Length: 5\r\n");
  client.send("hello");
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(head, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_EQ(client.read_until("hello"), "hello");
}

TEST(Proxy, KeepsLocalAndAttestedConnectionsForTheNextRequest) {
  FakeEnclave enclave;
  Running proxy(enclave);
  LocalClient client(proxy.port);
  for (int i = 0; i < 20; ++i) {
    client.ask("POST /", "Content-Length: 1\r\n");
    client.send("x");
    client.read_until("\r\n\r\n");
    EXPECT_EQ(client.read_until("x"), "x");
  }
  EXPECT_LE(enclave.connections(), 2U);
  EXPECT_EQ(enclave.fresh_requests(), 1U);
}

TEST(Proxy, AnswersPipelinedRequestsInOrder) {
  FakeEnclave enclave;
  Running proxy(enclave);
  LocalClient client(proxy.port);
  std::string both;
  for (const char* body : {"one", "two"}) {
    both += "POST / HTTP/1.1\r\nHost: " + client.host() + "\r\nContent-Length: 3\r\n\r\n" + body;
  }
  client.send(both);
  client.read_until("one");
  EXPECT_THAT(client.read_until("two"), HasSubstr("two"));
}

TEST(Proxy, WritesHostAndFramingAnewAndPassesNoHopByHopHeader) {
  std::promise<std::string> head;
  FakeEnclave enclave(serving([&](ServerSide& side, const ServerSide::Seen& seen) {
    head.set_value(seen.head);
    return side.write(
        "HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=9\r\nX-Private: 1\r\nConnection: x-private\r\n\r\n");
  }));
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("GET /a",
             "Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Other: 2\r\n"
             "Authorization: Bearer abc\r\n");
  const std::string sent = head.get_future().get();
  EXPECT_THAT(sent, HasSubstr("Host: " + enclave.endpoint() + "\r\n"));
  EXPECT_THAT(sent, HasSubstr("X-Other: 2\r\n"));
  EXPECT_THAT(sent, HasSubstr("Authorization: Bearer abc\r\n"));
  for (const char* absent : {"X-Secret", "TE:", "Upgrade", "Connection"}) EXPECT_THAT(sent, Not(HasSubstr(absent)));
  const std::string answer = client.read_until("\r\n\r\n");
  for (const char* absent : {"Keep-Alive:", "X-Private"}) EXPECT_THAT(answer, Not(HasSubstr(absent)));
}

TEST(Proxy, AddsItsTokenOnlyWhereTheClientHasNone) {
  std::string heads;
  FakeEnclave enclave(serving([&](ServerSide& side, const ServerSide::Seen& seen) {
    heads += seen.head;
    return side.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n.");
  }));
  ProxyOptions options;
  options.authorization = Secret(as_bytes("Bearer own"));
  Running proxy(enclave, std::move(options));
  LocalClient client(proxy.port);
  client.ask("GET /");
  client.read_until("\r\n\r\n.");
  EXPECT_THAT(heads, HasSubstr("Authorization: Bearer own\r\n"));
  heads.clear();
  client.ask("GET /", "Authorization: Bearer theirs\r\n");
  client.read_until("\r\n\r\n.");
  EXPECT_THAT(heads, Not(HasSubstr("own")));
}

TEST(Proxy, StreamsEachPieceAsItComes) {
  std::promise<void> go;
  auto gate = go.get_future().share();
  FakeEnclave enclave(serving([gate](ServerSide& side, const ServerSide::Seen&) {
    side.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ndata: 1\r\n");
    gate.wait();
    return side.write("7\r\ndata: 2\r\n0\r\n\r\n");
  }));
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("GET /");
  EXPECT_THAT(client.read_until("data: 1\r\n"), HasSubstr("Transfer-Encoding: chunked"));
  go.set_value();  // the first piece arrived while the second did not exist
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "7\r\ndata: 2\r\n0\r\n\r\n");
}

TEST(Proxy, StreamsARequestBodyInChunks) {
  FakeEnclave enclave;
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("POST /", "Transfer-Encoding: chunked\r\n");
  client.send("3\r\nabc\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  client.send("3\r\ndef\r\n0\r\n\r\n");
  EXPECT_THAT(client.read_until("abcdef"), HasSubstr("Content-Length: 6"));
}

TEST(Proxy, PassesLargeBodiesBothWaysWithoutKeepingThem) {
  FakeEnclave enclave;
  Running proxy(enclave);
  LocalClient client(proxy.port);
  const std::string body(5'000'000, 'b');
  client.ask("POST /", "Content-Length: " + std::to_string(body.size()) + "\r\n");
  client.send(body + "");
  client.read_until("\r\n\r\n");
  const std::string got = client.read_until(body);
  EXPECT_EQ(got.size(), body.size());
}

TEST(Proxy, TellsAClientThatExpectsItToGoOn) {
  FakeEnclave enclave;
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("POST /", "Content-Length: 2\r\nExpect: 100-continue\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 100 "));
  client.send("ok");
  EXPECT_THAT(client.read_until("ok"), StartsWith("HTTP/1.1 200 "));
}

TEST(Proxy, MakesAnAnswerThatEndsByClosingChunked) {
  FakeEnclave enclave(answering("HTTP/1.1 200 OK\r\n\r\nall of it", true));
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("GET /");
  EXPECT_THAT(client.read_until("0\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
                                                        "9\r\nall of it\r\n0\r\n\r\n"));
}

TEST(Proxy, GivesAnOldClientThePayloadAlone) {
  FakeEnclave enclave(answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false));
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.send("GET / HTTP/1.0\r\nHost: " + client.host() + "\r\n\r\n");
  EXPECT_THAT(client.rest(), ::testing::EndsWith("\r\n\r\nabcCLOSED"));
}

TEST(Proxy, ResetsTheClientWhenTheAnswerIsCut) {
  const std::pair<const char*, bool> answers[] = {
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true},
      {"HTTP/1.1 200 OK\r\n\r\nabc", false},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", false},
  };
  for (const auto& [answer, in_order] : answers) {
    FakeEnclave enclave(answering(answer, in_order));
    Running proxy(enclave);
    LocalClient client(proxy.port);
    client.ask("POST /", "Content-Length: 0\r\n");
    EXPECT_THAT(client.rest(), ::testing::EndsWith("RESET")) << answer;
  }
}

TEST(Proxy, RefusesASwitchOfProtocolsThatNobodyAskedFor) {
  FakeEnclave enclave(answering("HTTP/1.1 101 Switching Protocols\r\n\r\n", true));
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("POST /", "Content-Length: 0\r\n");
  EXPECT_THAT(client.rest(), HasSubstr("client.upgrade"));
}

TEST(Proxy, EndsAnAnswerWhoseCloseNotifyCame) {
  FakeEnclave enclave(answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", true));
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("GET /");
  EXPECT_THAT(client.read_until("abc"), StartsWith("HTTP/1.1 200 "));
}

TEST(Proxy, CancelsUpstreamWhenTheClientLeaves) {
  std::promise<bool> left;
  FakeEnclave enclave(serving([&](ServerSide& side, const ServerSide::Seen&) {
    side.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    left.set_value(side.peer_left());
    return false;
  }));
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("GET /");
  client.read_until("1\r\na\r\n");
  client.leave();
  auto future = left.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(3)), std::future_status::ready);
  EXPECT_TRUE(future.get());
  EXPECT_TRUE(eventually([&] { return proxy.on_loop([](const Proxy& p) { return p.clients(); }) == 0; }));
}

TEST(Proxy, RefusesOtherHostsAndOtherOrigins) {
  FakeEnclave enclave;
  Running proxy(enclave);
  const std::string port = std::to_string(proxy.port);
  const std::pair<std::string, const char*> requests[] = {
      {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421 "},
      {"GET / HTTP/1.1\r\nHost: evil.example:" + port + "\r\n\r\n", "421 "},
      {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "421 "},
      {"GET / HTTP/1.1\r\nHost: localhost:" + port + "\r\nOrigin: http://evil.example\r\n\r\n", "403 "},
      {"GET / HTTP/1.1\r\nHost: localhost:" + port + "\r\nOrigin: null\r\n\r\n", "403 "},
      {"OPTIONS / HTTP/1.1\r\nHost: localhost:" + port + "\r\nOrigin: https://localhost:" + port + "\r\n\r\n", "403 "},
  };
  for (const auto& [request, status] : requests) {
    LocalClient client(proxy.port);
    client.send(request);
    const std::string answer = client.rest();
    EXPECT_THAT(answer, StartsWith(std::string("HTTP/1.1 ") + status));
    EXPECT_THAT(answer, Not(HasSubstr("Access-Control")));
    EXPECT_THAT(answer, ::testing::EndsWith("CLOSED"));
  }
  EXPECT_EQ(enclave.requests(), 0U);
  for (const std::string& host : {"localhost:" + port, "LOCALHOST:" + port, "[::1]:" + port}) {
    LocalClient client(proxy.port);
    client.send("GET / HTTP/1.1\r\nHost: " + host + "\r\nOrigin: http://" + host + "\r\n\r\n");
    EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 ")) << host;
  }
}

TEST(Proxy, RefusesMalformedRequests) {
  FakeEnclave enclave;
  Running proxy(enclave);
  LocalClient smuggler(proxy.port);
  smuggler.ask("POST /", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n");
  EXPECT_THAT(smuggler.rest(), StartsWith("HTTP/1.1 400 "));
  LocalClient large(proxy.port);
  large.ask("GET /", "X: " + std::string(70'000, 'x') + "\r\n");
  EXPECT_THAT(large.rest(), StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(enclave.requests(), 0U);
}

TEST(Proxy, RenewsAnAgedKeyBeforeItSends) {
  FakeEnclave enclave;
  Running proxy(enclave);
  LocalClient client(proxy.port);
  client.ask("GET /");
  client.read_until("\r\n\r\n");
  EXPECT_EQ(enclave.fresh_requests(), 1U);
  // Evidence that the enclave makes now is dated by the machine's clock; the margin of both is far wider than this.
  proxy.clock.restore_snapshot(std::chrono::seconds(0));
  proxy.clock.set_wall_back(std::chrono::milliseconds(1));
  client.ask("GET /");
  client.read_until("\r\n\r\n");
  EXPECT_EQ(enclave.fresh_requests(), 2U);
}

TEST(Proxy, AnswersWithTheIdWhenTheEnclaveNoLongerVerifies) {
  FakeEnclave enclave;
  Running proxy(enclave);
  enclave.set_knobs([](FakeEnclave::Knobs& knobs) { knobs.reuse_evidence = true; });
  proxy.clock.set_wall_back(std::chrono::milliseconds(1));
  LocalClient client(proxy.port);
  client.ask("POST /", "Content-Length: 6\r\n");
  client.send("secret");
  const std::string answer = client.rest();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 502 "));
  EXPECT_THAT(answer, HasSubstr("\"id\":\"binding.quote.nonce\""));
  EXPECT_THAT(answer, ::testing::EndsWith("CLOSED"));
  EXPECT_EQ(enclave.requests(), 0U);
  EXPECT_THAT(proxy.on_loop([&](const Proxy&) { return proxy.refusals; }), ::testing::Contains("binding.quote.nonce"));
}

TEST(Proxy, VerifiesEachConnectionThatItOpens) {
  FakeEnclave enclave;
  Running proxy(enclave);
  enclave.set_knobs([](FakeEnclave::Knobs& knobs) {
    knobs.tamper = [](attestation::AttestationResponse& response) { response.signature[3] ^= 1; };
    knobs.serve = [](ServerSide& side, const ServerSide::Seen&) { return !side.peer_left(); };
  });
  LocalClient first(proxy.port);
  first.ask("GET /");  // takes the connection that verified
  ASSERT_TRUE(eventually([&] { return enclave.requests() == 1; }));
  LocalClient second(proxy.port);
  second.ask("GET /");
  EXPECT_THAT(second.rest(), HasSubstr("binding.session.signature"));
  EXPECT_EQ(enclave.requests(), 1U);
}

TEST(Proxy, SendsARequestAgainOnlyWhereThatIsHarmless) {
  std::atomic<int> seen{0};
  FakeEnclave enclave(serving([&](ServerSide& side, const ServerSide::Seen&) {
    if (++seen % 2 == 1) return false;  // closes without an answer
    return side.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  }));
  Running proxy(enclave);
  LocalClient get(proxy.port);
  get.ask("GET /");
  EXPECT_THAT(get.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(seen, 2);
  LocalClient post(proxy.port);
  post.ask("POST /", "Content-Length: 1\r\n");
  post.send("x");
  EXPECT_THAT(post.rest(), HasSubstr("client.upstream_closed"));
  EXPECT_EQ(seen, 3);
}

TEST(Proxy, ServesManyClientsAtOnce) {
  FakeEnclave enclave(serving([](ServerSide& side, const ServerSide::Seen& seen) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return side.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(seen.target().size()) + "\r\n\r\n" +
                      seen.target());
  }));
  Running proxy(enclave);
  std::vector<std::unique_ptr<LocalClient>> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(std::make_unique<LocalClient>(proxy.port));
  for (int i = 0; i < 40; ++i) clients[static_cast<std::size_t>(i)]->ask("GET /number/" + std::to_string(i));
  for (int i = 0; i < 40; ++i) {
    const std::string target = "/number/" + std::to_string(i);
    EXPECT_THAT(clients[static_cast<std::size_t>(i)]->read_until("\r\n\r\n" + target), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_EQ(enclave.fresh_requests(), 1U);
}

TEST(Proxy, LetsClientsWaitWhenAllConnectionsAreLent) {
  FakeEnclave enclave(serving([](ServerSide& side, const ServerSide::Seen&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return side.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n.");
  }));
  ProxyOptions options;
  options.pool.max_connections = 2;
  Running proxy(enclave, std::move(options));
  std::vector<std::unique_ptr<LocalClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<LocalClient>(proxy.port));
    clients.back()->ask("GET /");
  }
  for (const auto& client : clients) EXPECT_THAT(client->read_until("\r\n\r\n."), StartsWith("HTTP/1.1 200 "));
  EXPECT_LE(enclave.connections(), 2U);
}

TEST(Proxy, GivesUpOnAClientThatSendsNothing) {
  FakeEnclave enclave;
  ProxyOptions options;
  options.limits.head_timeout = std::chrono::milliseconds(50);
  Running proxy(enclave, std::move(options));
  LocalClient client(proxy.port);
  client.send("GET / HT");
  EXPECT_THAT(client.rest(), ::testing::EndsWith("CLOSED"));
}

TEST(Proxy, RefusesToListenForTheWholeNetwork) {
  FakeEnclave enclave;
  ManualClock clock;
  Verifier verifier(enclave.policy(), {}, clock);
  const auto context = channel::TlsContext::client();
  net::Loop loop;
  ProxyOptions options;
  options.listen.host = "0.0.0.0";
  const auto proxy =
      Proxy::open(loop, *Endpoint::parse(enclave.endpoint()), *context, verifier, nullptr, std::move(options));
  ASSERT_FALSE(proxy);
  EXPECT_EQ(proxy.error().id(), "client.listen.not_loopback");
}

}  // namespace
}  // namespace gateway::client
