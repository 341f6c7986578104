#include "host/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace gateway::host {
namespace {

// Where descriptors lie while bwrap starts; the enclave's own (control, NSM at 4, ingress at 5, egress at 6) are fixed
// by the seam with the runtime.
constexpr int kControl = 3;
constexpr int kInfo = 7;
constexpr int kFailure = 8;
constexpr int kUserNamespace = 9;
constexpr std::size_t kPlaced = 7;
constexpr int kOutOfTheWay = 100;
constexpr std::uint64_t kLeastTemporary = 16ULL * 1024 * 1024;
constexpr int kInfoTimeoutMs = 10'000;
// A folder that exists everywhere and holds nothing that a sandbox needs: root's private mount of the tree goes there,
// because the enclave's uid need not be able to walk the path that leads to the state folder.
constexpr const char* kMountPoint = "/mnt";

struct Pipe {
  net::Descriptor read_end;
  net::Descriptor write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail(ErrorCode::kInternal, "host.sandbox.start", std::string("no pipe to be had: ") + std::strerror(errno));
  }
  return Pipe{net::Descriptor(ends[0]), net::Descriptor(ends[1])};
}

// What the child needs, prepared before fork: between fork and exec nothing allocates.
struct ChildPlan {
  std::vector<char*> arguments;
  std::array<int, kPlaced> descriptors{};  // for kControl … kUserNamespace
  unsigned first_other = 0;                // from here on none is the sandbox's
  int messages = -1;
  int null = -1;
  int cgroup_procs = -1;
  const char* bwrap = nullptr;
  const char* tree = nullptr;
  cpu_set_t cpus{};
  bool pin = false;
  bool mount_tree = false;
  std::uint32_t enclave_id = 0;
  pid_t parent = 0;
};

[[noreturn]] void give_up(int failure, const char* step) {
  std::array<char, 256> text{};
  const int why = errno;
  std::size_t length = 0;
  for (const char* part : {step, ": ", ::strerrordesc_np(why)}) {
    const std::size_t size = part == nullptr ? 0 : std::min(std::strlen(part), text.size() - length);
    std::memcpy(text.data() + length, part == nullptr ? "" : part, size);
    length += size;
  }
  [[maybe_unused]] const ssize_t written = ::write(failure, text.data(), length);
  ::_exit(127);
}

// Moves everything out of the way first, so that no descriptor is overwritten before it was copied.
void place_descriptors(const ChildPlan& plan, int failure) {
  std::array<int, kPlaced> aside{};
  for (std::size_t i = 0; i < aside.size(); ++i) {
    aside[i] = ::fcntl(plan.descriptors[i], F_DUPFD, kOutOfTheWay);
    if (aside[i] < 0) give_up(failure, "descriptors");
  }
  const int messages = ::fcntl(plan.messages, F_DUPFD, kOutOfTheWay);
  const int null = ::fcntl(plan.null, F_DUPFD, kOutOfTheWay);
  if (messages < 0 || null < 0 || ::dup2(null, 0) < 0 || ::dup2(null, 1) < 0 || ::dup2(messages, 2) < 0) {
    give_up(aside[kFailure - kControl], "descriptors");
  }
  for (std::size_t i = 0; i < aside.size(); ++i) {
    if (::dup2(aside[i], kControl + static_cast<int>(i)) < 0) give_up(aside[kFailure - kControl], "descriptors");
  }
  ::fcntl(kFailure, F_SETFD, FD_CLOEXEC);
  ::syscall(SYS_close_range, plan.first_other, ~0U, 0U);
}

