// The two devices behind NsmClient: a socket to the shim's virtual NSM, and /dev/nsm.
#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <mutex>
#include <system_error>

#include "attester/nsm.h"
#include "attester/nsm_frames.h"
#include "net/descriptor.h"

namespace gateway::attester {
namespace {

constexpr int kAnswerTimeoutMs = 10'000;

std::string error_text(int error) { return std::generic_category().message(error); }

class SocketNsm final : public NsmDevice {
 public:
  explicit SocketNsm(int file_descriptor) : socket_(file_descriptor) {}

  Result<Bytes> transact(ByteView request) override {
    const std::lock_guard lock(mutex_);
    if (broken_) return unavailable("an earlier exchange with the virtual NSM failed");
    // Until the answer is in, the stream is in the middle of an exchange.
    broken_ = true;
    if (!write_frame(socket_.get(), request, kAnswerTimeoutMs))
      return unavailable("the virtual NSM does not take requests");
    auto answer = read_frame(socket_.get(), kNsmMaxResponse, kAnswerTimeoutMs);
    if (!answer && answer.error() == FrameFault::kTooLarge) {
      return fail(ErrorCode::kLimitExceeded, "nsm.response.size",
                  "expected at most " + std::to_string(kNsmMaxResponse) + " bytes from the virtual NSM");
    }
    if (!answer) return unavailable("the virtual NSM does not answer");
    broken_ = false;
    return std::move(*answer);
  }

 private:
  static std::unexpected<Error> unavailable(const char* why) {
    return fail(ErrorCode::kUnavailable, "nsm.device", why, "the shim is gone or stuck; restart the enclave");
  }
  const net::Descriptor socket_;
  std::mutex mutex_;
  bool broken_ = false;
};

// struct nsm_raw of the kernel's nsm driver.
struct NsmRaw {
  std::uint64_t request_address;
  std::uint64_t request_size;
  std::uint64_t response_address;
  std::uint64_t response_size;
};
constexpr unsigned long kNsmIoctl = _IOWR(0x0A, 0, NsmRaw);
static_assert(kNsmIoctl == 0xC0200A00);

class IoctlNsm final : public NsmDevice {
 public:
  explicit IoctlNsm(int file_descriptor) : device_(file_descriptor) {}

  Result<Bytes> transact(ByteView request) override {
    const std::lock_guard lock(mutex_);
    Bytes response(kNsmMaxResponse);
    NsmRaw raw{.request_address = reinterpret_cast<std::uintptr_t>(request.data()),
               .request_size = request.size(),
               .response_address = reinterpret_cast<std::uintptr_t>(response.data()),
               .response_size = response.size()};
    if (::ioctl(device_.get(), kNsmIoctl, &raw) != 0) {
      return fail(ErrorCode::kUnavailable, "nsm.device", "the NSM's ioctl failed: " + error_text(errno),
                  "check that the enclave's kernel has the nsm module");
    }
    if (raw.response_size > response.size()) {
      return fail(ErrorCode::kLimitExceeded, "nsm.response.size",
                  "expected at most " + std::to_string(kNsmMaxResponse) + " bytes from the NSM");
    }
    response.resize(static_cast<std::size_t>(raw.response_size));
    return response;
  }

 private:
  const net::Descriptor device_;
  std::mutex mutex_;
};

}  // namespace

std::unique_ptr<NsmDevice> make_socket_nsm(int owned_file_descriptor) {
  return std::make_unique<SocketNsm>(owned_file_descriptor);
}

Result<std::unique_ptr<NsmDevice>> open_nsm_device(const char* path) {
  const int file_descriptor = ::open(path, O_RDWR | O_CLOEXEC);
  if (file_descriptor < 0) {
    return fail(ErrorCode::kUnavailable, "nsm.device", std::string("cannot open ") + path + ": " + error_text(errno),
                "this needs a Nitro enclave whose kernel has the nsm module loaded");
  }
  return std::make_unique<IoctlNsm>(file_descriptor);
}

}  // namespace gateway::attester
