// A workload for tests: tries what a hostile one would, prints one line for each attempt, then serves HTTP if asked.
//
//   test_workload probe [ABSTRACT]     the attempts; exit status 0 when every one was refused
//   test_workload serve SOCKET         the attempts, then GET /healthz, anything else echoed, /stream as events
//   test_workload tcp PORT             the same over 127.0.0.1
//   test_workload link TARGET          puts a link to TARGET where its socket should be
//   test_workload exit STATUS | crash | hang
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

extern char** environ;

namespace {

int failures = 0;

void report(const char* name, bool refused, const std::string& found = {}) {
  if (!refused) ++failures;
  std::printf("%s %s %s\n", refused ? "ok" : "FAIL", name, found.c_str());
}

void refused_call(const char* name, long result) {
  const int error = errno;
  report(name, result < 0, result < 0 ? std::strerror(error) : "succeeded");
}

// In a process of its own: whether the attempt was ended by SIGSYS (or by another signal that does as well).
void killed(const char* name, const std::function<void()>& attempt, int or_by = SIGSYS) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    attempt();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  report(name, signal == SIGSYS || signal == or_by, "wait status " + std::to_string(status));
}

void try_sockets(const char* abstract) {
  refused_call("socket.vsock", ::socket(40, SOCK_STREAM, 0));
  refused_call("socket.vsock_high_bits", ::syscall(SYS_socket, 0x1'0000'0028UL, SOCK_STREAM, 0));
  refused_call("socket.netlink", ::socket(AF_NETLINK, SOCK_RAW, 0));
  refused_call("socket.alg", ::socket(AF_ALG, SOCK_SEQPACKET, 0));
  refused_call("socket.packet", ::socket(AF_PACKET, SOCK_RAW, 0));
  refused_call("socket.raw", ::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  std::array<int, 2> pair{};
  refused_call("socketpair.tipc", ::socketpair(30, SOCK_SEQPACKET, 0, pair.data()));
  sockaddr_in far{};
  far.sin_family = AF_INET;
  far.sin_port = htons(53);
  far.sin_addr.s_addr = htonl(0x08080808);
  const int inet = ::socket(AF_INET, SOCK_STREAM, 0);
  report("socket.inet_allowed", inet >= 0);
  refused_call("network.outside", ::connect(inet, reinterpret_cast<sockaddr*>(&far), sizeof far));
  if (abstract == nullptr) return;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path + 1, abstract, sizeof name.sun_path - 2);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::strlen(abstract));
  const int unix_socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  refused_call("socket.abstract", ::connect(unix_socket, reinterpret_cast<sockaddr*>(&name), size));
}

