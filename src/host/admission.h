// Whether there is room for one more enclave on this host, and on which processors it runs. Pure arithmetic.
//
// Memory: what all running images declare, and the new one, must fit into the host's memory less a reserve, and the new
// one into what is available now. Processors: never more than the host has; the least used ones are taken.
// Errors: kUnavailable host.no_room, with the numbers
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace gateway::host {

struct HostCapacity {
  std::uint64_t memory_total = 0;      // bytes
  std::uint64_t memory_available = 0;  // bytes
  std::vector<int> cpus;               // that the daemon itself may use
  bool whole = false;                  // all of it is for enclaves: the host keeps back nothing
};
HostCapacity read_host_capacity();

struct Allocation {
  std::uint64_t memory = 0;
  std::vector<int> cpus;
};

struct ResourceWish {
  std::uint64_t memory = 0;
  std::uint32_t cpus = 1;
  unsigned enclaves_per_cpu = 1;
};

// The processors for the new enclave.
Result<std::vector<int>> admit(const HostCapacity& host, const std::vector<Allocation>& running,
                               const ResourceWish& wish);

// "512 MiB", "1.5 GiB": for people.
std::string human_bytes(std::uint64_t bytes);

}  // namespace gateway::host
