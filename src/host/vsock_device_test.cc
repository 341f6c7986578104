// The vsock device of an emulated enclave, from the guest's side: a QEMU of the test's own that speaks vhost-user, and
// rings in memory that both sides map.
#include "host/vsock_device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <future>
#include <thread>

namespace gateway::host {
namespace {

constexpr std::uint32_t kGuest = 4;
constexpr std::uint32_t kHost = 3;
constexpr std::uint16_t kQueueSize = 16;
constexpr std::size_t kMemory = 256UZ * 1024;
constexpr std::uint64_t kGuestBase = 0x4000'0000;
constexpr std::uint64_t kUserBase = 0x7000'0000'0000;
constexpr std::size_t kBufferSize = 3776;
constexpr std::size_t kMost = 8;  // connections
constexpr int kPatienceMs = 5'000;

enum Operation : std::uint16_t { kRequest = 1, kResponse, kReset, kShutdown, kData, kCreditUpdate, kCreditRequest };

struct Packet {
  std::uint32_t source_port = 0;
  std::uint32_t target_port = 0;
  std::uint16_t operation = 0;
  std::string data = {};
  std::uint32_t flags = 0;
  std::uint32_t credit = 64 * 1024;
  std::uint32_t forwarded = 0;
  std::uint64_t source_cid = kGuest;
  std::uint64_t target_cid = kHost;
  std::uint16_t type = 1;
  std::optional<std::uint32_t> size = {};  // said; the data's own when absent
};

// The driver and QEMU in one. Blocking, with patience.
class FakeGuest {
 public:
  explicit FakeGuest(net::Descriptor socket, bool seal = true) : socket_(std::move(socket)) {
    memory_file_ = net::Descriptor(::memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(memory_file_.get(), kMemory), 0);
    if (seal) {
      EXPECT_EQ(::fcntl(memory_file_.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
    }
    memory_ =
        static_cast<std::uint8_t*>(::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED, memory_file_.get(), 0));
  }
  ~FakeGuest() { ::munmap(memory_, kMemory); }

  void send_message(std::uint32_t request, const Bytes& payload, int descriptor = -1, std::uint32_t flags = 1) {
    Bytes header(12);
    std::memcpy(&header[0], &request, 4);
    std::memcpy(&header[4], &flags, 4);
    const auto size = static_cast<std::uint32_t>(payload.size());
    std::memcpy(&header[8], &size, 4);
    send_raw(header, payload, descriptor);
  }

  void send_raw(const Bytes& header, const Bytes& payload, int descriptor = -1) {
    Bytes whole = header;
    append(whole, payload);
    iovec part{whole.data(), whole.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* const rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    [[maybe_unused]] const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  }

  Bytes reply() {
    Bytes out(12);
    if (::recv(socket_.get(), out.data(), out.size(), MSG_WAITALL) != 12) return {};
    std::uint32_t size = 0;
    std::memcpy(&size, &out[8], 4);
    Bytes payload(size);
    if (size > 0) [[maybe_unused]]
      const ssize_t got = ::recv(socket_.get(), payload.data(), size, MSG_WAITALL);
    return payload;
  }

  bool closed_by_peer() {
    pollfd one{socket_.get(), POLLIN, 0};
    char byte = 0;
    return ::poll(&one, 1, kPatienceMs) == 1 && ::recv(socket_.get(), &byte, 1, 0) <= 0;
  }

  static Bytes numbers(std::initializer_list<std::uint64_t> values) {
    Bytes out;
    for (const std::uint64_t value : values) {
      for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    return out;
  }
  // Two 32-bit numbers, as most requests about a ring have them.
  static Bytes pair(std::uint64_t first, std::uint64_t second) { return numbers({first | (second << 32U)}); }

  void give_memory(std::uint64_t size = kMemory) {
    send_message(5, numbers({1, kGuestBase, size, kUserBase, 0}), memory_file_.get());
  }

  void set_up() {
    send_message(1, {});
    EXPECT_EQ(reply().size(), 8U);
    give_memory();
    for (std::uint64_t queue = 0; queue < 2; ++queue) {
      send_message(8, pair(queue, kQueueSize));
      send_message(10, pair(queue, 0));
      const std::uint64_t base = kUserBase + ring(queue);
      send_message(9, numbers({queue, base, base + 0x800, base + 0x400, 0}));
      calls_[queue] = net::Descriptor(::eventfd(0, EFD_CLOEXEC));
      kicks_[queue] = net::Descriptor(::eventfd(0, EFD_CLOEXEC));
      send_message(13, numbers({queue}), calls_[queue].get());
      send_message(12, numbers({queue}), kicks_[queue].get());
    }
    for (std::uint16_t i = 0; i < kQueueSize; ++i) offer_buffer(i);
    kick(0);
  }

  static std::size_t ring(std::uint64_t queue) { return static_cast<std::size_t>(queue) * 0x1000; }
  std::uint8_t* at(std::size_t offset) { return memory_ + offset; }

  void write_descriptor(std::uint64_t queue, std::uint16_t index, std::uint64_t address, std::uint32_t size,
                        std::uint16_t flags, std::uint16_t next = 0) {
    std::uint8_t* const to = at(ring(queue) + 16UZ * index);
    std::memcpy(to, &address, 8);
    std::memcpy(to + 8, &size, 4);
    std::memcpy(to + 12, &flags, 2);
    std::memcpy(to + 14, &next, 2);
  }
  void offer(std::uint64_t queue, std::uint16_t head) {
    std::uint16_t& index = available_[queue];
    std::memcpy(at(ring(queue) + 0x400 + 4 + 2UZ * (index % kQueueSize)), &head, 2);
    ++index;
    reinterpret_cast<std::atomic<std::uint16_t>*>(at(ring(queue) + 0x402))->store(index, std::memory_order_release);
  }
  void kick(std::uint64_t queue) { ::eventfd_write(kicks_[queue].get(), 1); }

  void send(const Packet& packet) {
    const std::size_t offset = 0x4000;
    Bytes header;
    const auto put = [&header](std::uint64_t value, unsigned size) {
      for (unsigned i = 0; i < size; ++i) header.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    };
    put(packet.source_cid, 8);
    put(packet.target_cid, 8);
    put(packet.source_port, 4);
    put(packet.target_port, 4);
    put(packet.size.value_or(static_cast<std::uint32_t>(packet.data.size())), 4);
    put(packet.type, 2);
    put(packet.operation, 2);
    put(packet.flags, 4);
    put(packet.credit, 4);
    put(packet.forwarded, 4);
    std::memcpy(at(offset), header.data(), header.size());
    std::memcpy(at(offset + 64), packet.data.data(), packet.data.size());
    write_descriptor(1, 0, kGuestBase + offset, static_cast<std::uint32_t>(header.size()), packet.data.empty() ? 0 : 1,
                     1);
    write_descriptor(1, 1, kGuestBase + offset + 64, static_cast<std::uint32_t>(packet.data.size()), 0);
    offer(1, 0);
    kick(1);
    EXPECT_TRUE(wait_used(1)) << "the packet was not taken";
  }

  // The next packet of the host's; operation 0 when none comes.
  Packet receive(int patience_ms = kPatienceMs) {
    const auto used = next_used(0, patience_ms);
    if (!used) return {};
    const auto [head, size] = *used;
    const std::uint8_t* const from = at(buffer(static_cast<std::uint16_t>(head)));
    const auto number = [from](std::size_t offset, std::size_t count) {
      std::uint64_t value = 0;
      for (std::size_t i = count; i-- > 0;) value = (value << 8U) | from[offset + i];
      return value;
    };
    Packet packet;
    packet.source_cid = number(0, 8);
    packet.target_cid = number(8, 8);
    packet.source_port = static_cast<std::uint32_t>(number(16, 4));
    packet.target_port = static_cast<std::uint32_t>(number(20, 4));
    packet.operation = static_cast<std::uint16_t>(number(30, 2));
    packet.flags = static_cast<std::uint32_t>(number(32, 4));
    packet.credit = static_cast<std::uint32_t>(number(36, 4));
    packet.forwarded = static_cast<std::uint32_t>(number(40, 4));
    packet.data.assign(reinterpret_cast<const char*>(from) + 44, size - 44);
    offer_buffer(static_cast<std::uint16_t>(head));
    kick(0);
    return packet;
  }

 private:
  static std::size_t buffer(std::uint16_t index) { return 0x8000 + 4096UZ * index; }
  void offer_buffer(std::uint16_t index) {
    write_descriptor(0, index, kGuestBase + buffer(index), kBufferSize, 2);
    offer(0, index);
  }
  std::uint16_t used_index(std::uint64_t queue) {
    return reinterpret_cast<std::atomic<std::uint16_t>*>(at(ring(queue) + 0x802))->load(std::memory_order_acquire);
  }
  std::optional<std::pair<std::uint32_t, std::uint32_t>> next_used(std::uint64_t queue, int patience_ms) {
    for (int i = 0; used_index(queue) == used_[queue]; ++i) {
      if (i == patience_ms) return std::nullopt;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::uint32_t head = 0;
    std::uint32_t size = 0;
    const std::uint8_t* const element = at(ring(queue) + 0x804 + 8UZ * (used_[queue] % kQueueSize));
    std::memcpy(&head, element, 4);
    std::memcpy(&size, element + 4, 4);
    ++used_[queue];
    return std::pair{head, size};
  }
  bool wait_used(std::uint64_t queue) { return next_used(queue, kPatienceMs).has_value(); }

  net::Descriptor socket_;
  net::Descriptor memory_file_;
  std::uint8_t* memory_ = nullptr;
  std::array<net::Descriptor, 2> kicks_;
  std::array<net::Descriptor, 2> calls_;
  std::array<std::uint16_t, 2> available_{};
  std::array<std::uint16_t, 2> used_{};
};

class VsockDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto [ours, theirs] = connection();
    device_ = std::make_unique<VsockDevice>(loop_, std::move(ours), kGuest, kHost,
                                            VsockDevice::Events{.closed =
                                                                    [this](std::string_view why) {
                                                                      why_ = why;
                                                                      closed_ = true;
                                                                    }},
                                            kMost);
    device_->accept(9000, [this](net::Descriptor socket) { accepted_.set_value(std::move(socket)); });
    thread_ = std::thread([this] { loop_.run(); });
    guest_ = std::make_unique<FakeGuest>(std::move(theirs));
  }
  static std::pair<net::Descriptor, net::Descriptor> connection() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    return {net::Descriptor(ends[0]), net::Descriptor(ends[1])};
  }
  void TearDown() override {
    guest_.reset();
    loop_.stop();
    thread_.join();
    device_.reset();
  }
  template <class Task>
  auto on_loop(Task task) {
    std::promise<decltype(task())> done;
    loop_.post([&] { done.set_value(task()); });
    return done.get_future().get();
  }
  net::Descriptor connect(std::uint32_t port) {
    auto socket = on_loop([&] { return device_->connect(port); });
    EXPECT_TRUE(socket);
    return socket ? *std::move(socket) : net::Descriptor();
  }
  // A connection of the guest's that is open.
  net::Descriptor open_from_guest(std::uint32_t port = 5000, std::uint32_t credit = 64 * 1024) {
    guest_->send({.source_port = port, .target_port = 9000, .operation = kRequest, .credit = credit});
    EXPECT_EQ(guest_->receive().operation, kResponse);
    auto taken = accepted_.get_future();
    return taken.get();
  }
  static std::string read_some(const net::Descriptor& socket, std::size_t size) {
    std::string out;
    std::array<char, 4096> chunk{};
    pollfd one{socket.get(), POLLIN, 0};
    while (out.size() < size && ::poll(&one, 1, kPatienceMs) == 1) {
      const ssize_t got = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
      if (got <= 0) break;
      out.append(chunk.data(), static_cast<std::size_t>(got));
    }
    return out;
  }
  static bool ended(const net::Descriptor& socket) {
    pollfd one{socket.get(), POLLIN, 0};
    char byte = 0;
    return ::poll(&one, 1, kPatienceMs) == 1 && ::recv(socket.get(), &byte, 1, 0) <= 0;
  }
  bool device_closed() {
    for (int i = 0; !closed_ && i < kPatienceMs; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return closed_;
  }

  net::Loop loop_;
  std::unique_ptr<VsockDevice> device_;
  std::promise<net::Descriptor> accepted_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> again_{false};
  std::string why_;
  std::thread thread_;
  std::unique_ptr<FakeGuest> guest_;
};

TEST_F(VsockDeviceTest, TellsTheGuestItsCid) {
  Bytes ask(12 + 8);
  ask[4] = 8;
  guest_->send_message(24, ask);
  const Bytes config = guest_->reply();
  ASSERT_EQ(config.size(), 20U);
  EXPECT_EQ(Bytes(config.begin() + 12, config.end()), FakeGuest::numbers({kGuest}));
}

TEST_F(VsockDeviceTest, CarriesAConnectionOfTheGuests) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest();
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kData, .data = "ping"});
  EXPECT_EQ(read_some(socket, 4), "ping");
  ASSERT_EQ(::send(socket.get(), "pong", 4, MSG_NOSIGNAL), 4);
  const Packet answer = guest_->receive();
  EXPECT_EQ(answer.operation, kData);
  EXPECT_EQ(answer.data, "pong");
  EXPECT_EQ(answer.source_cid, kHost);
  EXPECT_EQ(answer.target_cid, kGuest);
  EXPECT_EQ(answer.forwarded, 4U);
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kShutdown, .flags = 3});
  EXPECT_EQ(guest_->receive().operation, kReset);
  EXPECT_TRUE(ended(socket));
}