void try_calls() {
  std::array<char, 256> memory{};
  refused_call("io_uring_setup", ::syscall(SYS_io_uring_setup, 8, memory.data()));
  refused_call("bpf", ::syscall(SYS_bpf, 0, memory.data(), 64));
  refused_call("ptrace", ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
  iovec part{memory.data(), memory.size()};
  refused_call("process_vm_readv", ::syscall(SYS_process_vm_readv, ::getpid(), &part, 1, &part, 1, 0));
  refused_call("unshare", ::unshare(CLONE_NEWUSER));
  refused_call("setns", ::setns(0, 0));
  refused_call("clone.newuser", ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  refused_call("clone3", ::syscall(SYS_clone3, memory.data(), 64));
  refused_call("mount", ::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr));
  refused_call("umount", ::umount2("/tmp", MNT_DETACH));
  refused_call("pivot_root", ::syscall(SYS_pivot_root, "/tmp", "/tmp"));
  refused_call("chroot", ::chroot("/tmp"));
  refused_call("open_tree", ::syscall(428, -100, "/", 1));
  refused_call("fsopen", ::syscall(430, "tmpfs", 0));
  refused_call("keyctl", ::syscall(SYS_keyctl, 0, 0));
  refused_call("add_key", ::syscall(SYS_add_key, "user", "x", "y", 1, -2));
  refused_call("userfaultfd", ::syscall(SYS_userfaultfd, 0));
  refused_call("perf_event_open", ::syscall(SYS_perf_event_open, memory.data(), 0, -1, -1, 0));
  refused_call("open_by_handle_at", ::syscall(SYS_open_by_handle_at, AT_FDCWD, memory.data(), 0));
  refused_call("pidfd_getfd", ::syscall(SYS_pidfd_getfd, 0, 0, 0));
  refused_call("init_module", ::syscall(SYS_init_module, memory.data(), 16, ""));
  refused_call("finit_module", ::syscall(SYS_finit_module, 0, "", 0));
  refused_call("kexec_load", ::syscall(SYS_kexec_load, 0, 0, nullptr, 0));
  refused_call("reboot", ::syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, nullptr));
  refused_call("settimeofday", ::syscall(SYS_settimeofday, nullptr, nullptr));
  refused_call("memfd_secret", ::syscall(SYS_memfd_secret, 0));
  refused_call("modify_ldt", ::syscall(SYS_modify_ldt, 0, memory.data(), 16));
  refused_call("ioctl.tiocsti", ::ioctl(0, TIOCSTI, memory.data()));
  refused_call("ioctl.tiocsti_high_bits", ::syscall(SYS_ioctl, 0, 0x1'0000'5412UL, memory.data()));
  refused_call("personality", ::syscall(SYS_personality, 0x0400000));
  // A kernel that was built without 32-bit calls ends the process before any filter is asked.
  killed(
      "int80",
      [] {
        long result = 359;  // socket(AF_VSOCK, SOCK_STREAM, 0), i386
        asm volatile("int $0x80" : "+a"(result) : "b"(40L), "c"(1L), "d"(0L) : "memory");
      },
      SIGSEGV);
  killed("x32", [] { ::syscall(0x4000'0000L | SYS_getpid); });
}

void try_files() {
  for (const char* path :
       {"/usr/written", "/written", "/dev/written", "/proc/self/comm", "/proc/sys/kernel/hostname", "/etc/written"}) {
    refused_call((std::string("write.") + path).c_str(), ::open(path, O_WRONLY | O_CREAT, 0644));
  }
  for (const char* path :
       {"/init", "/gateway", "/gateway/image.json", "/rootfs", "/sys/kernel", "/dev/nsm", "/dev/kmsg", "/dev/mem",
        "/proc/1/mem", "/proc/1/environ", "/proc/1/root/", "/proc/1/fd/", "/proc/1/maps"}) {
    refused_call((std::string("open.") + path).c_str(), ::open(path, O_RDONLY));
  }
  refused_call("mknod", ::mknod("/tmp/null", S_IFCHR | 0666, 0x103));
  const int scratch = ::open("/tmp/mine", O_WRONLY | O_CREAT, 0644);
  report("write./tmp_allowed", scratch >= 0);
  const int shared = ::open("/run/gateway/mine", O_WRONLY | O_CREAT, 0644);
  report("write./run/gateway_allowed", shared >= 0);
  ::close(scratch);
  ::close(shared);
}

std::string status_field(std::string_view name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return line.substr(std::min(line.size(), line.find_first_not_of(" \t", name.size())));
  }
  return "missing";
}

void look_around() {
  int strangers = 0;
  DIR* folder = ::opendir("/proc");
  for (const dirent* entry = ::readdir(folder); entry != nullptr; entry = ::readdir(folder)) {
    const int pid = std::atoi(entry->d_name);
    if (pid > 1 && pid != ::getpid()) ++strangers;
  }
  ::closedir(folder);
  report("proc.only_own_processes", strangers == 0, std::to_string(strangers));
  int descriptors = 0;
  folder = ::opendir("/proc/self/fd");
  for (const dirent* entry = ::readdir(folder); entry != nullptr; entry = ::readdir(folder)) {
    const int number = std::atoi(entry->d_name);
    if (number > 2 && number != ::dirfd(folder)) ++descriptors;
  }
  ::closedir(folder);
  report("descriptors.none_inherited", descriptors == 0, std::to_string(descriptors));
  for (const char* set : {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"}) {
    report(set, status_field(set) == "0000000000000000", status_field(set));
  }
  report("no_new_privs", status_field("NoNewPrivs:") == "1");
  report("seccomp", status_field("Seccomp:") == "2");
  report("uid", ::getuid() == 1000 && ::geteuid() == 1000 && ::getgid() == 1000, std::to_string(::getuid()));
  report("setuid", ::setuid(0) != 0);
  report("session", ::getsid(0) == ::getpid());
  rlimit core{};
  ::getrlimit(RLIMIT_CORE, &core);
  report("core", core.rlim_max == 0);
  int variables = 0;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables += std::strncmp(*variable, "TEST_", 5) != 0;
  report("environment", variables == 0, std::to_string(variables));
  std::array<char, 64> host{};
  ::gethostname(host.data(), host.size() - 1);
  report("hostname", std::string_view(host.data()) == "enclave", host.data());
  ::kill(1, SIGKILL);  // of its own namespace: must have no effect
  ::usleep(1000);
  report("kill_init", true);
}

void probe(const char* abstract) {
  look_around();
  try_sockets(abstract);
  try_calls();
  try_files();
  std::printf("probe %s\n", failures == 0 ? "passed" : "failed");
  std::fflush(stdout);
}

void send_all(int connection, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void answer(int connection, const std::string& head, const std::string& body) {
  const std::string path = head.substr(head.find(' ') + 1, head.find(" HTTP") - head.find(' ') - 1);
  if (path == "/stream" || path == "/v1/completions") {
    send_all(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const char* event :
         {"data: {\"n\":1}\n\n", "data: {\"n\":2}\n\n",
          "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n", "data: [DONE]\n\n"}) {
      std::array<char, 32> size{};
      std::snprintf(size.data(), size.size(), "%zx\r\n", std::strlen(event));
      send_all(connection, std::string(size.data()) + event + "\r\n");
    }
    return send_all(connection, "0\r\n\r\n");
  }
  const std::string text = path == "/healthz" ? "ok" : head + body;
  send_all(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(text.size()) +
                           "\r\n\r\n" + text);
}

void converse(int connection) {
  std::string buffer;
  std::array<char, 4096> chunk;
  while (true) {
    std::size_t end = buffer.find("\r\n\r\n");
    std::size_t length = 0;
    if (end != std::string::npos) {
      const std::size_t at = buffer.find("ontent-Length: ");
      if (at < end) length = std::strtoul(buffer.c_str() + at + 15, nullptr, 10);
      end += 4;
    }
    if (end != std::string::npos && buffer.size() >= end + length) {
      answer(connection, buffer.substr(0, end), buffer.substr(end, length));
      buffer.erase(0, end + length);
      continue;
    }
    const ssize_t got = ::read(connection, chunk.data(), chunk.size());
    if (got <= 0) break;
    buffer.append(chunk.data(), static_cast<std::size_t>(got));
  }
  ::close(connection);
}

[[noreturn]] void serve(int listener) {
  if (::listen(listener, 64) != 0) std::exit(3);
  while (true) {
    const int connection = ::accept(listener, nullptr, nullptr);
    if (connection >= 0) std::thread(converse, connection).detach();
  }
}

int listen_unix(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::exit(2);
  return listener;
}

int listen_tcp(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::exit(2);
  return listener;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view mode = count > 1 ? words[1] : "probe";
  const char* value = count > 2 ? words[2] : nullptr;
  if (mode == "exit") return std::atoi(value);
  if (mode == "crash") std::abort();
  if (mode == "--workload-init") ::pause();  // as the first process of a sandbox: one that never reports
  if (mode == "link") {
    if (::symlink(value, "/run/gateway/app.sock") != 0 || ::mkdir("/run/gateway/folder", 0755) != 0) return 2;
    std::puts("linked");
    std::fflush(stdout);
    while (true) ::pause();
  }
  if (mode == "hang") {
    ::signal(SIGTERM, SIG_IGN);
    std::puts("hanging");
    std::fflush(stdout);
    while (true) ::pause();
  }
  if (mode == "serve") probe(nullptr);
  if (mode == "serve") serve(listen_unix(value));
  if (mode == "tcp") serve(listen_tcp(value));
  probe(value);
  return failures == 0 ? 0 : 1;
}
