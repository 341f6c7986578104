// What a driver tells a shim about the one enclave that is its own, and where things lie in the enclave's folder.
//
// The daemon writes the specification as JSON (0600) into the folder; the shim reads it strictly. It holds no secret:
// the configuration names a public key, token lists hold hashes.
// Errors: kMalformed host.spec.syntax, host.spec.key; kInvalidArgument host.name
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "host/egress_config.h"
#include "host/kernel_ids.h"
#include "host/traffic.h"

namespace gateway::host {

struct EnclaveSpec {
  std::string name;
  std::string platform = "local";
  std::string image_file;    // the store's copy of the EIF
  std::string image_key;     // hex: what the shim must find the EIF's parts to hash to
  std::string tree;          // the unpacked ramdisks
  std::string listen;        // HOST:PORT that clients connect to; port 0 picks a free one
  std::string root_folder;   // local: the virtual NSM's root
  std::string qemu_folder;   // qemu: what tools/qemu-nitro built
  std::string cgroup;        // folder of the memory cgroup; empty: none
  std::string cgroup_note;   // why there is none
  std::uint64_t memory = 0;  // bytes, as the image declares
  std::vector<int> cpus;     // the processors that it may run on
  std::uint32_t slot = 0;    // tells this host's enclaves apart where they divide ids among them
  KernelIds ids;             // as the driver chose for the slot
  std::chrono::milliseconds start_timeout{120'000};
  std::size_t max_connections = 8192;
  Traffic traffic;
  EgressConfig egress;
};

std::string encode_spec(const EnclaveSpec& spec);
Result<EnclaveSpec> parse_spec(std::string_view json);

// [a-z0-9][a-z0-9._-]{0,62}: a name is also a folder and part of a module id.
Status check_name(std::string_view name);

// Names inside an enclave's folder.
inline constexpr const char* kSpecFile = "spec.json";
inline constexpr const char* kConfigFile = "config.toml";  // exact bytes of the deployment's configuration
inline constexpr const char* kTokensFile = "tokens.cbor";  // the newest signed token list that was handed over
inline constexpr const char* kLockFile = "lock";           // held by the living shim: the one proof of life
inline constexpr const char* kStatusSocket = "status.sock";
inline constexpr const char* kIngressSocket = "ingress.sock";
inline constexpr const char* kEgressSocket = "egress.sock";
inline constexpr const char* kEventsFile = "events.jsonl";
inline constexpr const char* kOlderEventsFile = "events.1.jsonl";
inline constexpr const char* kLogFile = "shim.log";
inline constexpr const char* kExitFile = "exit.json";  // the last status, written as the shim ends

}  // namespace gateway::host