TEST_F(VsockDeviceTest, CarriesAConnectionOfTheHosts) {
  guest_->set_up();
  net::Descriptor socket = connect(7001);
  const Packet request = guest_->receive();
  EXPECT_EQ(request.operation, kRequest);
  EXPECT_EQ(request.target_port, 7001U);
  ASSERT_EQ(::send(socket.get(), "early", 5, MSG_NOSIGNAL), 5);
  EXPECT_EQ(guest_->receive(50).operation, 0) << "nothing goes before the guest has agreed";
  guest_->send({.source_port = 7001, .target_port = request.source_port, .operation = kResponse});
  EXPECT_EQ(guest_->receive().data, "early");
  socket.reset();
  const Packet end = guest_->receive();
  EXPECT_EQ(end.operation, kShutdown);
  EXPECT_EQ(end.flags, 3U);
  guest_->send({.source_port = 7001, .target_port = request.source_port, .operation = kReset});
  for (int i = 0; i < kPatienceMs && on_loop([&] { return device_->connections(); }) > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(on_loop([&] { return device_->connections(); }), 0U);
}

TEST_F(VsockDeviceTest, AHalfCloseGoesAcross) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest();
  ::shutdown(socket.get(), SHUT_WR);
  const Packet end = guest_->receive();
  EXPECT_EQ(end.operation, kShutdown);
  EXPECT_EQ(end.flags, 2U);
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kData, .data = "last"});
  EXPECT_EQ(read_some(socket, 4), "last");
}

