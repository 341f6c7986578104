// The sandbox of platform local: bubblewrap with namespaces of its own for everything, no capability, a read-only root,
// and the runtime as PID 1 with four inherited descriptors. Any step that fails is fatal.
//
// Started by root, the enclave first gets a kernel uid of its own: bwrap's --uid alone would leave kernel uid 0. Where
// ids for it are to be had, the workload can be given another: then the runtime keeps the three capabilities that this
// takes. Errors: kUnavailable host.sandbox.bwrap; kInternal host.sandbox.start
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/kernel_ids.h"
#include "host/machine.h"
#include "net/descriptor.h"

namespace gateway::host {

struct SandboxSpec {
  std::string bwrap;         // absolute path
  std::string tree;          // becomes the read-only root
  std::uint64_t memory = 0;  // bounds the temporary file systems
  std::vector<int> cpus;     // empty: all
  KernelIds ids;
  std::string cgroup;  // empty: none
  // Borrowed; become descriptors 3 to 6 of the enclave's PID 1.
  int control = -1;
  int nsm = -1;
  int ingress = -1;
  int egress = -1;
};

inline constexpr std::array kBwrapPlaces{"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};
Result<std::string> find_bwrap(std::span<const char* const> places = kBwrapPlaces);
// The argument list, apart so that tests can read it.
struct SandboxDescriptors {
  int info = -1;            // where bwrap tells the pid of its child
  int user_namespace = -1;  // with ids for the workload; -1: bwrap makes a plain one
};
std::vector<std::string> sandbox_arguments(const SandboxSpec& spec, const std::string& root,
                                           const SandboxDescriptors& descriptors);
// The child is bwrap, which ends with the enclave; the messages are what it and the runtime print on standard error.
Result<MachineProcess> start_sandbox(const SandboxSpec& spec);

}  // namespace gateway::host
