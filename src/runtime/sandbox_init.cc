#include "runtime/sandbox_init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "net/descriptor.h"
#include "runtime/sandbox_link.h"
#include "runtime/sandbox_mounts.h"
#include "runtime/sandbox_network.h"
#include "runtime/sandbox_spec.h"
#include "runtime/seccomp_filter.h"

namespace gateway::runtime {
namespace {

constexpr rlim_t kMaxOpenFiles = 65'536;
constexpr rlim_t kMaxProcesses = 4'096;  // threads counted: stops a fork bomb, not an engine
constexpr int kExitRefused = 125;        // the sandbox was not built; the reason went over the channel

[[noreturn]] void refuse(SandboxStep step, int error) {
  send_report(kSandboxSocket,
              {SandboxMessage::kFailed, static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(error)});
  ::_exit(kExitRefused);
}

// Ends the process unless `result` is what success looks like.
void require(SandboxStep step, bool ok) {
  if (!ok) refuse(step, errno);
}
void require_zero(SandboxStep step, int error) {
  if (error != 0) refuse(step, error);
}

SandboxSpec read_spec() {
  struct stat status{};
  require(SandboxStep::kSpec, ::fstat(kSandboxSpec, &status) == 0);
  Bytes bytes(static_cast<std::size_t>(status.st_size));
  const ssize_t got = ::pread(kSandboxSpec, bytes.data(), bytes.size(), 0);
  require(SandboxStep::kSpec, got == status.st_size);
  ::close(kSandboxSpec);
  auto spec = parse_sandbox_spec(bytes);
  if (!spec) refuse(SandboxStep::kSpec, EINVAL);
  return std::move(*spec);
}

// Waits until the runtime wrote the id maps, then takes the workload's ids on. Capabilities stay: no id here is root.
void take_identity(const SandboxSpec& spec) {
  require(SandboxStep::kIdentity, send_report(kSandboxSocket, {SandboxMessage::kWantsIdentity, 0, 0}));
  const auto answer = receive_report(kSandboxSocket);
  if (!answer || answer->report.message != SandboxMessage::kIdentityWritten) refuse(SandboxStep::kIdentity, EPERM);
  // Where only one kernel id exists, setgroups is denied for good and the groups stay those of the enclave's user.
  std::array<char, 8> allowed{};
  const net::Descriptor setgroups_file(::open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC));
  require(SandboxStep::kGroups, ::read(setgroups_file.get(), allowed.data(), allowed.size() - 1) > 0);
  if (allowed[0] == 'a') require(SandboxStep::kGroups, ::setgroups(0, nullptr) == 0);
  require(SandboxStep::kGroups, ::setresgid(spec.gid, spec.gid, spec.gid) == 0);
  require(SandboxStep::kUser, ::setresuid(spec.uid, spec.uid, spec.uid) == 0);
}

// The order matters: devices come from the old tree, so everything is mounted before it is left.
net::Descriptor build_tree(const SandboxSpec& spec) {
  MountTree tree;
  require_zero(SandboxStep::kMounts, tree.make_private());
  require_zero(SandboxStep::kRoot, tree.bind_root(spec.rootfs));
  require_zero(SandboxStep::kProc, tree.mount_proc());
  require_zero(SandboxStep::kDevices, tree.mount_devices(spec.scratch_bytes));
  require_zero(SandboxStep::kScratch, tree.mount_scratch(spec.scratch_bytes));
  net::Descriptor shared;
  require_zero(SandboxStep::kShared, tree.mount_shared(spec.uid, spec.gid, shared));
  require_zero(SandboxStep::kPivot, tree.pivot());
  return shared;
}

void hand_over(SandboxDoor door, const net::Descriptor& descriptor) {
  require(SandboxStep::kDoors,
          send_report(kSandboxSocket, {SandboxMessage::kDoor, static_cast<std::uint32_t>(door), 0}, descriptor.get()));
}

void open_doors(const SandboxSpec& spec, const net::Descriptor& tun) {
  net::Descriptor door;
  if (spec.egress) {
    require_zero(SandboxStep::kDoors, listen_on_loopback(kProxyPort, door));
    hand_over(SandboxDoor::kProxy, door);
    require_zero(SandboxStep::kDoors, bind_name_server(door));
    hand_over(SandboxDoor::kDns, door);
  }
  if (spec.kms) {
    require_zero(SandboxStep::kDoors, listen_on_loopback(kKmsPort, door));
    hand_over(SandboxDoor::kKms, door);
  }
  if (spec.tun) {
    require_zero(SandboxStep::kTun, raise_tun());
    hand_over(SandboxDoor::kTun, tun);
  }
  if (spec.transparent) {
    require_zero(SandboxStep::kTransparent, listen_on_loopback(kTransparentPort, door));
    require_zero(SandboxStep::kTransparent, redirect_tcp(!spec.tun));
    hand_over(SandboxDoor::kTransparent, door);
  }
}

void lower_limit(decltype(RLIMIT_CORE) resource, rlim_t most) {
  rlimit limit{};
  require(SandboxStep::kLimits, ::getrlimit(resource, &limit) == 0);
  limit.rlim_max = std::min(limit.rlim_max, most);
  limit.rlim_cur = limit.rlim_max;
  require(SandboxStep::kLimits, ::setrlimit(resource, &limit) == 0);
}

void set_limits() {
  lower_limit(RLIMIT_CORE, 0);
  lower_limit(RLIMIT_NOFILE, kMaxOpenFiles);
  lower_limit(RLIMIT_NPROC, kMaxProcesses);
}

void drop_privileges() {
  require_zero(SandboxStep::kCapabilities, drop_capabilities());
  require(SandboxStep::kPrivileges, ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  require(SandboxStep::kPrivileges, ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
  require(SandboxStep::kPrivileges, ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0);
  if (!install_workload_filter()) refuse(SandboxStep::kFilter, errno);
}

// In the new process, up to execve. Reports an errno on `report` (close-on-exec) and ends when something fails.
[[noreturn]] void become_workload(const SandboxSpec& spec, int report) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : spec.env) variables.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::vector<std::string> texts = spec.argv;
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);