TEST_F(VsockDeviceTest, ARefusalOfTheGuestsClosesTheSocket) {
  guest_->set_up();
  const net::Descriptor socket = connect(7001);
  const Packet request = guest_->receive();
  guest_->send({.source_port = 7001, .target_port = request.source_port, .operation = kReset});
  EXPECT_TRUE(ended(socket));
}

TEST_F(VsockDeviceTest, HasRoomForSoManyConnectionsAndNoMore) {
  guest_->set_up();
  std::vector<net::Descriptor> sockets;
  for (std::size_t i = 0; i < kMost; ++i) sockets.push_back(connect(7001));
  const auto another = on_loop([&] { return device_->connect(7001); });
  ASSERT_FALSE(another);
  EXPECT_EQ(another.error().id(), "host.vsock.connections");
  for (std::size_t i = 0; i < kMost; ++i) EXPECT_EQ(guest_->receive().operation, kRequest);
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kRequest});
  EXPECT_EQ(guest_->receive().operation, kReset);
}

TEST_F(VsockDeviceTest, NobodyListensElsewhere) {
  guest_->set_up();
  guest_->send({.source_port = 5000, .target_port = 9001, .operation = kRequest});
  EXPECT_EQ(guest_->receive().operation, kReset);
  guest_->send({.source_port = 5000, .target_port = 9001, .operation = kData, .data = "x"});
  EXPECT_EQ(guest_->receive().operation, kReset);
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kRequest, .type = 2});
  EXPECT_EQ(guest_->receive().operation, kReset) << "datagrams are not spoken";
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kRequest, .source_cid = 77});
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kRequest, .target_cid = 2});
  EXPECT_EQ(guest_->receive(50).operation, 0) << "whoever is neither is not answered";
}

