#include "net/address.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gateway::net {
namespace {

std::string url(std::string_view text) {
  const auto address = Address::parse_url(text);
  return address ? address->to_string() : std::string(address.error().id());
}

TEST(Address, UrlsAreReadAndWritten) {
  for (const char* text : {"tcp://127.0.0.1:8443", "tcp://[::1]:8443", "tcp://example.org:1", "tcp://localhost:0",
                           "unix:///run/a.sock", "vsock://3:9000", "vsock://4294967295:4294967295", "fd:5", "fd:0"}) {
    EXPECT_EQ(url(text), text);
  }
}

TEST(Address, OddUrlsAreRefused) {
  for (const char* text : {"",
                           "tcp://",
                           "tcp://a",
                           "tcp://:1",
                           "tcp://a:",
                           "tcp://a:65536",
                           "tcp://a:-1",
                           "tcp://a:01",
                           "tcp://a:1/",
                           "tcp://a b:1",
                           "tcp://::1:80",
                           "tcp://[::1]",
                           "tcp://[a]:1",
                           "tcp://[]:1",
                           "tcp://a/b:1",
                           "unix://a",
                           "unix:///",
                           "unix:",
                           "vsock://3",
                           "vsock://a:1",
                           "vsock://4294967296:1",
                           "vsock://1:",
                           "fd:",
                           "fd:-1",
                           "fd:a",
                           "fd:2147483648",
                           "http://a:1",
                           "127.0.0.1:80"}) {
    EXPECT_EQ(url(text), "net.address") << text;
  }
  EXPECT_EQ(url(std::string_view("unix:///a\0b", 11)), "net.address");
  EXPECT_EQ(url("tcp://" + std::string(300, 'a') + ":1"), "net.address");
}

TEST(Address, HostAndPort) {
  EXPECT_EQ(Address::parse_host_port("[::1]:443")->host, "::1");
  EXPECT_EQ(Address::parse_host_port("host:443")->port, 443u);
  EXPECT_FALSE(Address::parse_host_port("host"));
}

void expect_bytes_pass(const Descriptor& listener, const Descriptor& caller) {
  const Descriptor accepted(::accept(listener.get(), nullptr, nullptr));
  ASSERT_TRUE(accepted.valid());
  EXPECT_EQ(::send(caller.get(), "x", 1, MSG_NOSIGNAL), 1);
  char c = 0;
  EXPECT_EQ(::recv(accepted.get(), &c, 1, 0), 1);
}

TEST(Sockets, TcpListensAndConnects) {
  const auto listener = listen_on(*Address::parse_url("tcp://127.0.0.1:0"));
  ASSERT_TRUE(listener);
  const auto port = local_port(listener->get());
  ASSERT_TRUE(port);
  const auto where = Address::parse_host_port("localhost:" + std::to_string(*port));
  const auto caller = connect_to(*where, 5000);
  ASSERT_TRUE(caller);
  EXPECT_NE(::fcntl(caller->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(caller->get(), F_GETFD) & FD_CLOEXEC, 0);
  expect_bytes_pass(*listener, *caller);
  const auto again = listen_on(*Address::parse_host_port("127.0.0.1:" + std::to_string(*port)));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().id(), "net.address_in_use");
}

TEST(Sockets, UnixListensOnceOnAPath) {
  char name[] = "/tmp/gateway-net-test-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  const auto address = Address::parse_url("unix://" + folder + "/socket");
  const auto listener = listen_on(*address);
  ASSERT_TRUE(listener);
  const auto caller = start_connect(*address);
  ASSERT_TRUE(caller);
  expect_bytes_pass(*listener, *caller);
  const auto again = listen_on(*address);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().id(), "net.address_in_use");
  EXPECT_FALSE(local_port(listener->get()));
  ::unlink((folder + "/socket").c_str());
  ::rmdir(folder.c_str());
}

TEST(Sockets, FailuresHaveTheirIds) {
  const auto nowhere = connect_to(*Address::parse_url("unix:///nonexistent/socket"), 1000);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().id(), "net.connect");
  const auto cannot = listen_on(*Address::parse_url("unix:///nonexistent/socket"));
  ASSERT_FALSE(cannot);
  EXPECT_EQ(cannot.error().id(), "net.listen");
  const auto unknown = connect_to(*Address::parse_url("tcp://name.invalid:1"), 1000);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().id(), "net.connect");
  const auto too_long = start_connect(*Address::parse_url("unix:///" + std::string(200, 'a')));
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().id(), "net.address");
}

TEST(Sockets, ARefusedConnectIsTold) {
  auto listener = listen_on(*Address::parse_url("tcp://127.0.0.1:0"));
  const auto where = Address::parse_host_port("127.0.0.1:" + std::to_string(*local_port(listener->get())));
  listener->reset();
  const auto refused = connect_to(*where, 5000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "net.connect");
}

TEST(Sockets, InheritedDescriptorsAreChecked) {
  auto listener = listen_on(*Address::parse_url("tcp://127.0.0.1:0"));
  const int number = listener->release();
  const Address address{.kind = Address::Kind::kDescriptor, .host = {}, .port = static_cast<std::uint32_t>(number)};
  EXPECT_FALSE(start_connect(address));
  const auto adopted = listen_on(address);
  ASSERT_TRUE(adopted);
  EXPECT_EQ(adopted->get(), number);
  const auto missing = listen_on({.kind = Address::Kind::kDescriptor, .host = {}, .port = 999});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().id(), "net.address");
}

TEST(Sockets, AnAbortIsNoOrderlyEnd) {
  const auto listener = listen_on(*Address::parse_url("tcp://127.0.0.1:0"));
  const auto caller =
      connect_to(*Address::parse_host_port("127.0.0.1:" + std::to_string(*local_port(listener->get()))), 5000);
  {
    const Descriptor accepted(::accept(listener->get(), nullptr, nullptr));
    set_abort_on_close(accepted.get());
  }
  char c = 0;
  EXPECT_EQ(::recv(caller->get(), &c, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

}  // namespace
}  // namespace gateway::net
