// A Nitro enclave as its shim drives it, against a driver of the test's own at the ioctl boundary: it keeps AWS's rules
// (what is asked in which state, sizes, nodes) and, once started, an enclave that knocks from outside.
#include "host/nitro_machine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/nitro_enclaves.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <thread>

#include "host/test_folder.h"
#include "net/enclave_ports.h"

namespace gateway::host {
namespace {

constexpr std::uint64_t kCid = 18;
constexpr std::uint64_t kOffset = 8UZ * 1024 * 1024;
constexpr std::size_t kPage = 2UZ * 1024 * 1024;

// What the driver saw, and what it is to refuse.
struct Host {
  TestFolder folder;
  std::map<unsigned long, int> refuse;  // ioctl → errno
  int device_error = 0;
  std::vector<int> nodes{0};
  int right_node = 0;
  std::size_t huge_memory = 1024UZ * 1024 * 1024;
  bool peers_are_the_enclave = true;

  unsigned processors = 0;
  std::size_t memory_size = 0;
  Bytes at_offset;
  std::vector<int> mapped_from;
  std::size_t mapped_now = 0;
  bool started = false;
  net::Descriptor other_end;  // of the enclave's descriptor

  std::string socket(std::uint32_t port) const { return folder.file("port-" + std::to_string(port)); }
};

class FakeNitroDevice final : public NitroDevice {
 public:
  explicit FakeNitroDevice(Host& host) : host_(host) {}