TEST_F(VsockDeviceTest, SendsNoMoreThanTheGuestHasRoomFor) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest(5000, 5000);
  const std::string much(20'000, 'x');
  ASSERT_EQ(::send(socket.get(), much.data(), much.size(), MSG_NOSIGNAL), 20'000);
  std::size_t got = 0;
  while (got < 5000) {
    const Packet packet = guest_->receive();
    ASSERT_EQ(packet.operation, kData);
    got += packet.data.size();
  }
  EXPECT_EQ(got, 5000U);
  EXPECT_EQ(guest_->receive(50).operation, 0);
  guest_->send(
      {.source_port = 5000, .target_port = 9000, .operation = kCreditUpdate, .credit = 5000, .forwarded = 4000});
  while (got < 9000) {
    const Packet packet = guest_->receive();
    ASSERT_EQ(packet.operation, kData);
    got += packet.data.size();
  }
  EXPECT_EQ(got, 9000U);
}

TEST_F(VsockDeviceTest, TakesNoMoreThanItGaveCreditFor) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest();
  std::size_t sent = 0;
  bool reset = false;
  // Nobody reads the socket: what it does not take waits, up to the credit, and then the connection is over.
  for (int i = 0; i < 400 && !reset; ++i, sent += 4000) {
    guest_->send({.source_port = 5000, .target_port = 9000, .operation = kData, .data = std::string(4000, 'x')});
    for (Packet packet = guest_->receive(0); packet.operation != 0; packet = guest_->receive(0)) {
      reset = reset || packet.operation == kReset;
    }
  }
  EXPECT_TRUE(reset);
  EXPECT_GE(sent, std::size_t{VsockDevice::kCredit});
}

