// What the runtime tells the first process of a workload's sandbox, and what that process reports back.
//
// The two are the same binary with separate memory: the runtime clones into fresh namespaces and executes itself anew
// at once, so that no key of the runtime is ever in memory that shares a namespace with the workload.
// Channel: a SOCK_SEQPACKET pair, kSandboxSocket in the child; the specification lies in a sealed memfd, kSandboxSpec.
//   child  → parent  kWantsIdentity            the child runs its own image; its id maps may be written now
//   parent → child   kIdentityWritten
//   child  → parent  kDoor, which, with a descriptor of it: for each of SandboxSpec's ways
//   child  → parent  kStarted with a descriptor of the shared folder | kFailed, step, errno
//   child  → parent  kExited, wait status, when the workload's program ended
//   parent → child   kConnect, port            child → parent  kConnected with a descriptor | kRefused, errno
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace gateway::runtime {

inline constexpr int kSandboxSocket = 3;
inline constexpr int kSandboxSpec = 4;
inline constexpr const char* kSandboxArgument = "--workload-init";

struct SandboxSpec {
  std::string rootfs = "/rootfs";  // in the runtime's mount namespace
  std::vector<std::string> argv;
  std::map<std::string, std::string, std::less<>> env;
  std::string cwd = "/";
  std::uint32_t uid = 1000;  // inside the sandbox
  std::uint32_t gid = 1000;
  std::uint64_t scratch_bytes = 0;  // bound of /tmp and, apart, of /dev/shm
  bool egress = false;              // a proxy and a name server on its loopback
  bool transparent = false;         // its TCP is led to the runtime
  bool tun = false;                 // a network device
  bool kms = false;                 // the KMS endpoint on its loopback
};

// What the runtime answers on inside the sandbox's network namespace.
enum class SandboxDoor : std::uint32_t { kProxy = 1, kDns, kTransparent, kTun, kKms };
inline constexpr std::uint16_t kProxyPort = 3128;
inline constexpr std::uint16_t kTransparentPort = 3129;
inline constexpr std::uint16_t kDnsPort = 53;
inline constexpr std::uint16_t kKmsPort = 7010;

Bytes encode_sandbox_spec(const SandboxSpec& spec);
Result<SandboxSpec> parse_sandbox_spec(ByteView bytes);  // Errors: kMalformed workload.spec

enum class SandboxMessage : std::uint8_t {
  kWantsIdentity = 1,
  kIdentityWritten = 2,
  kStarted = 3,
  kFailed = 4,
  kExited = 5,
  kConnect = 6,
  kConnected = 7,
  kRefused = 8,
  kDoor = 9,
};

// The steps of isolation, each with an id of its own: whichever fails stops the start.
enum class SandboxStep : std::uint32_t {
  kIdentity = 1,
  kMounts,
  kRoot,
  kProc,
  kDevices,
  kScratch,
  kShared,
  kPivot,
  kHostname,
  kLoopback,
  kLimits,
  kGroups,
  kUser,
  kCapabilities,
  kPrivileges,
  kFilter,
  kDescriptors,
  kFork,
  kDirectory,
  kExec,
  kSpec,
  kDoors,
  kTransparent,
  kTun,
};
Error sandbox_error(SandboxStep step, int error_number);

// One datagram of the channel.
struct SandboxReport {
  SandboxMessage message{};
  std::uint32_t first = 0;   // step, wait status, port
  std::uint32_t second = 0;  // errno
};
inline constexpr std::size_t kSandboxReportSize = 9;
ByteArray<kSandboxReportSize> encode_report(const SandboxReport& report);
Result<SandboxReport> parse_report(ByteView bytes);  // Errors: kMalformed workload.report

}  // namespace gateway::runtime
