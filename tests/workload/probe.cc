#include "probe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

namespace {

constexpr int kVsockFamily = 40;

// Runs one attempt in a child, since a filter may kill it. No attempt leaves anything changed where it is allowed.
// The attempt returns 0 when it succeeded, else errno.
std::string attempt(int (*probe)()) {
  const pid_t child = ::fork();
  if (child < 0) return "no fork";
  if (child == 0) std::_Exit(probe() & 0xff);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return "killed " + std::string(::sigabbrev_np(WTERMSIG(status)));
  const int code = WEXITSTATUS(status);
  if (code == 0) return "allowed";
  const char* name = ::strerrorname_np(code);
  return name != nullptr ? name : std::to_string(code);
}

int from_result(long result) { return result >= 0 ? 0 : errno; }
int open_socket(int family, int type) { return from_result(::socket(family, type | SOCK_CLOEXEC, 0)); }

int vsock() { return open_socket(kVsockFamily, SOCK_STREAM); }
int netlink() { return open_socket(AF_NETLINK, SOCK_RAW); }
int packet() { return open_socket(AF_PACKET, SOCK_RAW); }
int crypto_api() { return open_socket(AF_ALG, SOCK_SEQPACKET); }
int raw_inet() { return from_result(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)); }

int vsock_32_bit() {
#if defined(__x86_64__)
  // socket() is number 359 of the 32-bit table; a filter for 64-bit calls alone does not see it.
  long result = 0;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(359), "b"(kVsockFamily), "c"(SOCK_STREAM), "d"(0) : "memory");
  return result >= 0 ? 0 : static_cast<int>(-result);
#else
  return ENOSYS;
#endif
}

int connect_outside() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return errno;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(80);
  address.sin_addr.s_addr = htonl(0xc0000201);  // 192.0.2.1, reserved for documentation (RFC 5737)
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  return 0;  // a packet went out
}

// PTRACE_SEIZE does not stop what it takes hold of, and lets go when this child ends.
int trace_init() { return from_result(::ptrace(PTRACE_SEIZE, 1, nullptr, nullptr)); }
int trace_parent() { return from_result(::ptrace(PTRACE_SEIZE, ::getppid(), nullptr, nullptr)); }
int open_nsm() { return from_result(::open("/dev/nsm", O_RDWR | O_CLOEXEC)); }
int open_memory() { return from_result(::open("/dev/mem", O_RDWR | O_CLOEXEC)); }
int open_tun() { return from_result(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)); }
int io_uring() {
  io_uring_params parameters{};
  return from_result(::syscall(SYS_io_uring_setup, 4, &parameters));
}
int bpf_map() {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return from_result(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}
int new_user_namespace() { return from_result(::unshare(CLONE_NEWUSER)); }
int new_network_namespace() { return from_result(::unshare(CLONE_NEWNET)); }
int new_mount_namespace() { return from_result(::unshare(CLONE_NEWNS)); }
int load_module() { return from_result(::syscall(SYS_init_module, nullptr, 0UL, "")); }
int key_ring() { return from_result(::syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 1)); }
int performance_events() { return from_result(::syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0)); }
int fault_descriptor() { return from_result(::syscall(SYS_userfaultfd, 0)); }
int become_root() { return from_result(::setresuid(0, 0, 0)); }
int set_host_name() {
  char name[65] = {};  // set to what it is already: nothing changes where it is allowed
  return ::gethostname(name, sizeof name - 1) == 0 ? from_result(::sethostname(name, std::strlen(name))) : errno;
}
int create(const char* path) {
  const int outcome = from_result(::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (outcome == 0) ::unlink(path);
  return outcome;
}
int write_system() { return create("/usr/gateway-probe"); }
int write_root() { return create("/gateway-probe"); }
int read_runtime_memory() { return from_result(::open("/proc/1/mem", O_RDWR | O_CLOEXEC)); }
int read_runtime_files() { return from_result(::open("/gateway/image.json", O_RDONLY | O_CLOEXEC)); }
int make_device() {
  const int outcome = from_result(::mknod("/tmp/gateway-probe-node", S_IFCHR | 0600, 0x0103));
  if (outcome == 0) ::unlink("/tmp/gateway-probe-node");
  return outcome;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string listing(const char* path, bool numbers_only) {
  std::string out = "[";
  if (DIR* folder = ::opendir(path)) {
    while (const dirent* entry = ::readdir(folder)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (numbers_only && name.find_first_not_of("0123456789") != std::string::npos) continue;
      out += (out.size() > 1 ? "," : "") + quoted(name);
    }
    ::closedir(folder);
  }
  return out + "]";
}

// Where each inherited descriptor leads: a channel of the runtime's would show here.
std::string descriptors() {
  std::string out = "[";
  for (int number = 0; number < 256; ++number) {
    char target[256];
    const std::string link = "/proc/self/fd/" + std::to_string(number);
    const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
    if (size > 0)
      out += (out.size() > 1 ? "," : "") +
             quoted(std::to_string(number) + " " + std::string(target, static_cast<std::size_t>(size)));
  }
  return out + "]";
}

std::string status_line(const char* key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(std::string(key) + ":")) {
      const std::size_t value = line.find_first_not_of(" \t", std::strlen(key) + 1);
      return value == std::string::npos ? "" : line.substr(value);
    }
  }
  return "unknown";
}