// One packet that names the same memory many times over: refused by what it says, before anything is copied.
TEST_F(VsockDeviceTest, APacketBeyondTheCreditIsNotCopied) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest();
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kData, .data = "x", .size = 0xffff'ffff});
  EXPECT_EQ(guest_->receive().operation, kReset);
  EXPECT_TRUE(ended(socket));
}

TEST_F(VsockDeviceTest, WhatWasSaidBeforeAResetIsStillHeard) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest();
  // More than the socket takes at once, and nobody reads yet.
  const std::string part(4000, 'x');
  std::size_t sent = 0;
  for (; sent + part.size() <= 240'000; sent += part.size()) {
    guest_->send({.source_port = 5000, .target_port = 9000, .operation = kData, .data = part});
  }
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kReset});
  EXPECT_EQ(read_some(socket, sent).size(), sent);
  EXPECT_TRUE(ended(socket));
}

TEST_F(VsockDeviceTest, AConnectionThatItsOwnerGaveUpIsForgotten) {
  guest_->set_up();
  net::Descriptor socket = connect(7001);
  EXPECT_EQ(guest_->receive().operation, kRequest);
  socket.reset();
  EXPECT_EQ(guest_->receive().operation, kReset);
  EXPECT_EQ(on_loop([&] { return device_->connections(); }), 0U);
}