  int open() override {
    errno = host_.device_error;
    return host_.device_error != 0 ? -1 : ::eventfd(0, EFD_CLOEXEC);
  }
  int control(int, unsigned long request, void* argument) override {
    if (const auto refused = host_.refuse.find(request); refused != host_.refuse.end()) return fails(refused->second);
    switch (request) {
      case NE_CREATE_VM: {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        host_.other_end = net::Descriptor(ends[1]);
        return ends[0];
      }
      case NE_ADD_VCPU:
        EXPECT_EQ(*static_cast<std::uint32_t*>(argument), 0U) << "the driver chooses";
        *static_cast<std::uint32_t*>(argument) = 2 + host_.processors++;
        return 0;
      case NE_GET_IMAGE_LOAD_INFO:
        EXPECT_EQ(static_cast<ne_image_load_info*>(argument)->flags, std::uint64_t{NE_EIF_IMAGE});
        static_cast<ne_image_load_info*>(argument)->memory_offset = kOffset;
        return 0;
      case NE_SET_USER_MEMORY_REGION: return take_memory(*static_cast<ne_user_memory_region*>(argument));
      case NE_START_ENCLAVE: {
        auto& info = *static_cast<ne_enclave_start_info*>(argument);
        EXPECT_EQ(info.flags, std::uint64_t{NE_ENCLAVE_PRODUCTION_MODE});
        if (host_.processors == 0) return fails(NE_ERR_NO_VCPUS_ADDED);
        if (host_.memory_size == 0) return fails(NE_ERR_NO_MEM_REGIONS_ADDED);
        info.enclave_cid = kCid;
        host_.started = true;
        return 0;
      }
      default: ADD_FAILURE() << "ioctl " << request; return fails(ENOTTY);
    }
  }
  void* map(std::size_t size, int node) override {
    errno = ENOMEM;
    if (size > host_.huge_memory) return nullptr;
    host_.mapped_from.push_back(node);
    ++host_.mapped_now;
    return ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  void unmap(void* memory, std::size_t size) override {
    --host_.mapped_now;
    ::munmap(memory, size);
  }
  std::vector<int> nodes() override { return host_.nodes; }
  net::Address enclave(std::uint64_t cid, std::uint32_t port) override {
    EXPECT_EQ(cid, kCid);
    return {.kind = net::Address::Kind::kUnix, .host = host_.socket(port)};
  }
  net::Address parent(std::uint32_t port) override {
    return {.kind = net::Address::Kind::kUnix, .host = host_.socket(port)};
  }
  bool is_peer(int, std::uint64_t cid) override { return cid == kCid && host_.peers_are_the_enclave; }

 private:
  static int fails(int error) {
    errno = error;
    return -1;
  }
  int take_memory(const ne_user_memory_region& region) {
    EXPECT_EQ(region.flags, std::uint64_t{NE_DEFAULT_MEMORY_REGION});
    if (region.memory_size % kPage != 0) return fails(NE_ERR_INVALID_MEM_REGION_SIZE);
    if (host_.nodes.size() > 1 && host_.mapped_from.back() != host_.right_node) {
      return fails(NE_ERR_MEM_DIFFERENT_NUMA_NODE);
    }
    host_.memory_size = region.memory_size;
    const auto* const image = reinterpret_cast<const std::uint8_t*>(region.userspace_addr) + kOffset;
    host_.at_offset.assign(image, image + 16);
    return 0;
  }
  Host& host_;
};

class NitroMachineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(host_.folder.file("image.eif")) << "sixteen bytes...";
    spec_.name = "one";
    spec_.platform = "nitro";
    spec_.image_file = host_.folder.file("image.eif");
    spec_.memory = 65UZ * 1024 * 1024;
    spec_.cpus = {2, 3};
  }
  Result<std::unique_ptr<Machine>> make() {
    return make_nitro_machine(spec_, std::make_unique<FakeNitroDevice>(host_), std::chrono::milliseconds(100),
                              heartbeat_time_);
  }
  std::string refusal() {
    const auto machine = make();
    return machine ? "made" : std::string(machine.error().id()) + " " + machine.error().detail();
  }
  net::Loop loop;  // outlives the machines on it
  Host host_;
  EnclaveSpec spec_;
  std::chrono::milliseconds heartbeat_time_{10'000};
};

TEST_F(NitroMachineTest, GivesTheDriverWhatAnEnclaveTakes) {
  {
    const auto machine = make();
    ASSERT_TRUE(machine) << machine.error().message();
    EXPECT_EQ(host_.processors, 2U);
    EXPECT_EQ(host_.memory_size, 66UZ * 1024 * 1024) << "whole huge pages";
    EXPECT_EQ(as_text(host_.at_offset), "sixteen bytes...");
    EXPECT_TRUE(host_.started);
    EXPECT_EQ(host_.mapped_now, 1U);
    EXPECT_EQ(host_.mapped_from, std::vector{-1}) << "one node needs no choice";
  }
  EXPECT_EQ(host_.mapped_now, 0U);
}

TEST_F(NitroMachineTest, FindsTheNodeOfTheProcessors) {
  host_.nodes = {0, 1, 2};
  host_.right_node = 1;
  const auto machine = make();
  ASSERT_TRUE(machine) << machine.error().message();
  EXPECT_EQ(host_.mapped_from, (std::vector{0, 1}));
  EXPECT_EQ(host_.mapped_now, 1U);
}

TEST_F(NitroMachineTest, SaysWhatIsMissing) {
  host_.device_error = ENOENT;
  EXPECT_TRUE(refusal().starts_with("host.nitro.device "));
  host_.device_error = EACCES;
  const auto denied = make();
  ASSERT_FALSE(denied);
  EXPECT_NE(denied.error().remedy().find("group ne"), std::string::npos);
  host_.device_error = 0;

  const auto with = [this](unsigned long request, int error) {
    host_.refuse = {{request, error}};
    const std::string said = refusal();
    host_.refuse.clear();
    return said;
  };
  EXPECT_EQ(with(NE_CREATE_VM, NE_ERR_NO_CPUS_AVAIL_IN_POOL),
            "host.nitro.start the driver makes no enclave: no processor is left in the enclaves' pool");
  EXPECT_EQ(with(NE_ADD_VCPU, NE_ERR_NO_CPUS_AVAIL_IN_POOL),
            "host.nitro.cpus no processor 1 of 2: no processor is left in the enclaves' pool");
  EXPECT_TRUE(with(NE_GET_IMAGE_LOAD_INFO, NE_ERR_INVALID_FLAG_VALUE).starts_with("host.nitro.image "));
  EXPECT_TRUE(with(NE_SET_USER_MEMORY_REGION, NE_ERR_MEM_NOT_HUGE_PAGE).starts_with("host.nitro.memory "));
  EXPECT_EQ(with(NE_START_ENCLAVE, NE_ERR_FULL_CORES_NOT_USED),
            "host.nitro.start the driver does not start the enclave: an enclave takes whole cores: give it all threads "
            "of each");
  EXPECT_EQ(host_.mapped_now, 0U) << "a start that fails leaves nothing behind";

  host_.huge_memory = 1024;
  EXPECT_TRUE(refusal().starts_with("host.nitro.memory no "));
  host_.huge_memory = 1UZ << 30U;
  host_.nodes = {0, 1};
  host_.right_node = 7;
  EXPECT_TRUE(refusal().starts_with("host.nitro.memory the driver does not take"));
  EXPECT_EQ(host_.mapped_now, 0U);
}

TEST_F(NitroMachineTest, RefusesLessThanFourTimesTheImage) {
  spec_.memory = 63;
  EXPECT_TRUE(refusal().starts_with("host.nitro.memory_small "));
  spec_.memory = 64;
  EXPECT_TRUE(refusal().starts_with("host.nitro.image ")) << "enough for the image, not for where it goes";
}

TEST_F(NitroMachineTest, WaitsForThePortOfTheHeartbeat) {
  net::Descriptor other = *net::listen_on({.kind = net::Address::Kind::kUnix, .host = host_.socket(9000)});
  EXPECT_TRUE(refusal().starts_with("host.nitro.heartbeat "));
  EXPECT_EQ(host_.mapped_now, 0U);
}

// The enclave's side of a boot, on a thread of its own.
class FakeEnclave {
 public:
  FakeEnclave(Host& host, std::uint8_t beat) {
    control_ = *net::listen_on({.kind = net::Address::Kind::kUnix, .host = host.socket(net::kControlPort)});
    ingress_ = *net::listen_on({.kind = net::Address::Kind::kUnix, .host = host.socket(net::kIngressPort)});
    thread_ = std::thread([this, &host, beat] {
      auto parent = net::connect_to({.kind = net::Address::Kind::kUnix, .host = host.socket(9000)}, 5000);
      if (!parent) return;
      ::fcntl(parent->get(), F_SETFL, 0);
      ::send(parent->get(), &beat, 1, MSG_NOSIGNAL);
      std::uint8_t echo = 0;
      echoed_ = ::recv(parent->get(), &echo, 1, 0) == 1 && echo == beat;
    });
  }
  ~FakeEnclave() { join(); }
  bool echoed() {
    join();
    return echoed_;
  }

