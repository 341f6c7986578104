#include "host/nitro_machine.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "host/heartbeat.h"
#include "image/file.h"
#include "net/enclave_ports.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kPage = 2UZ * 1024 * 1024;  // the driver takes memory in multiples of this
constexpr milliseconds kPortRetry{50};

struct DriverError {
  int number;
  const char* words;
};
constexpr std::array kDriverErrors{
    DriverError{NE_ERR_VCPU_ALREADY_USED, "the processor is in use"},
    DriverError{NE_ERR_VCPU_NOT_IN_CPU_POOL, "the processor is not in the enclaves' pool"},
    DriverError{NE_ERR_VCPU_INVALID_CPU_CORE, "the processor's core is out of range"},
    DriverError{NE_ERR_INVALID_MEM_REGION_SIZE, "the memory's size is no multiple of 2 MiB"},
    DriverError{NE_ERR_INVALID_MEM_REGION_ADDR, "the memory's address is invalid"},
    DriverError{NE_ERR_UNALIGNED_MEM_REGION_ADDR, "the memory's address is not aligned"},
    DriverError{NE_ERR_MEM_REGION_ALREADY_USED, "the memory is in use"},
    DriverError{NE_ERR_MEM_NOT_HUGE_PAGE, "the memory is not of huge pages"},
    DriverError{NE_ERR_MEM_DIFFERENT_NUMA_NODE, "the memory is not of the processors' NUMA node"},
    DriverError{NE_ERR_MEM_MAX_REGIONS, "the memory is in too many pieces"},
    DriverError{NE_ERR_NO_MEM_REGIONS_ADDED, "no memory was given"},
    DriverError{NE_ERR_NO_VCPUS_ADDED, "no processor was given"},
    DriverError{NE_ERR_ENCLAVE_MEM_MIN_SIZE, "the memory is less than the driver's minimum of 64 MiB"},
    DriverError{NE_ERR_FULL_CORES_NOT_USED, "an enclave takes whole cores: give it all threads of each"},
    DriverError{NE_ERR_NOT_IN_INIT_STATE, "the enclave is started already"},
    DriverError{NE_ERR_INVALID_VCPU, "there is no such processor"},
    DriverError{NE_ERR_NO_CPUS_AVAIL_IN_POOL, "no processor is left in the enclaves' pool"},
    DriverError{NE_ERR_INVALID_PAGE_SIZE, "the memory's pages are no multiple of 2 MiB"},
    DriverError{NE_ERR_INVALID_FLAG_VALUE, "the driver does not know a flag"},
    DriverError{NE_ERR_INVALID_ENCLAVE_CID, "the enclave's CID is invalid"},
};

std::string words_of(int error) {
  const auto* const found = std::ranges::find(kDriverErrors, error, &DriverError::number);
  return found != kDriverErrors.end() ? found->words : std::strerror(error);
}

std::unexpected<Error> refused(ErrorId id, const std::string& what, const char* remedy) {
  const int error = errno;
  return fail(ErrorCode::kUnavailable, id, what + ": " + words_of(error), remedy);
}

constexpr const char* kPoolRemedy =
    "give enclaves processors: set cpu_count in /etc/nitro_enclaves/allocator.yaml, then "
    "sudo systemctl restart nitro-enclaves-allocator.service; gateway doctor says what there is";
constexpr const char* kMemoryRemedy =
    "give enclaves memory: set memory_mib in /etc/nitro_enclaves/allocator.yaml, then "
    "sudo systemctl restart nitro-enclaves-allocator.service; gateway doctor says what there is";

// What an enclave is made of until it runs; undone when it never does.
class Enclosure {
 public:
  explicit Enclosure(std::unique_ptr<NitroDevice> device) : device_(std::move(device)) {}
  ~Enclosure() {
    enclave_.reset();
    if (memory_ != nullptr) device_->unmap(memory_, size_);
  }
  Enclosure(const Enclosure&) = delete;
  Enclosure& operator=(const Enclosure&) = delete;

  Status create() {
    GATEWAY_TRY(check_nitro(*device_));
    const net::Descriptor opened(device_->open());
    std::uint64_t slot = 0;
    enclave_ = net::Descriptor(device_->control(opened.get(), NE_CREATE_VM, &slot));
    if (enclave_.valid()) return {};
    return refused("host.nitro.start", "the driver makes no enclave", kPoolRemedy);
  }