TEST_F(VsockDeviceTest, APacketThatSaysMoreThanItHasEndsItsConnection) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest();
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kData, .data = "x", .size = 60'000});
  EXPECT_EQ(guest_->receive().operation, kReset);
  EXPECT_TRUE(ended(socket));
}

TEST_F(VsockDeviceTest, AnUnknownOperationEndsItsConnection) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest();
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = 99});
  EXPECT_EQ(guest_->receive().operation, kReset);
  EXPECT_TRUE(ended(socket));
}

TEST_F(VsockDeviceTest, AnswersAQuestionForCredit) {
  guest_->set_up();
  const net::Descriptor socket = open_from_guest();
  guest_->send({.source_port = 5000, .target_port = 9000, .operation = kCreditRequest});
  const Packet answer = guest_->receive();
  EXPECT_EQ(answer.operation, kCreditUpdate);
  EXPECT_EQ(answer.credit, std::uint32_t{VsockDevice::kCredit});
}

// What a guest can write into its rings: the device stops reading that ring, and nothing else happens.
struct BadRing {
  const char* name;
  void (*write)(FakeGuest&);
};
class VsockDeviceRing : public VsockDeviceTest, public ::testing::WithParamInterface<BadRing> {};

TEST_P(VsockDeviceRing, ThatIsBrokenIsReadNoFurther) {
  guest_->set_up();
  GetParam().write(*guest_);
  guest_->kick(1);
  EXPECT_EQ(guest_->receive(50).operation, 0);
  const net::Descriptor socket = connect(7001);
  EXPECT_EQ(guest_->receive().operation, kRequest) << "the other ring goes on";
}

