// The Nitro Secure Module's protocol, client side: CBOR requests and strict reading of every answer.
// The device is a seam of one method, so that /dev/nsm and the virtual NSM drive the same code.
//
// Input:  the device's answers are untrusted input (on local they come from the shim).
// Bounds: requests ≤ kNsmMaxRequest, answers ≤ kNsmMaxResponse.
// Spec:   AWS's NSM API: ioctl 0xC0200A00, requests ≤ 0x1000 bytes, answers ≤ 0x3000 bytes.
// Errors: kMalformed nsm.response.{structure,operation,value}; kUnavailable nsm.device; kLimitExceeded
//         nsm.request.size, nsm.response.size; kInvalidArgument nsm.error.{invalid_argument,invalid_index,
//         read_only_index,…} (the device's own refusals); kInternal nsm.error.internal
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "attester/attester.h"
#include "base/clock.h"

namespace gateway::attester {

inline constexpr std::size_t kNsmMaxRequest = 0x1000;
inline constexpr std::size_t kNsmMaxResponse = 0x3000;

class NsmDevice {
 public:
  virtual ~NsmDevice() = default;
  // One request, one answer. Blocking; a device may be used from several threads, which then wait for each other.
  virtual Result<Bytes> transact(ByteView request) = 0;
};

// u32be length ‖ CBOR, both ways, on an inherited socket: the virtual NSM of local. Takes the descriptor. After a
// failure in the middle of a message (the peer gone, ten seconds without a byte) it stays unavailable: requests and
// answers might no longer match.
std::unique_ptr<NsmDevice> make_socket_nsm(int owned_file_descriptor);
// /dev/nsm by ioctl.
Result<std::unique_ptr<NsmDevice>> open_nsm_device(const char* path = "/dev/nsm");

struct NsmDescription {
  std::string module_id;
  unsigned max_pcrs = 0;
  std::set<unsigned> locked_pcrs;
  std::string digest;  // always "SHA384": other banks are refused
};
struct PcrState {
  bool locked = false;
  Bytes value;  // 48 bytes
};

class NsmClient final : public Attester {
 public:
  NsmClient(std::unique_ptr<NsmDevice> device, attestation::Platform platform)
      : device_(std::move(device)), platform_(platform) {}
  attestation::Platform platform() const override { return platform_; }
  Result<Bytes> attest(ByteView report_data, std::optional<ByteView> nonce) override;
  Result<Bytes> attest_key(ByteView report_data, ByteView spki) override;
  Status extend_register(unsigned index, ByteView data) override;
  Status lock_registers(unsigned count) override;
  Result<Bytes> random() override;
  // The timestamp of a fresh document of its own, authenticated: AWS's chain on nitro, the virtual NSM's on local.
  Result<Time> trusted_time() override;
  Result<NsmDescription> describe();
  Result<PcrState> describe_pcr(unsigned index);

 private:
  std::unique_ptr<NsmDevice> device_;
  attestation::Platform platform_;
};

}  // namespace gateway::attester
