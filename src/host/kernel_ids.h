// Which kernel ids an enclave on platform local runs under, and the user namespace that says so.
//
// Three uids and gids: the enclave's own, the workload's, and one that nobody uses but that has to exist inside as 0.
// Root has ids of its own for every enclave; an ordinary user needs a range in /etc/subuid and /etc/subgid and the
// package uidmap. Without them the workload shares its enclave's uid, and the namespaces alone keep the two apart.
//
// Inside: 1000 is the enclave (the runtime), 100000 the workload, 0 nobody.
// Errors: kUnavailable host.ids.none, host.ids.namespace
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/descriptor.h"

namespace gateway::host {

inline constexpr std::uint32_t kInnerEnclaveId = 1000;
inline constexpr std::uint32_t kInnerWorkloadId = 100'000;

struct KernelIds {
  std::uint32_t enclave = 0;       // uid and gid to drop to; 0: those of this process, which is not root
  std::uint32_t workload_uid = 0;  // 0: the workload shares the enclave's
  std::uint32_t workload_gid = 0;
  std::uint32_t spare_uid = 0;
  std::uint32_t spare_gid = 0;
  bool separate() const { return workload_uid != 0; }
  friend bool operator==(const KernelIds&, const KernelIds&) = default;
};

// Of the enclave in the numbered slot of this host. kUnavailable host.ids.none says why there are none to spare.
Result<KernelIds> choose_kernel_ids(std::uint32_t slot);

// A new user namespace with these ids, owned by the enclave's. The caller is root, or the enclave's own user.
Result<net::Descriptor> make_user_namespace(const KernelIds& ids);

struct IdRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};
// The first range of a user (by name or number) in the text of /etc/subuid or /etc/subgid; count 0 when there is none.
IdRange find_range(std::string_view text, std::string_view user, std::string_view number);
// Where a root's enclaves find their ids: from 70000 on, or as high as the text of /proc/self/uid_map allows.
IdRange root_range(std::string_view uid_map);

// In a child between fork and exec: gives up root for `id`, for good. False when it could not.
bool drop_to(std::uint32_t id);

}  // namespace gateway::host