INSTANTIATE_TEST_SUITE_P(All, VsockDeviceRing,
                         ::testing::Values(BadRing{"Loop",
                                                   [](FakeGuest& guest) {
                                                     guest.write_descriptor(1, 0, kGuestBase, 16, 1, 1);
                                                     guest.write_descriptor(1, 1, kGuestBase, 16, 1, 0);
                                                     guest.offer(1, 0);
                                                   }},
                                           BadRing{"MoreThanTheRingHolds",
                                                   [](FakeGuest& guest) {
                                                     guest.write_descriptor(1, 0, kGuestBase, 16, 0);
                                                     for (int i = 0; i < 3 * kQueueSize; ++i) guest.offer(1, 0);
                                                   }},
                                           BadRing{"HeadBeyondTheRing",
                                                   [](FakeGuest& guest) { guest.offer(1, kQueueSize); }},
                                           BadRing{"NextBeyondTheRing",
                                                   [](FakeGuest& guest) {
                                                     guest.write_descriptor(1, 0, kGuestBase, 16, 1, 60'000);
                                                     guest.offer(1, 0);
                                                   }},
                                           BadRing{"AddressOutsideTheMemory",
                                                   [](FakeGuest& guest) {
                                                     guest.write_descriptor(1, 0, kGuestBase + kMemory - 8, 16, 0);
                                                     guest.offer(1, 0);
                                                   }},
                                           BadRing{"AddressThatWraps",
                                                   [](FakeGuest& guest) {
                                                     guest.write_descriptor(1, 0, ~std::uint64_t{0} - 4, 16, 0);
                                                     guest.offer(1, 0);
                                                   }},
                                           BadRing{"IndirectDescriptor",
                                                   [](FakeGuest& guest) {
                                                     guest.write_descriptor(1, 0, kGuestBase, 16, 4);
                                                     guest.offer(1, 0);
                                                   }}),
                         [](const auto& each) { return std::string(each.param.name); });

// What QEMU's side can say: the back end ends.
struct BadMessage {
  const char* name;
  void (*send)(FakeGuest&);
};
class VhostUserMessage : public VsockDeviceTest, public ::testing::WithParamInterface<BadMessage> {};

TEST_P(VhostUserMessage, ThatMeansNothingEndsTheDevice) {
  GetParam().send(*guest_);
  EXPECT_TRUE(guest_->closed_by_peer());
  EXPECT_TRUE(device_closed());
}

TEST_F(VsockDeviceTest, MemoryThatCouldShrinkUnderItEndsTheDevice) {
  guest_.reset();
  auto [ours, theirs] = connection();
  on_loop([&, ours = std::move(ours)]() mutable {
    device_.reset();
    device_ = std::make_unique<VsockDevice>(loop_, std::move(ours), kGuest, kHost,
                                            VsockDevice::Events{.closed = [this](std::string_view) { again_ = true; }});
    return 0;
  });
  FakeGuest unsealed(std::move(theirs), false);
  unsealed.give_memory();
  EXPECT_TRUE(unsealed.closed_by_peer());
}

INSTANTIATE_TEST_SUITE_P(
    All, VhostUserMessage,
    ::testing::Values(
        BadMessage{"UnknownRequest", [](FakeGuest& guest) { guest.send_message(99, {}); }},
        BadMessage{"OtherVersion", [](FakeGuest& guest) { guest.send_message(1, {}, -1, 2); }},
        BadMessage{"TooLarge", [](FakeGuest& guest) { guest.send_message(2, Bytes(4096)); }},
        BadMessage{"PartOfAHeader", [](FakeGuest& guest) { guest.send_raw(Bytes(5), {}); }},
        BadMessage{"QueueThatIsNot", [](FakeGuest& guest) { guest.send_message(8, FakeGuest::pair(7, 8)); }},
        BadMessage{"QueueOfNoSize", [](FakeGuest& guest) { guest.send_message(8, FakeGuest::pair(0, 0)); }},
        BadMessage{"QueueThatIsHuge", [](FakeGuest& guest) { guest.send_message(8, FakeGuest::pair(0, 60'000)); }},
        BadMessage{"MemoryBeyondItsFile", [](FakeGuest& guest) { guest.give_memory(2 * kMemory); }},
        BadMessage{
            "MemoryWithoutAFile",
            [](FakeGuest& guest) { guest.send_message(5, FakeGuest::numbers({1, kGuestBase, 4096, kUserBase, 0})); }},
        BadMessage{"RingOutsideTheMemory",
                   [](FakeGuest& guest) {
                     guest.give_memory();
                     guest.send_message(8, FakeGuest::pair(0, 16));
                     guest.send_message(9, FakeGuest::numbers({0, 1, 2, 3, 0}));
                   }},
        BadMessage{"ALargerQueueThanItsRingsHaveRoomFor",
                   [](FakeGuest& guest) {
                     guest.give_memory();
                     guest.send_message(8, FakeGuest::pair(0, 1));
                     const std::uint64_t end = kUserBase + kMemory;
                     guest.send_message(9, FakeGuest::numbers({0, end - 16, end - 32, end - 48, 0}));
                     guest.send_message(8, FakeGuest::pair(0, 1024));
                   }},
        BadMessage{"QueueOfAnOddSize", [](FakeGuest& guest) { guest.send_message(8, FakeGuest::pair(0, 12)); }},
        BadMessage{"KickThatIsNoEvent",
                   [](FakeGuest& guest) {
                     const net::Descriptor file(::memfd_create("x", MFD_CLOEXEC));
                     guest.send_message(12, FakeGuest::numbers({0}), file.get());
                   }},
        BadMessage{"KickWithoutADescriptor", [](FakeGuest& guest) { guest.send_message(12, FakeGuest::numbers({0})); }},
        BadMessage{"ConfigLargerThanItsMessage",
                   [](FakeGuest& guest) {
                     Bytes ask(12);
                     ask[4] = 200;
                     guest.send_message(24, ask);
                   }}),
    [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace gateway::host
