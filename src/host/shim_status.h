// What a shim says about its enclave, on the status socket and in exit.json.
//
// The status socket speaks JSON lines. Requests: {"op":"status"}; {"op":"watch"} (a status now and at each change,
// until the shim ends); {"op":"tokens","list":"base64"}; {"op":"stop","grace_ms":N}. Answers: a status, {"ok":true}, or
// {"ok":false,"id":…,"detail":…}. A daemon treats all of it as untrusted input: the shim has fewer rights.
// Errors: kMalformed host.status.syntax, host.status.key
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "host/reported.h"

namespace gateway::host {

enum class EnclaveState : std::uint8_t { kStarting, kReady, kStopping, kStopped, kFailed };
std::string_view to_string(EnclaveState state);
std::optional<EnclaveState> enclave_state_from(std::string_view name);

struct ShimStatus {
  EnclaveState state = EnclaveState::kStarting;
  std::int64_t pid = 0;                     // the shim
  std::int64_t enclave_pid = 0;             // PID 1 of the enclave, as the host sees it; 0: not running
  std::string listen;                       // HOST:PORT as bound
  std::array<std::string, 3> measurements;  // hex of PCR0–2, measured by the shim; empty until measured
  std::string config_digest;                // hex of SHA-384
  std::string root_sha256;                  // hex; empty where the platform has a vendor's root
  std::string root_pem;
  std::uint64_t memory_limit = 0;  // bytes enforced by a cgroup; 0: none
  std::string memory_note;         // why none
  std::uint32_t uid = 0;           // kernel uid of the enclave
  std::uint32_t workload_uid = 0;  // and of its workload; the same where there is none to spare
  std::uint64_t connections = 0;   // open now
  Time started_at{};
  Time ready_at{};                  // zero until ready
  std::optional<Reported> failure;  // with kFailed
};

std::string encode_status(const ShimStatus& status);
Result<ShimStatus> parse_status(std::string_view json);

inline constexpr std::size_t kMaxStatusLine = 16UZ * 1024;
inline constexpr std::size_t kMaxShimRequestLine = 2UZ * 1024 * 1024;

}  // namespace gateway::host
