// The ways out of an enclave, against a host that this test plays: what is let through, what never leaves, and what a
// host gains that lies, stalls or says nonsense.
#include "egress/egress.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "egress/hello_for_test.h"
#include "egress/https_call.h"
#include "net/address.h"

namespace gateway::egress {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::HasSubstr;

constexpr milliseconds kPatience{400};  // of the outlet

std::string read_all(int socket, milliseconds patience = milliseconds(5'000)) {
  std::string out;
  char chunk[4096];
  for (pollfd readable{socket, POLLIN, 0}; ::poll(&readable, 1, static_cast<int>(patience.count())) == 1;) {
    const ssize_t got = ::recv(socket, chunk, sizeof chunk, 0);
    if (got < 0) return out + "<reset>";
    if (got == 0) return out;
    out.append(chunk, static_cast<std::size_t>(got));
  }
  return out + "<open>";
}

void send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

struct FixedClock final : Clock {
  Time now() const override { return SystemClock().now(); }
};

// What a host answers to one request. Absent: it says nothing.
struct HostAnswer {
  net::EgressStatus status = net::EgressStatus::kOk;
  Bytes body;
  Bytes raw;             // instead of both
  bool service = false;  // the connection leads to `serve`
};

class EgressTest : public testing::Test {
 protected:
  using Answerer = std::function<std::optional<HostAnswer>(const net::EgressMessage&)>;

  void TearDown() override {
    on_loop([this] {
      call_.reset();
      egress_.reset();
      outlet_.reset();
    });
    loop_.stop();
    if (thread_.joinable()) thread_.join();
    listener_.reset();
    for (std::thread& each : threads_) each.join();
    ::unlink((folder_ + "/door").c_str());
    ::rmdir(folder_.c_str());
  }

  void start(std::vector<std::string> allow, std::vector<std::string> insecure = {},
             std::optional<channel::TlsContext> tls = {}) {
    std::string name = "/tmp/gateway-egress-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    listener_ = *net::listen_on({.kind = net::Address::Kind::kUnix, .host = folder_ + "/door"});
    proxy_ = *net::listen_on({.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = 0});
    proxy_port_ = *net::local_port(proxy_.get());
    dns_ = net::Descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(dns_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    dns_port_ = *net::local_port(dns_.get());
    image::EgressDescription description;
    description.allow = std::move(allow);
    description.insecure_allow = std::move(insecure);
    description.runtime_tls = tls.has_value();
    outlet_ = std::make_unique<Outlet>(
        loop_, net::Descriptor(::dup(listener_.get())), [this](std::uint16_t count) { dial(count); }, kPatience);
    egress_ = std::make_unique<Egress>(Policy::make(description).value(),
                                       Egress::Parts{.loop = loop_,
                                                     .outlet = *outlet_,
                                                     .tls = std::move(tls),
                                                     .audit = [this](const Error& why, const std::string& wanted) {
                                                       const std::lock_guard lock(mutex_);
                                                       audit_.insert(std::string(why.id()) + " " + wanted);
                                                     }});
    egress_->open({.proxy = std::move(proxy_), .transparent = {}, .dns = std::move(dns_), .tun = {}});
    thread_ = std::thread([this] { loop_.run(); });
  }

  void on_loop(const std::function<void()>& task) {
    if (!thread_.joinable()) return task();
    std::promise<void> done;
    loop_.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

  // The host's side, one thread a connection.
  void dial(std::uint16_t count) {
    for (std::uint16_t i = 0; i < count; ++i) threads_.emplace_back([this] { play_host(); });
  }
  void play_host() {
    const auto link = net::connect_to({.kind = net::Address::Kind::kUnix, .host = folder_ + "/door"}, 2'000);
    if (!link) return;
    ::fcntl(link->get(), F_SETFL, 0);
    Bytes received;
    std::optional<net::EgressMessage> message;
    while (!message) {
      std::uint8_t chunk[4096];
      const ssize_t got = ::recv(link->get(), chunk, sizeof chunk, 0);
      if (got <= 0) return;
      append(received, ByteView(chunk, static_cast<std::size_t>(got)));
      std::size_t used = 0;
      message = net::take_egress(received, used).value();
    }
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(*message);
    }
    const auto answer = answer_(*message);
    if (!answer) {
      read_all(link->get());
      return;
    }
    const Bytes bytes =
        answer->raw.empty() ? net::encode_egress(static_cast<std::uint8_t>(answer->status), answer->body) : answer->raw;
    send_all(link->get(), as_text(bytes));
    if (answer->service) serve_(link->get());
  }

  // Names to addresses, and connections to `serve_`.
  static std::optional<HostAnswer> honest(const net::EgressMessage& message, const char* address) {
    if (message.code == static_cast<std::uint8_t>(net::EgressKind::kConnect)) {
      return HostAnswer{.status = net::EgressStatus::kOk, .body = {}, .raw = {}, .service = true};
    }
    const auto question = parse_dns_query(message.body).value();
    const DnsAddress record{*net::IpAddress::parse(address), 300};
    const bool fits = question.type == (record.address.v6 ? kDnsAaaa : kDnsA);
    return HostAnswer{.status = net::EgressStatus::kOk,
                      .body = encode_dns_answer(question, kDnsNoError, std::span(&record, fits ? 1 : 0)),
                      .raw = {},
                      .service = false};
  }

  net::Descriptor workload() const {
    auto socket = net::connect_to({.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = proxy_port_}, 2'000);
    ::fcntl(socket->get(), F_SETFL, 0);
    return *std::move(socket);
  }
  std::string exchange(std::string_view first, std::string_view then = {}) const {
    const net::Descriptor socket = workload();
    send_all(socket.get(), first);
    if (!then.empty()) send_all(socket.get(), then);
    ::shutdown(socket.get(), SHUT_WR);
    return read_all(socket.get());
  }
  static std::string connect_to(std::string_view authority) {
    return "CONNECT " + std::string(authority) + " HTTP/1.1\r\n\r\n";
  }
  std::string ask_dns(std::string_view name, std::uint16_t type) const {
    const net::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(dns_port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const Bytes query = encode_dns_query(77, name, type);
    ::sendto(socket.get(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
    pollfd readable{socket.get(), POLLIN, 0};
    if (::poll(&readable, 1, 3'000) != 1) return "silence";
    std::uint8_t bytes[4096];
    const ssize_t got = ::recv(socket.get(), bytes, sizeof bytes, 0);
    const auto answer = parse_dns_answer(ByteView(bytes, static_cast<std::size_t>(got)), 77, name, type);
    if (!answer) return answer.error().message();
    std::string out = std::to_string(answer->code);
    for (const auto& each : answer->addresses) out += " " + each.address.to_string();
    return out;
  }
  std::size_t asked(net::EgressKind kind) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count(asked_, static_cast<std::uint8_t>(kind), &net::EgressMessage::code));
  }
  std::set<std::string> audit() {
    const std::lock_guard lock(mutex_);
    return audit_;
  }
  EgressMetrics metrics() {
    EgressMetrics out;
    on_loop([&] { out = egress_->metrics(); });
    return out;
  }

  net::Loop loop_;
  std::string folder_;
  net::Descriptor listener_, proxy_, dns_;
  std::uint16_t proxy_port_ = 0;
  std::uint16_t dns_port_ = 0;
  std::unique_ptr<Outlet> outlet_;
  std::unique_ptr<Egress> egress_;
  std::unique_ptr<HttpsCall> call_;
  std::thread thread_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::vector<net::EgressMessage> asked_;
  std::set<std::string> audit_;
  Answerer answer_ = [](const net::EgressMessage& message) { return honest(message, "192.0.2.1"); };
  std::function<void(int)> serve_ = [this](int socket) {
    const std::string got = read_all(socket, milliseconds(1'000));
    {
      const std::lock_guard lock(mutex_);
      served_ = got;
    }
    send_all(socket, "answer to " + std::to_string(got.size()));
  };
  std::string served_;
};

TEST_F(EgressTest, CarriesTlsToTheNameThatWasAskedFor) {
  start({"api.example.org:443"});
  const std::string hello(as_text(client_hello("api.example.org")));
  const std::string got = exchange(connect_to("API.example.org:443"), hello + "more");
  EXPECT_EQ(got, "HTTP/1.1 200 Connection established\r\n\r\nanswer to " + std::to_string(hello.size() + 4));
  EXPECT_EQ(served_, hello + "more");
  const auto target = net::parse_target(asked_.back().body);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->name, "api.example.org");
  EXPECT_EQ(target->endpoint.to_string(), "192.0.2.1:443");
  EXPECT_EQ(metrics().opened, 1U);
}

TEST_F(EgressTest, EndsWhenTlsNamesAnotherServer) {
  start({"api.example.org:443"});
  for (const std::string& first : {std::string(as_text(client_hello("other.example.org"))),
                                   std::string("GET / HTTP/1.1\r\n\r\n"), std::string(as_text(client_hello("")))}) {
    const std::string got = exchange(connect_to("api.example.org:443"), first);
    EXPECT_THAT(got, HasSubstr("200 Connection established"));
    EXPECT_THAT(got, HasSubstr("<reset>"));
  }
  EXPECT_EQ(served_, "") << "not a byte came out";
  EXPECT_THAT(audit(), Contains("egress.server_name api.example.org:443"));
  EXPECT_THAT(audit(), Contains("egress.hello api.example.org:443"));
  EXPECT_EQ(metrics().refused, 3U);
}

// Not even a question leaves the enclave: the name itself may be what must not get out.
TEST_F(EgressTest, NothingLeavesForWhatIsNotListed) {
  start({"api.example.org:443"}, {"10.0.0.0/8:5432"});
  for (const char* wanted : {"secret.evil.test:443", "api.example.org:80", "192.0.2.1:443", "127.0.0.1:5432",
                             "169.254.169.254:80", "[::1]:443", "[::ffff:10.0.0.1]:5432", "10.0.0.1:22"}) {
    EXPECT_THAT(exchange(connect_to(wanted)), HasSubstr("403 Forbidden")) << wanted;
  }
  EXPECT_EQ(ask_dns("secret.evil.test", kDnsA), "3");
  EXPECT_EQ(ask_dns("secret.evil.test", 16), "3") << "whatever is asked about it";
  EXPECT_TRUE(asked_.empty());
  EXPECT_THAT(audit(), Contains("egress.refused secret.evil.test:443"));
  EXPECT_THAT(audit(), Contains("egress.name_unlisted secret.evil.test"));
  EXPECT_EQ(metrics().refused, 10U);
}

TEST_F(EgressTest, SpeaksSocks) {
  start({}, {"db.example.org:5432", "192.0.2.0/24:80"});
  const std::string name = "db.example.org";
  std::string request{"\x05\x01\x00\x05\x01\x00\x03", 7};
  request += static_cast<char>(name.size()) + name + std::string("\x15\x38", 2);
  const std::string got = exchange(request, "query");
  EXPECT_EQ(got, std::string("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12) + "answer to 5");
  const std::string by_address("\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x09\x00\x50", 13);
  EXPECT_THAT(exchange(by_address, "x"), HasSubstr("answer to 1"));
  const std::string elsewhere("\x05\x01\x00\x05\x01\x00\x01\xc6\x33\x64\x09\x00\x50", 13);
  EXPECT_EQ(exchange(elsewhere), std::string("\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", 12));
}

TEST_F(EgressTest, AHostThatLiesInDnsLeadsNowhereSpecial) {
  start({"api.example.org:443"}, {"db.example.org:5432"});
  for (const char* lie : {"127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1"}) {
    answer_ = [lie](const net::EgressMessage& message) { return honest(message, lie); };
    EXPECT_THAT(exchange(connect_to("db.example.org:5432")), HasSubstr("egress.address_special")) << lie;
  }
  answer_ = [](const net::EgressMessage& message) { return honest(message, "::ffff:127.0.0.1"); };
  EXPECT_EQ(ask_dns("api.example.org", kDnsAaaa), "2");
  EXPECT_EQ(asked(net::EgressKind::kConnect), 0U);
}

TEST_F(EgressTest, AHostThatSaysNothingCostsTimeAlone) {
  answer_ = [](const net::EgressMessage&) { return std::nullopt; };
  start({"api.example.org:443"});
  EXPECT_THAT(exchange(connect_to("api.example.org:443")), HasSubstr("504 Gateway Timeout"));
  EXPECT_THAT(audit(), Contains("egress.timeout api.example.org:443"));
}

TEST_F(EgressTest, AHostThatTalksNonsenseIsNotBelieved) {
  start({"api.example.org:443"}, {"192.0.2.1:80"});
  answer_ = [](const net::EgressMessage&) {
    return HostAnswer{.status = {}, .body = {}, .raw = {0, 0xff, 0xff}, .service = false};
  };
  EXPECT_THAT(exchange(connect_to("192.0.2.1:80")), HasSubstr("egress.link"));
  answer_ = [](const net::EgressMessage&) {
    return HostAnswer{.status = {}, .body = {}, .raw = {0}, .service = false};
  };
  EXPECT_THAT(exchange(connect_to("192.0.2.1:80")), HasSubstr("egress.host"));
  answer_ = [](const net::EgressMessage&) {
    return HostAnswer{.status = net::EgressStatus::kOk, .body = to_bytes("no DNS"), .raw = {}, .service = false};
  };
  EXPECT_THAT(exchange(connect_to("api.example.org:443")), HasSubstr("egress.dns"));
  EXPECT_EQ(ask_dns("api.example.org", kDnsA), "2");
}

TEST_F(EgressTest, WhatTheHostRefusesSaysSo) {
  start({}, {"192.0.2.1:80"});
  const std::map<net::EgressStatus, std::string> words{
      {net::EgressStatus::kRefused, "403"},    {net::EgressStatus::kUnreachable, "502"},
      {net::EgressStatus::kTimedOut, "504"},   {net::EgressStatus::kBusy, "503"},
      {net::EgressStatus::kNotOffered, "502"}, {static_cast<net::EgressStatus>(99), "502"}};
  for (const auto& [status, code] : words) {
    answer_ = [status = status](const net::EgressMessage&) {
      return HostAnswer{.status = status, .body = {}, .raw = {}, .service = false};
    };
    EXPECT_THAT(exchange(connect_to("192.0.2.1:80")), HasSubstr("HTTP/1.1 " + code));
  }
  for (const char* id : {"egress.host_refused", "egress.unreachable", "egress.timeout", "egress.busy", "egress.host"}) {
    EXPECT_THAT(audit(), Contains(std::string(id) + " 192.0.2.1:80"));
  }
}

TEST_F(EgressTest, ANameWithoutAnAddressLeadsNowhere) {
  start({"api.example.org:443"});
  for (const std::uint8_t code : {std::uint8_t{kDnsNoError}, std::uint8_t{kDnsNoSuchName}, std::uint8_t{5}}) {
    answer_ = [code](const net::EgressMessage& message) {
      return HostAnswer{.status = net::EgressStatus::kOk,
                        .body = encode_dns_answer(parse_dns_query(message.body).value(), code, {}),
                        .raw = {},
                        .service = false};
    };
    EXPECT_THAT(exchange(connect_to("api.example.org:443")), HasSubstr("egress.no_address"));
    on_loop([this] { egress_->resolver().forget(); });
  }
}

TEST_F(EgressTest, DnsAnswersBindNamesToTheirAddressesForATime) {
  start({"api.example.org:443", "*.example.net:443"});
  EXPECT_EQ(ask_dns("api.example.org", kDnsA), "0 192.0.2.1");
  EXPECT_EQ(ask_dns("api.example.org", kDnsAaaa), "0");
  EXPECT_EQ(ask_dns("a.example.net", kDnsA), "0 192.0.2.1");
  EXPECT_EQ(ask_dns("api.example.org", 16), "0") << "listed, and nothing but addresses is told of it";
  std::vector<std::string> names;
  on_loop([&] { names = egress_->resolver().names_of(*net::IpAddress::parse("192.0.2.1")); });
  EXPECT_EQ(names, (std::vector<std::string>{"a.example.net", "api.example.org"})) << "the last first";
  on_loop([&] { names = egress_->resolver().names_of(*net::IpAddress::parse("192.0.2.2")); });
  EXPECT_TRUE(names.empty());
  EXPECT_EQ(asked(net::EgressKind::kResolve), 3U);
  EXPECT_EQ(ask_dns("api.example.org", kDnsA), "0 192.0.2.1");
  EXPECT_EQ(asked(net::EgressKind::kResolve), 3U) << "known for a while";
}

TEST_F(EgressTest, TriesTheAddressesOfANameInTurn) {
  start({}, {"db.example.org:5432"});
  std::atomic<int> attempts = 0;
  answer_ = [&](const net::EgressMessage& message) -> std::optional<HostAnswer> {
    if (message.code == static_cast<std::uint8_t>(net::EgressKind::kResolve)) {
      const auto question = parse_dns_query(message.body).value();
      const std::array records{DnsAddress{*net::IpAddress::parse("192.0.2.1"), 60},
                               DnsAddress{*net::IpAddress::parse("192.0.2.2"), 60}};
      return HostAnswer{.status = {}, .body = encode_dns_answer(question, 0, records), .raw = {}, .service = false};
    }
    const bool first = attempts++ == 0;
    return HostAnswer{.status = first ? net::EgressStatus::kUnreachable : net::EgressStatus::kOk,
                      .body = {},
                      .raw = {},
                      .service = !first};
  };
  EXPECT_THAT(exchange(connect_to("db.example.org:5432"), "q"), HasSubstr("answer to 1"));
  EXPECT_EQ(attempts, 2);
}

TEST_F(EgressTest, CarriesMegabytesBothWaysAndEndsInOrder) {
  constexpr std::size_t kSize = 8UZ * 1024 * 1024;
  start({}, {"192.0.2.1:80"});
  serve_ = [](int socket) {
    const std::string got = read_all(socket);
    send_all(socket, got);
  };
  const net::Descriptor socket = workload();
  send_all(socket.get(), connect_to("192.0.2.1:80"));
  std::string sent(kSize, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31);
  std::thread sender([&] {
    send_all(socket.get(), sent);
    ::shutdown(socket.get(), SHUT_WR);
  });
  const std::string got = read_all(socket.get());
  sender.join();
  ASSERT_GT(got.size(), kSize);
  EXPECT_TRUE(got.substr(got.size() - kSize) == sent);
}

TEST_F(EgressTest, AWorkloadThatIsOverLeavesNothingBehind) {
  start({}, {"192.0.2.1:80"});
  const net::Descriptor one = workload();
  send_all(one.get(), connect_to("192.0.2.1:80"));
  const net::Descriptor two = workload();
  send_all(two.get(), "CONN");
  for (int i = 0; i < 100 && metrics().opened == 0; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(metrics().open, 2U);
  on_loop([this] { egress_->close(); });
  EXPECT_EQ(metrics().open, 0U);
  EXPECT_EQ(read_all(two.get()).find("<open>"), std::string::npos);
}

struct Service {
  Service()
      : root_key(crypto::PrivateKey::generate(crypto::KeyType::kP256).value()),
        key(crypto::PrivateKey::generate(crypto::KeyType::kP256).value()),
        root(issue("root", root_key, true)),
        certificate(issue("api.example.org", key, false)) {}
  crypto::Certificate issue(const std::string& name, const crypto::PrivateKey& subject, bool is_ca) const {
    const Time now = SystemClock().now();
    return crypto::issue_certificate({.subject_common_name = name,
                                      .issuer_common_name = "root",
                                      .subject_key = subject.public_key(),
                                      .validity = {now - std::chrono::hours(1), now + std::chrono::hours(1)},
                                      .is_ca = is_ca,
                                      .dns_names = {name}},
                                     root_key)
        .value();
  }
  // One connection: what came is answered with its size and an end in order, or without.
  void serve(int socket, std::string_view answer, bool in_order) const {
    ::fcntl(socket, F_SETFL, O_NONBLOCK);
    auto stream = channel::TlsStream::accept(channel::TlsContext::server(certificate, key).value(),
                                             net::Descriptor(::dup(socket)));
    const auto wait = [socket](channel::Progress progress) {
      pollfd one{socket, static_cast<short>(progress == channel::Progress::kWantWrite ? POLLOUT : POLLIN), 0};
      return ::poll(&one, 1, 3'000) == 1;
    };
    for (auto step = stream->handshake(); step && *step != channel::Progress::kDone; step = stream->handshake()) {
      if (!wait(*step)) return;
    }
    ByteArray<4096> chunk{};
    for (auto got = stream->read(chunk); got && got->bytes == 0; got = stream->read(chunk)) {
      if (got->progress == channel::Progress::kClosedInOrder || !wait(got->progress)) return;
    }
    for (ByteView rest = as_bytes(answer); !rest.empty();) {
      const auto sent = stream->write(rest);
      if (!sent) return;
      rest = rest.subspan(sent->bytes);
    }
    if (in_order) (void)stream->shut_down();
  }
  crypto::PrivateKey root_key, key;
  crypto::Certificate root, certificate;
};

TEST_F(EgressTest, TheRuntimesOwnTlsProvesTheName) {
  const Service service;
  const FixedClock clock;
  const std::array roots{service.root};
  start({"api.example.org:443", "other.example.org:443"}, {},
        channel::TlsContext::service_client(roots, clock).value());
  serve_ = [&](int socket) { service.serve(socket, "in the clear", true); };
  EXPECT_EQ(exchange(connect_to("api.example.org:443"), "question"),
            "HTTP/1.1 200 Connection established\r\n\r\nin the clear");
  EXPECT_THAT(exchange(connect_to("other.example.org:443"), "question"), HasSubstr("<reset>"))
      << "its certificate is another's";
  EXPECT_THAT(audit(), Contains("tls.handshake other.example.org:443"));
}

TEST_F(EgressTest, AStreamThatIsCutShortIsAbortedAndNotEnded) {
  const Service service;
  const FixedClock clock;
  const std::array roots{service.root};
  start({"api.example.org:443"}, {}, channel::TlsContext::service_client(roots, clock).value());
  serve_ = [&](int socket) { service.serve(socket, "a part", false); };
  const std::string got = exchange(connect_to("api.example.org:443"), "question");
  EXPECT_THAT(got, HasSubstr("<reset>"));
}

class HttpsCallTest : public EgressTest {
 protected:
  std::string call(const Service& service, const std::string& answer, bool in_order = true) {
    const std::array roots{service.root};
    serve_ = [&service, answer, in_order](int socket) { service.serve(socket, answer, in_order); };
    std::promise<std::string> result;
    on_loop([&] {
      egress_->resolver().trust("api.example.org");
      call_ = std::make_unique<HttpsCall>(
          loop_, *outlet_, egress_->resolver(), channel::TlsContext::service_client(roots, clock_).value(),
          HttpsCall::Service{.name = "api.example.org", .port = 443}, to_bytes("POST / HTTP/1.1\r\nHost: x\r\n\r\n"),
          [&](Result<HttpsAnswer> got) {
            result.set_value(got ? std::to_string(got->status) + " " + std::string(as_text(got->body))
                                 : std::string(got.error().id()));
          });
      call_->start();
    });
    return result.get_future().get();
  }
  FixedClock clock_;
};

TEST_F(HttpsCallTest, BringsAWholeAnswerOrNone) {
  start({});
  const Service service;
  EXPECT_EQ(call(service, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"), "200 body");
  EXPECT_EQ(call(service, "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"),
            "400 body");
  EXPECT_EQ(call(service, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody"), "egress.answer");
  EXPECT_EQ(call(service, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody", false), "tls.truncated");
  EXPECT_EQ(call(service, "HTTP/1.1 200 OK\r\n\r\nbody"), "egress.answer") << "without a length it could be cut short";
  EXPECT_EQ(call(service, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + std::string(70'000, 'x')),
            "egress.answer_size");
}

TEST_F(HttpsCallTest, BelievesNobodyElse) {
  start({});
  const Service service;
  const Service impostor;
  const std::array roots{service.root};
  serve_ = [&](int socket) { impostor.serve(socket, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true); };
  std::promise<std::string> result;
  on_loop([&] {
    egress_->resolver().trust("api.example.org");
    call_ = std::make_unique<HttpsCall>(
        loop_, *outlet_, egress_->resolver(), channel::TlsContext::service_client(roots, clock_).value(),
        HttpsCall::Service{.name = "api.example.org", .port = 443}, to_bytes("POST / HTTP/1.1\r\n\r\n"),
        [&](Result<HttpsAnswer> got) { result.set_value(got ? "answered" : std::string(got.error().id())); });
    call_->start();
  });
  EXPECT_EQ(result.get_future().get(), "tls.handshake");
}

}  // namespace
}  // namespace gateway::egress
