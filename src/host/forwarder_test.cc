#include "host/forwarder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <future>
#include <thread>

#include "crypto/random.h"
#include "host/unix_socket.h"
#include "net/address.h"
#include "net/proxy_protocol.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;

constexpr int kPatience = 10'000;

// A forwarder in a thread of its own, between a TCP port and a Unix socket that the test accepts on.
class ForwarderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_path_ = std::filesystem::temp_directory_path() / ("forwarder-" + to_hex(crypto::random_bytes(6)));
    std::filesystem::create_directory(folder_path_);
    folder_ = *open_folder(folder_path_);
  }
  void start(int backlog = 128, ForwarderLimits limits = {}) {
    enclave_ = *listen_in_folder(folder_.get(), "ingress", 0600, backlog);
    ASSERT_EQ(::fcntl(enclave_.get(), F_SETFL, 0), 0);
    auto listener = net::listen_on(*net::Address::parse_host_port("127.0.0.1:0"));
    ASSERT_TRUE(listener.has_value());
    port_ = *net::local_port(listener->get());
    forwarder_ = std::make_unique<Forwarder>(
        loop_, *std::move(listener), [this] { return connect_in_folder(folder_.get(), "ingress"); }, limits);
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
    forwarder_.reset();
    std::filesystem::remove_all(folder_path_);
  }
  net::Descriptor connect() {
    net::Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return client;
  }
  net::Descriptor accept() {
    pollfd one{enclave_.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&one, 1, kPatience), 1);
    return net::Descriptor(::accept4(enclave_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  // Counted on the loop's own thread.
  std::size_t connections() {
    std::promise<std::size_t> count;
    loop_.post([&] { count.set_value(forwarder_->connections()); });
    return count.get_future().get();
  }
  bool all_gone() {
    for (int i = 0; i < 500 && connections() > 0; ++i) std::this_thread::sleep_for(milliseconds(10));
    return connections() == 0;
  }

  std::string folder_path_;
  net::Descriptor folder_;
  net::Descriptor enclave_;
  std::uint16_t port_ = 0;
  net::Loop loop_;
  std::unique_ptr<Forwarder> forwarder_;
  std::thread thread_;
};

void send_all(int to, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0);
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

// Everything until the end, or nullopt when it ended by a reset.
std::optional<Bytes> read_to_end(int from) {
  Bytes all;
  std::array<std::uint8_t, 65536> buffer{};
  for (;;) {
    pollfd one{from, POLLIN, 0};
    if (::poll(&one, 1, kPatience) != 1) return std::nullopt;
    const ssize_t got = ::recv(from, buffer.data(), buffer.size(), 0);
    if (got < 0) return std::nullopt;
    if (got == 0) return all;
    append(all, ByteView(buffer).first(static_cast<std::size_t>(got)));
  }
}

std::string read_some(int from) {
  pollfd one{from, POLLIN, 0};
  if (::poll(&one, 1, kPatience) != 1) return "nothing came";
  std::array<char, 4096> buffer{};
  const ssize_t got = ::recv(from, buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<std::size_t>(got > 0 ? got : 0)};
}

TEST_F(ForwarderTest, PassesSmallMessagesBothWays) {
  start();
  const auto client = connect();
  const auto server = accept();
  for (int i = 0; i < 100; ++i) {
    send_all(client.get(), as_bytes("question"));
    ASSERT_EQ(read_some(server.get()), "question");
    send_all(server.get(), as_bytes("answer"));
    ASSERT_EQ(read_some(client.get()), "answer");
  }
}

TEST_F(ForwarderTest, PassesManyBytesUnchangedBothWaysAtOnce) {
  start();
  const auto client = connect();
  const auto server = accept();
  const Bytes up = crypto::random_bytes(20'000'003);
  const Bytes down = crypto::random_bytes(17'000'001);
  std::thread client_writes([&] {
    send_all(client.get(), up);
    ::shutdown(client.get(), SHUT_WR);
  });
  std::thread server_writes([&] {
    send_all(server.get(), down);
    ::shutdown(server.get(), SHUT_WR);
  });
  std::optional<Bytes> at_server;
  std::thread server_reads([&] { at_server = read_to_end(server.get()); });
  const auto at_client = read_to_end(client.get());
  client_writes.join();
  server_writes.join();
  server_reads.join();
  EXPECT_TRUE(at_server && *at_server == up);
  EXPECT_TRUE(at_client && *at_client == down);
  EXPECT_TRUE(all_gone());
}

TEST_F(ForwarderTest, PassesAHalfCloseOnAndKeepsTheOtherWayOpen) {
  start();
  const auto client = connect();
  const auto server = accept();
  send_all(client.get(), as_bytes("last words"));
  ::shutdown(client.get(), SHUT_WR);
  const auto heard = read_to_end(server.get());
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(as_text(*heard), "last words");
  std::this_thread::sleep_for(milliseconds(50));
  send_all(server.get(), as_bytes("a late answer"));
  EXPECT_EQ(read_some(client.get()), "a late answer");
  EXPECT_EQ(connections(), 1U);
}

TEST_F(ForwarderTest, DeliversEverythingThatWasSentBeforeTheEnclaveClosed) {
  start();
  const auto client = connect();
  auto server = accept();
  const Bytes answer = crypto::random_bytes(3'000'000);
  std::thread writer([&] {
    send_all(server.get(), answer);
    server.reset();
  });
  std::this_thread::sleep_for(milliseconds(100));  // the client is slow to start reading
  const auto heard = read_to_end(client.get());
  writer.join();
  ASSERT_TRUE(heard.has_value());
  EXPECT_TRUE(*heard == answer);
}

TEST_F(ForwarderTest, PassesAResetByTheClientOnAsAnAbruptEnd) {
  start();
  auto client = connect();
  const auto server = accept();
  send_all(client.get(), as_bytes("x"));
  ASSERT_EQ(read_some(server.get()), "x");
  net::set_abort_on_close(client.get());
  client.reset();
  read_to_end(server.get());
  EXPECT_TRUE(all_gone());
  // Both ways are closed, not only the one that the client would have used.
  EXPECT_LT(::send(server.get(), "y", 1, MSG_NOSIGNAL), 0);
}

TEST_F(ForwarderTest, ResetsTheClientWhenTheEnclaveDropsUnreadBytes) {
  start();
  const auto client = connect();
  auto server = accept();
  send_all(client.get(), as_bytes("never read"));
  pollfd one{server.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&one, 1, kPatience), 1);
  server.reset();  // with bytes unread: the socket's other end is told ECONNRESET
  EXPECT_EQ(read_to_end(client.get()), std::nullopt);
  EXPECT_TRUE(all_gone());
}

