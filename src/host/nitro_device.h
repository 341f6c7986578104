// AWS's driver for Nitro Enclaves, /dev/nitro_enclaves, as far as starting one takes: a seam of system calls, so that
// all above it runs against a device of a test's own. Where vsock is, the seam says too.
//
// Spec: Linux, include/uapi/linux/nitro_enclaves.h; Documentation/virt/ne_overview.rst.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "net/address.h"

namespace gateway::host {

class NitroDevice {
 public:
  virtual ~NitroDevice() = default;
  virtual int open() = 0;  // the device; -1 and errno
  // ioctl(2). NE_CREATE_VM returns the descriptor of an enclave, which ends with it.
  virtual int control(int descriptor, unsigned long request, void* argument) = 0;
  // Memory of huge pages, of this NUMA node alone (-1: of any); nullptr and errno.
  virtual void* map(std::size_t size, int node) = 0;
  virtual void unmap(void* memory, std::size_t size) = 0;
  virtual std::vector<int> nodes() = 0;
  virtual net::Address enclave(std::uint64_t cid, std::uint32_t port) = 0;  // a port of the enclave's
  virtual net::Address parent(std::uint32_t port) = 0;                      // a port of this side's, to listen on
  // Whether the other end of an accepted connection is that enclave.
  virtual bool is_peer(int socket, std::uint64_t cid) = 0;
};

std::unique_ptr<NitroDevice> make_nitro_device();

inline constexpr const char* kNitroDevice = "/dev/nitro_enclaves";
// The processors that the allocator set aside, in the kernel's list form ("1-3,5"); empty: none.
inline constexpr const char* kNitroCpuPool = "/sys/module/nitro_enclaves/parameters/ne_cpus";

// A list of processors as the kernel writes it ("0-3,8"); what is no list ends it.
std::vector<int> parse_cpu_list(std::string_view text);

// Huge pages of 2 MiB on this host.
struct HugePages {
  std::uint64_t total = 0;  // bytes
  std::uint64_t free = 0;
};
HugePages read_huge_pages();

}  // namespace gateway::host