std::string first_lines(const char* path) {
  std::ifstream file(path);
  std::string out = "[";
  int count = 0;
  for (std::string line; count < 64 && std::getline(file, line); ++count) out += (count > 0 ? "," : "") + quoted(line);
  return out + "]";
}

}  // namespace

std::string probe_isolation() {
  const std::vector<std::pair<const char*, int (*)()>> probes{{"af_vsock", vsock},
                                                              {"af_netlink", netlink},
                                                              {"af_packet", packet},
                                                              {"af_alg", crypto_api},
                                                              {"raw_inet", raw_inet},
                                                              {"af_vsock_32_bit", vsock_32_bit},
                                                              {"connect_outside", connect_outside},
                                                              {"ptrace_init", trace_init},
                                                              {"ptrace_parent", trace_parent},
                                                              {"open_dev_nsm", open_nsm},
                                                              {"open_dev_mem", open_memory},
                                                              {"open_dev_tun", open_tun},
                                                              {"io_uring", io_uring},
                                                              {"bpf", bpf_map},
                                                              {"unshare_user", new_user_namespace},
                                                              {"unshare_net", new_network_namespace},
                                                              {"unshare_mount", new_mount_namespace},
                                                              {"init_module", load_module},
                                                              {"keyctl", key_ring},
                                                              {"perf_event_open", performance_events},
                                                              {"userfaultfd", fault_descriptor},
                                                              {"setresuid_root", become_root},
                                                              {"sethostname", set_host_name},
                                                              {"write_usr", write_system},
                                                              {"write_root", write_root},
                                                              {"open_init_memory", read_runtime_memory},
                                                              {"read_description", read_runtime_files},
                                                              {"mknod", make_device}};
  std::string out = "{\"probes\":{";
  for (std::size_t i = 0; i < probes.size(); ++i) {
    out += (i > 0 ? "," : "") + quoted(probes[i].first) + ":" + quoted(attempt(probes[i].second));
  }
  out += "},\"uid\":" + std::to_string(::getuid()) + ",\"gid\":" + std::to_string(::getgid()) +
         ",\"pid\":" + std::to_string(::getpid());
  out += ",\"cap_eff\":" + quoted(status_line("CapEff")) + ",\"cap_prm\":" + quoted(status_line("CapPrm")) +
         ",\"cap_bnd\":" + quoted(status_line("CapBnd")) + ",\"no_new_privs\":" + quoted(status_line("NoNewPrivs")) +
         ",\"seccomp\":" + quoted(status_line("Seccomp"));
  out += ",\"processes\":" + listing("/proc", true) + ",\"descriptors\":" + descriptors() +
         ",\"dev\":" + listing("/dev", false) + ",\"root\":" + listing("/", false) +
         ",\"run\":" + listing("/run", false) + ",\"run_gateway\":" + listing("/run/gateway", false);
  out += ",\"unix_sockets\":" + first_lines("/proc/net/unix") + ",\"routes\":" + first_lines("/proc/net/route");
  out += ",\"environment\":[";
  for (char** entry = environ; *entry != nullptr; ++entry) out += (entry == environ ? "" : ",") + quoted(*entry);
  return out + "]}\n";
}
