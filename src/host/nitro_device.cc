#include "host/nitro_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/vm_sockets.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <string>

namespace gateway::host {
namespace {

constexpr std::uint64_t kHugePage = 2UZ * 1024 * 1024;
constexpr int kMaxNode = 63;
constexpr int kMaxCpu = 8191;
constexpr const char* kNodes = "/sys/devices/system/node/online";
constexpr const char* kHugePages = "/sys/kernel/mm/hugepages/hugepages-2048kB/";

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::uint64_t number_in(const std::string& path) {
  const std::string line = first_line(path);
  std::uint64_t value = 0;
  std::from_chars(line.data(), line.data() + line.size(), value);
  return value;
}

class RealNitroDevice final : public NitroDevice {
 public:
  int open() override { return ::open(kNitroDevice, O_RDWR | O_CLOEXEC); }
  int control(int descriptor, unsigned long request, void* argument) override {
    return ::ioctl(descriptor, request, argument);
  }

  void* map(std::size_t size, int node) override {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE;
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, kFlags, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    const unsigned long mask = node < 0 ? 0 : 1UL << static_cast<unsigned>(node);
    const bool bound =
        node < 0 || ::syscall(SYS_mbind, memory, size, MPOL_BIND, &mask, 8 * sizeof mask, MPOL_MF_STRICT) == 0;
    // Populated by hand: a page that is not to be had is an error here, not a SIGBUS later.
    if (bound && ::madvise(memory, size, MADV_POPULATE_WRITE) == 0) return memory;
    const int error = errno;
    ::munmap(memory, size);
    errno = error;
    return nullptr;
  }
  void unmap(void* memory, std::size_t size) override { ::munmap(memory, size); }
  std::vector<int> nodes() override {
    std::vector<int> nodes = parse_cpu_list(first_line(kNodes));
    std::erase_if(nodes, [](int node) { return node > kMaxNode; });
    return nodes;
  }

  net::Address enclave(std::uint64_t cid, std::uint32_t port) override {
    return {.kind = net::Address::Kind::kVsock, .host = {}, .cid = static_cast<std::uint32_t>(cid), .port = port};
  }
  net::Address parent(std::uint32_t port) override {
    return {.kind = net::Address::Kind::kVsock, .host = {}, .cid = VMADDR_CID_ANY, .port = port};
  }
  bool is_peer(int socket, std::uint64_t cid) override {
    sockaddr_vm peer{};
    socklen_t size = sizeof peer;
    return ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.svm_family == AF_VSOCK &&
           peer.svm_cid == cid;
  }
};

}  // namespace

std::unique_ptr<NitroDevice> make_nitro_device() { return std::make_unique<RealNitroDevice>(); }

std::vector<int> parse_cpu_list(std::string_view text) {
  std::vector<int> out;
  while (!text.empty()) {
    const auto number = [&text](int& value) {
      const char* const start = text.data();
      const auto [end, error] = std::from_chars(start, start + text.size(), value);
      if (error != std::errc() || value < 0 || value > kMaxCpu) return false;
      text.remove_prefix(static_cast<std::size_t>(end - start));
      return true;
    };
    int first = 0;
    if (!number(first)) break;
    int last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      if (!number(last)) break;
    }
    for (int cpu = first; cpu <= last; ++cpu) out.push_back(cpu);
    if (!text.starts_with(',')) break;
    text.remove_prefix(1);
  }
  return out;
}

HugePages read_huge_pages() {
  const std::string folder = kHugePages;
  return {.total = number_in(folder + "nr_hugepages") * kHugePage,
          .free = number_in(folder + "free_hugepages") * kHugePage};
}

}  // namespace gateway::host
