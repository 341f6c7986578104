// What of a machine's first steps needs no machine; the rest runs under emulation (tests/qemu).
#include "runtime/machine.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "net/enclave_ports.h"
#include "runtime/test_tree.h"

namespace gateway::runtime {
namespace {

// A parent that answers the heartbeat in its own way.
class Parent {
 public:
  explicit Parent(std::function<void(int socket, std::uint8_t heard)> answer) {
    listener_ = *net::listen_on(address());
    thread_ = std::thread([this, answer = std::move(answer)] {
      int socket = -1;
      while ((socket = ::accept(listener_.get(), nullptr, nullptr)) < 0) ::usleep(1000);
      const net::Descriptor taken(socket);
      std::uint8_t heard = 0;
      if (::recv(socket, &heard, 1, 0) == 1) answer(socket, heard);
    });
  }
  ~Parent() { thread_.join(); }
  net::Address address() const { return {.kind = net::Address::Kind::kUnix, .host = tree_.path("parent.sock")}; }

 private:
  TestTree tree_;
  net::Descriptor listener_;
  std::thread thread_;
};

TEST(Machine, BeatsOnceItIsHeard) {
  std::uint8_t heard = 0;
  {
    const Parent parent([&](int socket, std::uint8_t byte) {
      heard = byte;
      ::send(socket, &byte, 1, MSG_NOSIGNAL);
    });
    EXPECT_TRUE(send_heartbeat(parent.address()));
  }
  EXPECT_EQ(heard, 0xB7);
}

TEST(Machine, RefusesAParentThatDoesNotEchoTheHeartbeat) {
  const Parent other([](int socket, std::uint8_t) { ::send(socket, "x", 1, MSG_NOSIGNAL); });
  const Status wrong = send_heartbeat(other.address());
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().id(), "runtime.machine.heartbeat");
  const Parent closing([](int, std::uint8_t) {});
  EXPECT_FALSE(send_heartbeat(closing.address()));
  const Parent silent([](int, std::uint8_t) { ::usleep(300'000); });
  EXPECT_FALSE(send_heartbeat(silent.address(), 50));
  EXPECT_FALSE(send_heartbeat({.kind = net::Address::Kind::kUnix, .host = "/nonexistent/parent"}));
}

TEST(Machine, TakesItsControlChannelFromTheParentAlone) {
  const TestTree tree;
  const net::Address address{.kind = net::Address::Kind::kUnix, .host = tree.path("control.sock")};
  const net::Descriptor listener = *net::listen_on(address);
  const net::Descriptor stranger = *net::connect_to(address, 1000);
  const auto taken = accept_from(listener.get(), net::kParentCid, 100);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().id(), "runtime.machine.control");
  char byte = 0;
  EXPECT_EQ(::recv(stranger.get(), &byte, 1, 0), 0) << "the stranger is still connected";
}

TEST(Machine, LoadsModulesInTheOrderOfTheirNumbers) {
  const TestTree tree;
  const std::string folder = tree.path("gateway");
  for (const char* name : {"10-nsm.ko", "02-vsock.ko", "00-virtio_mmio.ko", "notes.txt"}) {
    tree.write("gateway/" + std::string(name), "x");
  }
  const auto files = module_files(folder);
  ASSERT_TRUE(files);
  EXPECT_EQ(*files, (std::vector{folder + "/00-virtio_mmio.ko", folder + "/02-vsock.ko", folder + "/10-nsm.ko"}));
  const auto missing = module_files(folder + "/none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().id(), "runtime.machine.modules");
}

}  // namespace
}  // namespace gateway::runtime