  SandboxReport failure{SandboxMessage::kFailed, static_cast<std::uint32_t>(SandboxStep::kDirectory), 0};
  ::setsid();
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::chdir(spec.cwd.c_str()) == 0) {
    failure.first = static_cast<std::uint32_t>(SandboxStep::kDescriptors);
    if (::close_range(kSandboxSocket, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
      failure.first = static_cast<std::uint32_t>(SandboxStep::kExec);
      ::execve(arguments[0], arguments.data(), environment.data());
    }
  }
  failure.second = static_cast<std::uint32_t>(errno);
  const auto bytes = encode_report(failure);
  [[maybe_unused]] const ssize_t written = ::write(report, bytes.data(), bytes.size());
  ::_exit(kExitRefused);
}

pid_t start_workload(const SandboxSpec& spec) {
  std::array<int, 2> ends{};
  require(SandboxStep::kFork, ::pipe2(ends.data(), O_CLOEXEC) == 0);
  const net::Descriptor reading(ends[0]);
  net::Descriptor writing(ends[1]);
  const pid_t pid = ::fork();
  require(SandboxStep::kFork, pid >= 0);
  if (pid == 0) become_workload(spec, writing.get());
  writing.reset();
  ByteArray<kSandboxReportSize> bytes{};
  if (::read(reading.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) {
    if (const auto failure = parse_report(bytes))
      refuse(static_cast<SandboxStep>(failure->first), static_cast<int>(failure->second));
  }
  return pid;
}

// Standard streams of this process itself lead nowhere: the workload's own copies keep the pipe to the runtime.
void release_output() {
  const net::Descriptor nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  require(SandboxStep::kDescriptors, nowhere.valid());
  for (int standard = 0; standard <= 2; ++standard) {
    require(SandboxStep::kDescriptors, ::dup2(nowhere.get(), standard) >= 0);
  }
}

[[noreturn]] void end_with(int wait_status) {
  send_report(kSandboxSocket, {SandboxMessage::kExited, static_cast<std::uint32_t>(wait_status), 0});
  ::_exit(WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status));
}

void reap(pid_t workload) {
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
    if (pid == workload) end_with(status);
  }
}

void take_signals(int signals, pid_t workload) {
  signalfd_siginfo signal{};
  if (::read(signals, &signal, sizeof signal) != static_cast<ssize_t>(sizeof signal)) return;
  if (signal.ssi_signo == SIGCHLD) reap(workload);
  else ::kill(workload, static_cast<int>(signal.ssi_signo));
}

void serve(pid_t workload, int signals) {
  std::array<pollfd, 2> watched{{{signals, POLLIN, 0}, {kSandboxSocket, POLLIN, 0}}};
  while (true) {
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    if (watched[0].revents != 0) take_signals(signals, workload);
    if (watched[1].revents == 0) continue;
    const auto request = receive_report(kSandboxSocket);
    if (!request) ::_exit(kExitRefused);  // the runtime is gone; the kernel ends the rest
    if (request->report.message == SandboxMessage::kConnect) answer_connect(kSandboxSocket, request->report.first);
  }
}

}  // namespace

void run_sandbox_init() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  const SandboxSpec spec = read_spec();
  take_identity(spec);
  net::Descriptor tun;
  if (spec.tun) require_zero(SandboxStep::kTun, open_tun(tun));
  net::Descriptor shared = build_tree(spec);
  constexpr std::string_view kHostName = "enclave";
  require(SandboxStep::kHostname, ::sethostname(kHostName.data(), kHostName.size()) == 0);
  require_zero(SandboxStep::kLoopback, raise_loopback());
  open_doors(spec, tun);
  tun.reset();
  set_limits();
  drop_privileges();
  const pid_t workload = start_workload(spec);
  release_output();

  sigset_t watched;
  ::sigemptyset(&watched);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&watched, signal);
  const int signals = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  require(SandboxStep::kFork, signals >= 0);
  send_report(kSandboxSocket, {SandboxMessage::kStarted, 0, 0}, shared.get());
  shared.reset();
  reap(workload);  // it may have ended before the signal descriptor watched
  serve(workload, signals);
  std::abort();
}

}  // namespace gateway::runtime