TEST_F(ForwarderTest, ResetsTheClientWhenNoEnclaveListens) {
  start();
  enclave_.reset();
  ::unlinkat(folder_.get(), "ingress", 0);
  const auto client = connect();
  EXPECT_EQ(read_to_end(client.get()), std::nullopt);
}

TEST_F(ForwarderTest, HoldsUpNobodyElseForAReaderThatDoesNotRead) {
  start();
  const auto slow = connect();
  const auto to_slow = accept();
  std::thread flood([&] {
    const Bytes chunk(1'000'000, 'x');
    timeval patience{.tv_sec = 0, .tv_usec = 300'000};
    ::setsockopt(to_slow.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (::send(to_slow.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  std::this_thread::sleep_for(milliseconds(200));
  const auto client = connect();
  const auto server = accept();
  for (int i = 0; i < 50; ++i) {
    send_all(server.get(), as_bytes("quick"));
    ASSERT_EQ(read_some(client.get()), "quick");
  }
  flood.join();
}

TEST_F(ForwarderTest, CostsNothingWhileAHalfDeadConnectionWaits) {
  start();
  const auto client = connect();
  auto server = accept();
  const Bytes answer(400'000, 'x');
  send_all(server.get(), answer);
  server.reset();  // hung up, while the client does not read: readiness that lasts must not spin
  std::this_thread::sleep_for(milliseconds(50));
  clockid_t clock{};
  ASSERT_EQ(::pthread_getcpuclockid(thread_.native_handle(), &clock), 0);
  timespec before{};
  timespec after{};
  ::clock_gettime(clock, &before);
  std::this_thread::sleep_for(milliseconds(300));
  ::clock_gettime(clock, &after);
  const auto spent = (after.tv_sec - before.tv_sec) * 1'000'000'000L + (after.tv_nsec - before.tv_nsec);
  EXPECT_LT(spent, 30'000'000L);
  const auto heard = read_to_end(client.get());
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->size(), answer.size());
}

TEST_F(ForwarderTest, CarriesManyConnectionsAtOnce) {
  start(1024);
  constexpr int kMany = 1000;
  std::vector<net::Descriptor> clients;
  std::vector<net::Descriptor> servers;
  for (int i = 0; i < kMany; ++i) {
    clients.push_back(connect());
    servers.push_back(accept());
    const std::string number = std::to_string(i);
    send_all(clients.back().get(), as_bytes(number));
  }
  EXPECT_EQ(connections(), static_cast<std::size_t>(kMany));
  for (auto& server : servers) {
    const std::string number = read_some(server.get());
    send_all(server.get(), as_bytes("to " + number));
  }
  for (int i = 0; i < kMany; ++i) {
    EXPECT_EQ(read_some(clients[static_cast<std::size_t>(i)].get()), "to " + std::to_string(i));
  }
  clients.clear();
  servers.clear();
  EXPECT_TRUE(all_gone());
}

TEST_F(ForwarderTest, LetsClientsBeyondTheLimitWaitTheirTurn) {
  start(128, {.max_connections = 2});
  auto first = connect();
  const auto second = connect();
  const auto third = connect();
  const auto to_first = accept();
  const auto to_second = accept();
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(connections(), 2U);
  first.reset();
  read_to_end(to_first.get());
  ::shutdown(to_first.get(), SHUT_RDWR);
  const auto to_third = accept();
  send_all(third.get(), as_bytes("my turn"));
  EXPECT_EQ(read_some(to_third.get()), "my turn");
}

// Half a megabyte at a megabyte a second, with a small burst: about half a second, whoever else wants the same.
TEST_F(ForwarderTest, KeepsToItsBandwidthEachWayAndSharesItEvenly) {
  constexpr std::size_t kSize = 256UZ * 1024;
  start(128, {.in = {.per_second = 1 << 20, .burst = 64 << 10}, .out = {.per_second = 1 << 20, .burst = 64 << 10}});
  for (const bool inwards : {true, false}) {
    const auto begun = std::chrono::steady_clock::now();
    std::vector<net::Descriptor> clients;
    std::vector<net::Descriptor> servers;
    std::vector<std::thread> senders;
    std::vector<std::chrono::milliseconds> took(2);
    for (std::size_t i = 0; i < 2; ++i) {
      clients.push_back(connect());
      servers.push_back(accept());
    }
    for (std::size_t i = 0; i < 2; ++i) {
      const int from = (inwards ? clients : servers)[i].get();
      senders.emplace_back([from] {
        send_all(from, Bytes(kSize, 7));
        ::shutdown(from, SHUT_WR);
      });
    }
    std::vector<std::thread> readers;
    for (std::size_t i = 0; i < 2; ++i) {
      const int to = (inwards ? servers : clients)[i].get();
      readers.emplace_back([&, i, to] {
        EXPECT_EQ(read_to_end(to).value_or(Bytes{}).size(), kSize);
        took[i] = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
      });
    }
    for (std::thread& each : senders) each.join();
    for (std::thread& each : readers) each.join();
    // (512 - 64) KiB at 1 MiB a second. Upper bounds are a noisy machine's business.
    EXPECT_GE(std::max(took[0], took[1]).count(), 380);
    EXPECT_GE(std::min(took[0], took[1]).count(), 200) << "one of the two had it all to itself";
  }
}

TEST_F(ForwarderTest, ResetsASourceThatConnectsTooOften) {
  start(128, {.per_source = {.per_second = 1, .burst = 3}});
  std::vector<net::Descriptor> clients;
  int served = 0;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(connect());
    pollfd closed{clients.back().get(), POLLIN, 0};
    if (::poll(&closed, 1, 100) == 0) ++served;
  }
  EXPECT_GE(served, 3);
  EXPECT_LE(served, 5);
}

TEST_F(ForwarderTest, SaysWhoseConnectionItIs) {
  start(128, {.client_address = true});
  const auto client = connect();
  send_all(client.get(), as_bytes("hello"));
  const auto server = accept();
  std::string got = read_some(server.get());
  while (got.size() < 33) got += read_some(server.get());
  const auto header = net::parse_proxy_header(as_bytes(got));
  ASSERT_TRUE(header && *header);
  ASSERT_TRUE((*header)->from);
  EXPECT_EQ((*header)->from->address.to_string(), "127.0.0.1");
  EXPECT_EQ((*header)->from->port, *net::local_port(client.get()));
  EXPECT_EQ(got.substr((*header)->size), "hello");
}

TEST_F(ForwarderTest, TriesAgainWhenTheEnclavesBacklogIsFull) {
  start(0);
  std::vector<net::Descriptor> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(connect());
    send_all(clients.back().get(), as_bytes("here"));
  }
  std::this_thread::sleep_for(milliseconds(50));
  for (int i = 0; i < 20; ++i) {
    const auto server = accept();
    EXPECT_EQ(read_some(server.get()), "here");
  }
}

TEST_F(ForwarderTest, StopsAcceptingWhileOpenConnectionsGoOn) {
  start();
  const auto client = connect();
  const auto server = accept();
  std::promise<void> stopped;
  loop_.post([&] {
    forwarder_->stop_accepting();
    stopped.set_value();
  });
  stopped.get_future().wait();
  net::Descriptor late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(late.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  send_all(client.get(), as_bytes("still here"));
  EXPECT_EQ(read_some(server.get()), "still here");
}

}  // namespace
}  // namespace gateway::host