 private:
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  net::Descriptor control_;
  net::Descriptor ingress_;
  std::thread thread_;
  bool echoed_ = false;
};

TEST_F(NitroMachineTest, HearsTheHeartAndOpensTheControlChannel) {
  const auto machine = make();
  ASSERT_TRUE(machine) << machine.error().message();
  net::Descriptor control;
  bool ended = false;
  (*machine)->start(loop, Machine::Events{.control =
                                              [&](net::Descriptor channel) {
                                                control = std::move(channel);
                                                loop.stop();
                                              },
                                          .output = [](std::string_view) {},
                                          .failed = [](const Error&) {},
                                          .ended =
                                              [&](int) {
                                                ended = true;
                                                loop.stop();
                                              }});
  EXPECT_EQ((*machine)->connect(Door::kIngress).error().id(), "host.enclave.starting");
  FakeEnclave enclave(host_, net::kHeartbeat);
  loop.run();
  EXPECT_TRUE(enclave.echoed());
  EXPECT_TRUE(control.valid());
  EXPECT_TRUE((*machine)->connect(Door::kIngress));
  EXPECT_FALSE(ended);

  host_.other_end.reset();  // the enclave ends by itself
  loop.run();
  EXPECT_TRUE(ended);
}

TEST_F(NitroMachineTest, SaysWhenNoHeartBeats) {
  heartbeat_time_ = std::chrono::milliseconds(50);
  const auto machine = make();
  ASSERT_TRUE(machine) << machine.error().message();
  std::string why;
  (*machine)->start(loop, Machine::Events{.control = [](net::Descriptor) {},
                                          .output = [](std::string_view) {},
                                          .failed =
                                              [&](const Error& error) {
                                                why = error.id();
                                                (*machine)->kill();
                                              },
                                          .ended = [&](int) { loop.stop(); }});
  loop.run();
  EXPECT_EQ(why, "host.nitro.silent");
}

TEST_F(NitroMachineTest, AnotherByteIsNoHeartbeat) {
  const auto machine = make();
  ASSERT_TRUE(machine) << machine.error().message();
  (*machine)->start(loop, Machine::Events{.control = [](net::Descriptor) { ADD_FAILURE(); },
                                          .output = [](std::string_view) {},
                                          .failed = [](const Error&) {},
                                          .ended = [&](int) { loop.stop(); }});
  FakeEnclave enclave(host_, 0x42);
  const auto stop = loop.timer([&] { loop.stop(); });
  stop->arm(std::chrono::milliseconds(300));
  loop.run();
  EXPECT_FALSE(enclave.echoed());
}

TEST_F(NitroMachineTest, AStrangersKnockIsNotAnswered) {
  host_.peers_are_the_enclave = false;
  const auto machine = make();
  ASSERT_TRUE(machine) << machine.error().message();
  (*machine)->start(loop, Machine::Events{.control = [](net::Descriptor) { ADD_FAILURE(); },
                                          .output = [](std::string_view) {},
                                          .failed = [](const Error&) {},
                                          .ended = [&](int) {}});
  FakeEnclave enclave(host_, net::kHeartbeat);
  const auto stop = loop.timer([&] { loop.stop(); });
  stop->arm(std::chrono::milliseconds(300));
  loop.run();
  EXPECT_FALSE(enclave.echoed());
}

TEST_F(NitroMachineTest, EndsWhenItIsKilled) {
  const auto machine = make();
  ASSERT_TRUE(machine) << machine.error().message();
  int ends = 0;
  (*machine)->start(loop, Machine::Events{.control = [](net::Descriptor) {},
                                          .output = [](std::string_view) {},
                                          .failed = [](const Error&) {},
                                          .ended =
                                              [&](int) {
                                                ++ends;
                                                loop.stop();
                                              }});
  (*machine)->kill();
  (*machine)->kill();
  loop.run();
  EXPECT_EQ(ends, 1);
  char byte = 0;
  EXPECT_EQ(::recv(host_.other_end.get(), &byte, 1, 0), 0) << "the driver still holds the enclave";
}

TEST(CpuList, IsReadAsTheKernelWritesIt) {
  EXPECT_EQ(parse_cpu_list("1-3,5"), (std::vector{1, 2, 3, 5}));
  EXPECT_EQ(parse_cpu_list("7"), std::vector{7});
  EXPECT_EQ(parse_cpu_list(""), std::vector<int>{});
  EXPECT_EQ(parse_cpu_list("\n"), std::vector<int>{});
  EXPECT_EQ(parse_cpu_list("2,x"), std::vector{2});
  EXPECT_EQ(parse_cpu_list("5-999999999"), std::vector<int>{});
}

}  // namespace
}  // namespace gateway::host
