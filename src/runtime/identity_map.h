// Which kernel ids the workload runs under, and the maps that say so.
//
// A second id where one can be had (an init that is root, or a sandbox with mapped sub-ids and the capabilities to use
// them); otherwise the enclave's own, and then namespaces and filter carry the isolation alone (docs/trust.md §3).
// Errors: kUnavailable workload.identity
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace gateway::runtime {

struct WorkloadIdentity {
  std::uint32_t uid = 0;  // as this process's user namespace names them
  std::uint32_t gid = 0;
  bool own = false;  // apart from the runtime's
};

// Reads this process's maps and capabilities.
WorkloadIdentity choose_workload_identity();
// The highest id below 4294967295 that `map` (the text of /proc/self/uid_map) has and that is neither `own` nor 0,
// preferring 100000; 0 when there is none.
std::uint32_t second_id(std::string_view map, std::uint32_t own);

// Writes /proc/PID/setgroups, gid_map and uid_map: inner ids → identity.
Status write_identity_maps(pid_t child, std::uint32_t inner_uid, std::uint32_t inner_gid,
                           const WorkloadIdentity& identity);

}  // namespace gateway::runtime