  // Chosen by the driver from its pool, whole cores of one NUMA node.
  Status add_processors(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      std::uint32_t id = 0;
      if (device_->control(enclave_.get(), NE_ADD_VCPU, &id) != 0) {
        return refused("host.nitro.cpus", "no processor " + std::to_string(i + 1) + " of " + std::to_string(count),
                       kPoolRemedy);
      }
    }
    return {};
  }

  Status add_memory(std::uint64_t wanted, ByteView image) {
    if (wanted / kNitroMemoryFactor < image.size()) {
      return fail(ErrorCode::kInvalidArgument, "host.nitro.memory_small",
                  "an enclave's memory must be at least four times its image: " + std::to_string(wanted) +
                      " bytes for one of " + std::to_string(image.size()),
                  "raise resources.memory in the image's specification and build it again");
    }
    ne_image_load_info load{.flags = NE_EIF_IMAGE, .memory_offset = 0};
    if (device_->control(enclave_.get(), NE_GET_IMAGE_LOAD_INFO, &load) != 0) {
      return refused("host.nitro.image", "the driver does not say where an image goes", "update the driver");
    }
    size_ = static_cast<std::size_t>((wanted + kPage - 1) / kPage * kPage);
    if (load.memory_offset > size_ || image.size() > size_ - load.memory_offset) {
      return fail(
          ErrorCode::kUnavailable, "host.nitro.image",
          "the driver wants the image at byte " + std::to_string(load.memory_offset) + ", and there it does not fit",
          "raise resources.memory in the image's specification and build it again");
    }
    return place(image, static_cast<std::size_t>(load.memory_offset));
  }

  // The CID that the driver chose.
  Result<std::uint64_t> start() {
    ne_enclave_start_info info{.flags = NE_ENCLAVE_PRODUCTION_MODE, .enclave_cid = 0};
    if (device_->control(enclave_.get(), NE_START_ENCLAVE, &info) == 0) return info.enclave_cid;
    return refused("host.nitro.start", "the driver does not start the enclave", kPoolRemedy);
  }

  NitroDevice& device() { return *device_; }
  int descriptor() const { return enclave_.get(); }
  void end() { enclave_.reset(); }

 private:
  // The processors' node is the driver's to know: the first that it takes is right.
  Status place(ByteView image, std::size_t offset) {
    std::vector<int> nodes = device_->nodes();
    if (nodes.size() < 2) nodes = {-1};
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      memory_ = device_->map(size_, nodes[i]);
      if (memory_ == nullptr) {
        if (i + 1 < nodes.size()) continue;
        return refused("host.nitro.memory", "no " + std::to_string(size_) + " bytes of huge pages", kMemoryRemedy);
      }
      std::memcpy(static_cast<std::uint8_t*>(memory_) + offset, image.data(), image.size());
      ne_user_memory_region region{.flags = NE_DEFAULT_MEMORY_REGION,
                                   .memory_size = size_,
                                   .userspace_addr = reinterpret_cast<std::uintptr_t>(memory_)};
      if (device_->control(enclave_.get(), NE_SET_USER_MEMORY_REGION, &region) == 0) return {};
      const int error = errno;
      device_->unmap(std::exchange(memory_, nullptr), size_);
      errno = error;
      if (error != NE_ERR_MEM_DIFFERENT_NUMA_NODE || i + 1 == nodes.size()) break;
    }
    return refused("host.nitro.memory", "the driver does not take the enclave's memory", kMemoryRemedy);
  }

  std::unique_ptr<NitroDevice> device_;
  net::Descriptor enclave_;
  void* memory_ = nullptr;
  std::size_t size_ = 0;
};

// One start at a time has the port; it is free again once that enclave's heart beats.
Result<net::Descriptor> listen_for_heartbeat(NitroDevice& device, milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto listener = net::listen_on(device.parent(net::kHeartbeatPort), 8);
    if (listener) return listener;
    if (listener.error().id() != "net.address_in_use" || std::chrono::steady_clock::now() > deadline) {
      return fail(ErrorCode::kUnavailable, "host.nitro.heartbeat",
                  "no listener for the enclave's heartbeat: " + listener.error().detail(),
                  "another enclave may be starting: try again");
    }
    std::this_thread::sleep_for(kPortRetry);
  }
}

class NitroMachine final : public Machine {
 public:
  NitroMachine(std::unique_ptr<Enclosure> enclosure, net::Descriptor listener, std::uint64_t cid,
               milliseconds heartbeat_time)
      : enclosure_(std::move(enclosure)), listener_(std::move(listener)), cid_(cid), heartbeat_time_(heartbeat_time) {}

