// Memory limits by control group, where this process may make one; elsewhere no limit is claimed.
//
// Version 2: for root beside the services' groups, for others within their own delegated one. Version 1: within the
// memory controller's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace gateway::host {

// Where groups of enclaves go on this host, found once.
struct CgroupParent {
  enum class Version : std::uint8_t { kV1, kV2 };
  Version version{};
  std::string folder;
};

// kUnavailable host.cgroup.none with the reason, in few words: "cgroup not writable".
Result<CgroupParent> find_cgroup_parent();
// The folder of a new group with this limit; swap is denied where the kernel lets us.
Result<std::string> make_cgroup(const CgroupParent& parent, const std::string& name, std::uint64_t memory);
void remove_cgroup(const CgroupParent& parent, const std::string& name);

// How often the kernel killed something in the group for want of memory; the folder may be read by anyone.
std::uint64_t out_of_memory_kills(const std::string& cgroup);
std::optional<std::uint64_t> memory_in_use(const std::string& cgroup);

}  // namespace gateway::host