void mount_tree_privately(const ChildPlan& plan) {
  if (::unshare(CLONE_NEWNS) != 0) give_up(kFailure, "a mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) give_up(kFailure, "private mounts");
  if (::mount(plan.tree, kMountPoint, nullptr, MS_BIND, nullptr) != 0) give_up(kFailure, "mounting the image");
  if (::mount(nullptr, kMountPoint, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0) {
    give_up(kFailure, "mounting the image read-only");
  }
}

[[noreturn]] void become_bwrap(const ChildPlan& plan) {
  const int failure = plan.descriptors[kFailure - kControl];
  if (plan.cgroup_procs >= 0 && ::write(plan.cgroup_procs, "0", 1) != 1) give_up(failure, "joining the cgroup");
  place_descriptors(plan, failure);
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) give_up(kFailure, "core dumps");
  if (plan.pin && ::sched_setaffinity(0, sizeof plan.cpus, &plan.cpus) != 0) give_up(kFailure, "processor affinity");
  if (plan.mount_tree) mount_tree_privately(plan);
  if (plan.enclave_id != 0 && !drop_to(plan.enclave_id)) give_up(kFailure, "giving up root");
  // After the change of uid, which clears it. bwrap asks for the same on its own; this closes the gap until then.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != plan.parent) give_up(kFailure, "the shim");
  sigset_t no_signals;
  ::sigemptyset(&no_signals);
  ::sigprocmask(SIG_SETMASK, &no_signals, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::umask(022);
  const std::array<char*, 1> no_environment{nullptr};
  ::execve(plan.bwrap, plan.arguments.data(), no_environment.data());
  give_up(kFailure, "bubblewrap");
}

std::string read_to_end(int descriptor, int timeout_ms) {
  std::string text;
  std::array<char, 512> part{};
  for (pollfd one{descriptor, POLLIN, 0}; text.size() < 4096 && ::poll(&one, 1, timeout_ms) > 0;) {
    const ssize_t got = ::read(descriptor, part.data(), part.size());
    if (got <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// bwrap tells the sandboxed child's pid as JSON: {"child-pid": N, …}.
pid_t child_pid_of(std::string_view info) {
  const std::string_view key = "\"child-pid\":";
  std::size_t at = info.find(key);
  if (at == std::string_view::npos) return 0;
  at = info.find_first_not_of(" \t\n", at + key.size());
  pid_t pid = 0;
  if (at != std::string_view::npos) std::from_chars(info.data() + at, info.data() + info.size(), pid);
  return pid;
}

bool usable(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

void fill_cpus(const SandboxSpec& spec, ChildPlan& plan) {
  CPU_ZERO(&plan.cpus);
  for (const int cpu : spec.cpus) {
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(cpu), &plan.cpus);
  }
  plan.pin = CPU_COUNT(&plan.cpus) > 0;
}

}  // namespace

Result<std::string> find_bwrap(std::span<const char* const> places) {
  for (const char* path : places) {
    if (usable(path)) return path;
  }
  return fail(ErrorCode::kUnavailable, "host.sandbox.bwrap", "bubblewrap is not installed",
              "type: sudo apt install bubblewrap");
}

std::vector<std::string> sandbox_arguments(const SandboxSpec& spec, const std::string& root,
                                           const SandboxDescriptors& descriptors) {
  // Each temporary file system takes a quarter of the enclave's memory at most.
  const std::string size = std::to_string(std::max(kLeastTemporary, spec.memory / 4));
  std::vector<std::string> arguments{spec.bwrap};
  const auto add = [&](std::initializer_list<std::string> words) { arguments.insert(arguments.end(), words); };
  if (descriptors.user_namespace >= 0) {
    const std::string space = std::to_string(descriptors.user_namespace);
    // "Blocking" on the namespace's descriptor reads nothing from it and closes it before the runtime starts.
    add({"--userns", space, "--block-fd", space});
  } else {
    add({"--unshare-user", "--uid", std::to_string(kInnerEnclaveId), "--gid", std::to_string(kInnerEnclaveId)});
  }
  add({"--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"});
  add({"--hostname", "enclave", "--cap-drop", "ALL"});
  if (descriptors.user_namespace >= 0) {
    add({"--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_DAC_OVERRIDE"});
  }
  add({"--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"});
  add({"--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev"});
  // For images with egress.tun: of use only to who has a network namespace of its own to make a device in.
  add({"--perms", "0755", "--dir", "/dev/net", "--dev-bind-try", "/dev/net/tun", "/dev/net/tun"});
  add({"--size", size, "--tmpfs", "/run", "--size", size, "--tmpfs", "/tmp", "--chdir", "/"});
  add({"--info-fd", std::to_string(descriptors.info), "--"});
  add({"/init", "--platform=local", "--control=fd:3", "--nsm=fd:4", "--ingress=fd:5", "--egress=fd:6"});
  return arguments;
}

Result<MachineProcess> start_sandbox(const SandboxSpec& spec) {
  GATEWAY_ASSIGN(Pipe info, make_pipe());
  GATEWAY_ASSIGN(Pipe failure, make_pipe());
  GATEWAY_ASSIGN(Pipe messages, make_pipe());
  const net::Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  net::Descriptor procs;
  ChildPlan plan;
  if (!spec.cgroup.empty()) {
    procs = net::Descriptor(::open((spec.cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!procs.valid()) {
      return fail(ErrorCode::kInternal, "host.sandbox.start",
                  std::string("the cgroup cannot be joined: ") + std::strerror(errno));
    }
  }
  net::Descriptor user_namespace;
  if (spec.ids.separate()) {
    GATEWAY_ASSIGN(user_namespace, make_user_namespace(spec.ids));
  }
  plan.mount_tree = spec.ids.enclave != 0;
  std::vector<std::string> arguments =
      sandbox_arguments(spec, plan.mount_tree ? kMountPoint : spec.tree,
                        {.info = kInfo, .user_namespace = user_namespace.valid() ? kUserNamespace : -1});
  for (auto& argument : arguments) plan.arguments.push_back(argument.data());
  plan.arguments.push_back(nullptr);
  plan.first_other = static_cast<unsigned>(kUserNamespace) + (user_namespace.valid() ? 1U : 0U);
  plan.descriptors = {spec.control,
                      spec.nsm,
                      spec.ingress,
                      spec.egress,
                      info.write_end.get(),
                      failure.write_end.get(),
                      user_namespace.valid() ? user_namespace.get() : null.get()};
  plan.messages = messages.write_end.get();
  plan.null = null.get();
  plan.cgroup_procs = procs.get();
  plan.bwrap = spec.bwrap.c_str();
  plan.tree = spec.tree.c_str();
  plan.enclave_id = spec.ids.enclave;
  plan.parent = ::getpid();
  fill_cpus(spec, plan);

  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kInternal, "host.sandbox.start", std::string("fork: ") + std::strerror(errno));
  if (child == 0) become_bwrap(plan);
  info.write_end.reset();
  failure.write_end.reset();
  messages.write_end.reset();

  MachineProcess process;
  process.child = child;
  process.handle = net::Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  const std::string why = read_to_end(failure.read_end.get(), kInfoTimeoutMs);
  if (why.empty()) process.init = child_pid_of(read_to_end(info.read_end.get(), kInfoTimeoutMs));
  if (process.init == 0 || !process.handle.valid()) {
    ::kill(child, SIGKILL);
    const std::string said = read_to_end(messages.read_end.get(), 1000);
    ::waitpid(child, nullptr, 0);
    return fail(ErrorCode::kInternal, "host.sandbox.start", "the sandbox did not start: " + (why.empty() ? said : why),
                "type: gateway doctor");
  }
  process.messages = std::move(messages.read_end);
  return process;
}

}  // namespace gateway::host