  void start(net::Loop& loop, Events events) override {
    loop_ = &loop;
    events_ = std::move(events);
    ended_ = loop.watch(enclosure_->descriptor(), [this](bool, bool, bool hung_up) {
      if (hung_up) on_ended();
    });
    ended_->want(true, false);
    knocks_ = loop.watch(listener_.get(), [this](bool, bool, bool) { on_knock(); });
    knocks_->want(true, false);
    // Other starts of this host wait for the port meanwhile.
    silence_ = loop.timer([this] {
      events_.failed(Error(ErrorCode::kUnavailable, "host.nitro.silent", "the enclave's heart did not beat in time",
                           "its kernel or its runtime did not come up: try the image with --platform qemu"));
    });
    silence_->arm(heartbeat_time_);
  }

  pid_t pid() const override { return 0; }  // no process of this host's

  Result<net::Descriptor> connect(Door door) override {
    if (!alive_) return fail(ErrorCode::kUnavailable, "host.enclave.starting", "the enclave has not booted yet");
    const std::uint32_t port = door == Door::kEgress ? net::kEgressPort : net::kIngressPort;
    return net::start_connect(enclosure_->device().enclave(cid_, port));
  }

  void kill() override {
    if (!loop_ || !ended_) return;
    ended_.reset();
    silence_->disarm();
    enclosure_->end();
    loop_->post([this] { events_.ended(0); });
  }

 private:
  void on_knock() {
    net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    // One start at a time has this port: whoever else knocks is no enclave of ours.
    if (!socket.valid() || !enclosure_->device().is_peer(socket.get(), cid_)) return;
    heartbeat_ = std::make_unique<Heartbeat>(*loop_, std::move(socket), [this](bool beats) { on_heartbeat(beats); });
  }

  void on_heartbeat(bool beats) {
    heartbeat_.reset();
    if (!beats) return;
    silence_->disarm();
    knocks_.reset();
    listener_.reset();
    alive_ = true;
    auto control = net::start_connect(enclosure_->device().enclave(cid_, net::kControlPort));
    if (control) events_.control(*std::move(control));
    else events_.failed(control.error());
  }

  void on_ended() {
    ended_.reset();
    silence_->disarm();
    events_.ended(0);
  }

  std::unique_ptr<Enclosure> enclosure_;
  net::Descriptor listener_;
  std::uint64_t cid_;
  milliseconds heartbeat_time_;
  net::Loop* loop_ = nullptr;
  Events events_;
  std::unique_ptr<net::Source> ended_;
  std::unique_ptr<net::Source> knocks_;
  std::unique_ptr<net::Timer> silence_;
  std::unique_ptr<Heartbeat> heartbeat_;
  bool alive_ = false;
};

}  // namespace

Status check_nitro(NitroDevice& device) {
  const net::Descriptor opened(device.open());
  if (opened.valid()) return {};
  const bool denied = errno == EACCES || errno == EPERM;
  return refused("host.nitro.device", std::string(kNitroDevice) + " cannot be opened",
                 denied ? "put gatewayd's user into the group ne, or run it as root"
                        : "use an EC2 instance that was launched with Nitro Enclaves enabled (not a .metal one), and "
                          "load the driver: sudo modprobe nitro_enclaves");
}

Result<std::unique_ptr<Machine>> make_nitro_machine(const EnclaveSpec& spec, std::unique_ptr<NitroDevice> device,
                                                    milliseconds patience, milliseconds heartbeat_time) {
  GATEWAY_ASSIGN(const image::MappedFile image, image::MappedFile::open(spec.image_file));
  auto enclosure = std::make_unique<Enclosure>(std::move(device));
  GATEWAY_TRY(enclosure->create());
  GATEWAY_TRY(enclosure->add_processors(std::max<std::size_t>(1, spec.cpus.size())));
  GATEWAY_TRY(enclosure->add_memory(spec.memory, image.view()));
  GATEWAY_ASSIGN(net::Descriptor listener, listen_for_heartbeat(enclosure->device(), patience));
  GATEWAY_ASSIGN(const std::uint64_t cid, enclosure->start());
  return std::make_unique<NitroMachine>(std::move(enclosure), std::move(listener), cid, heartbeat_time);
}

}  // namespace gateway::host
