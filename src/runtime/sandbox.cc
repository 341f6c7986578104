#include "runtime/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "net/address.h"

namespace gateway::runtime {
namespace {

constexpr int kConnectTimeoutMs = 200;
constexpr std::chrono::seconds kSilencePause{1};
constexpr std::size_t kOutputChunk = 16UZ * 1024;
constexpr std::size_t kMaxOutputAtOnce = 16 * kOutputChunk;  // then other work of the loop has its turn
constexpr unsigned long kNamespaces =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;

std::unexpected<Error> clone_failed(const char* what) {
  return fail(ErrorCode::kUnavailable, "workload.clone",
              std::string("namespaces for the workload could not be made: ") + what + ": " + std::strerror(errno),
              "run `gateway doctor` on the host: user namespaces must be allowed");
}

// What the child is given, at numbers that no dup2 below can hit.
struct ChildDescriptors {
  net::Descriptor input, output, link, spec;
};

net::Descriptor move_up(int descriptor) {
  constexpr int kClear = 64;
  return net::Descriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, kClear));
}

net::Descriptor spec_file(const SandboxSpec& spec) {
  net::Descriptor file(::memfd_create("workload", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const Bytes bytes = encode_sandbox_spec(spec);
  if (!file.valid() || ::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return {};
  ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  return file;
}

// Between clone and execve of a process with threads: system calls alone.
[[noreturn]] void run_child(const ChildDescriptors& given, const char* program) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  bool ok = ::syscall(SYS_capget, &header, sets) == 0;
  // Ambient capabilities survive execve under an id that is not root; they are dropped once the sandbox stands.
  for (__user_cap_data_struct& set : sets) set.inheritable = set.permitted;
  ok = ok && ::syscall(SYS_capset, &header, sets) == 0;
  for (unsigned capability = 0; ok && capability < 64; ++capability) {
    if ((sets[capability / 32].permitted & (1U << (capability % 32))) == 0) continue;
    ok = ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0;
  }
  ok = ok && ::dup2(given.input.get(), STDIN_FILENO) >= 0 && ::dup2(given.output.get(), STDOUT_FILENO) >= 0 &&
       ::dup2(given.output.get(), STDERR_FILENO) >= 0 && ::dup2(given.link.get(), kSandboxSocket) >= 0 &&
       ::dup2(given.spec.get(), kSandboxSpec) >= 0 && ::syscall(SYS_close_range, kSandboxSpec + 1, ~0U, 0) == 0;
  if (ok) {
    const char* arguments[] = {"gateway-workload-init", kSandboxArgument, nullptr};
    const char* environment[] = {nullptr};
    ::execve(program, const_cast<char* const*>(arguments), const_cast<char* const*>(environment));
  }
  ::_exit(126);
}

pid_t clone_into(unsigned long namespaces, const ChildDescriptors& given, const char* program) {
  const long pid = ::syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) run_child(given, program);
  return static_cast<pid_t>(pid);
}

}  // namespace

Sandbox::Sandbox(net::Loop& loop, Signals& signals, Events events)
    : loop_(loop), signals_(signals), events_(std::move(events)) {}

Result<std::unique_ptr<Sandbox>> Sandbox::start(net::Loop& loop, Signals& signals, const SandboxSpec& spec,
                                                const WorkloadIdentity& identity, Events events,
                                                const SandboxProgram& program) {
  std::array<int, 2> link{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link.data()) != 0) return clone_failed("socketpair");
  std::unique_ptr<Sandbox> sandbox(new Sandbox(loop, signals, std::move(events)));
  sandbox->link_ = net::Descriptor(link[0]);
  const net::Descriptor child_link(link[1]);
  std::array<int, 2> output{};
  if (::pipe2(output.data(), O_CLOEXEC) != 0) return clone_failed("pipe");
  sandbox->output_ = net::Descriptor(output[0]);
  const net::Descriptor child_output(output[1]);
  const net::Descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const net::Descriptor description = spec_file(spec);
  const ChildDescriptors given{.input = move_up(nothing.get()),
                               .output = move_up(child_output.get()),
                               .link = move_up(child_link.get()),
                               .spec = move_up(description.get())};
  if (!given.input.valid() || !given.output.valid() || !given.link.valid() || !given.spec.valid()) {
    return clone_failed("descriptors");
  }
  sandbox->pid_ = clone_into(kNamespaces | CLONE_NEWCGROUP, given, program.path.c_str());
  if (sandbox->pid_ < 0 && errno == EINVAL) sandbox->pid_ = clone_into(kNamespaces, given, program.path.c_str());
  if (sandbox->pid_ < 0) return clone_failed("clone");
  sandbox->spec_ = spec;
  sandbox->identity_ = identity;
  sandbox->watch(program.start_timeout);
  return sandbox;
}

Sandbox::~Sandbox() {
  if (pid_ > 0) {
    signals_.forget(pid_);  // reaped by Signals all the same
    ::kill(pid_, SIGKILL);
  }
}

void Sandbox::watch(std::chrono::milliseconds start_timeout) {
  for (const int descriptor : {link_.get(), output_.get()}) {
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  }
  link_source_ = loop_.watch(link_.get(), [this](bool, bool, bool) { on_link(); });
  link_source_->want(true, false);
  output_source_ = loop_.watch(output_.get(), [this](bool, bool, bool) { on_output(); });
  output_source_->want(true, false);
  signals_.when_exited(pid_, [this](int status) { on_reaped(status); });
  start_timer_ = loop_.timer([this] {
    fail_with(Error(ErrorCode::kUnavailable, "workload.start_timeout", "the sandbox did not stand in time",
                    "look at the host's load; `gateway doctor` names what is missing"));
  });
  start_timer_->arm(start_timeout);
}

void Sandbox::on_link() {
  auto received = receive_report(link_.get());
  if (received) {
    on_report(std::move(*received));
  } else if (errno != EAGAIN) {
    link_source_.reset();  // the process ended or broke the protocol; on_reaped says which
  }
}

void Sandbox::on_report(ReceivedReport received) {
  switch (received.report.message) {
    case SandboxMessage::kWantsIdentity:
      if (const Status written = write_identity_maps(pid_, spec_.uid, spec_.gid, identity_); !written) {
        fail_with(written.error());
      } else {
        send_report(link_.get(), {SandboxMessage::kIdentityWritten, 0, 0});
      }
      return;
    case SandboxMessage::kStarted:
      start_timer_->disarm();
      started_ = true;
      shared_ = std::move(received.descriptor);
      if (events_.started) events_.started(std::exchange(doors_, {}));
      return;
    case SandboxMessage::kDoor:
      doors_[static_cast<SandboxDoor>(received.report.first)] = std::move(received.descriptor);
      return;
    case SandboxMessage::kFailed:
      fail_with(
          sandbox_error(static_cast<SandboxStep>(received.report.first), static_cast<int>(received.report.second)));
      return;
    case SandboxMessage::kExited: exit_status_ = static_cast<int>(received.report.first); return;
    default: return;  // a late answer to a connection that was given up
  }
}

void Sandbox::on_output() {
  std::array<std::uint8_t, kOutputChunk> chunk;
  for (std::size_t taken = 0; taken < kMaxOutputAtOnce;) {
    const ssize_t got = ::read(output_.get(), chunk.data(), chunk.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      output_source_.reset();
      return;
    }
    taken += static_cast<std::size_t>(got);
    if (events_.output) events_.output(ByteView(chunk).first(static_cast<std::size_t>(got)));
  }
}

void Sandbox::fail_with(Error error) {
  if (reported_failure_) return;
  reported_failure_ = true;
  start_timer_->disarm();
  kill();
  if (events_.failed) events_.failed(error);
}

// The last words first: they may still lie in the channel and the pipe.
void Sandbox::on_reaped(int wait_status) {
  pid_ = -1;
  while (link_source_) {
    auto received = receive_report(link_.get());
    if (!received) break;
    on_report(std::move(*received));
  }
  link_source_.reset();
  if (output_source_) on_output();
  output_source_.reset();
  start_timer_->disarm();
  if (reported_failure_) return;
  if (!started_) {
    return fail_with(Error(ErrorCode::kUnavailable, "workload.clone",
                           "the sandbox's first process ended without a report", "run `gateway doctor` on the host"));
  }
  if (events_.exited) events_.exited(exit_status_.value_or(wait_status));
}

void Sandbox::terminate() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

void Sandbox::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Result<net::Descriptor> Sandbox::connect_shared(const std::string& name) const {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const net::Descriptor socket(static_cast<int>(::syscall(SYS_openat2, shared_.get(), name.c_str(), &how, sizeof how)));
  struct stat status{};
  if (!socket.valid() || ::fstat(socket.get(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
    return fail(ErrorCode::kUnavailable, "workload.connect", "the workload has no socket there");
  }
  return net::start_connect(
      {.kind = net::Address::Kind::kUnix, .host = "/proc/self/fd/" + std::to_string(socket.get())});
}

Result<net::Descriptor> Sandbox::connect_loopback(std::uint16_t port) {
  const auto refused = [](const char* detail) { return fail(ErrorCode::kUnavailable, "workload.connect", detail); };
  // The round trip blocks everybody's thread; a workload that starves its sandbox's first process gets one in a while.
  if (loop_.now() < silent_until_) return refused("the sandbox did not answer");
  if (!started_ || !send_report(link_.get(), {SandboxMessage::kConnect, port, 0})) {
    return refused("the workload does not run");
  }
  pollfd readable{link_.get(), POLLIN, 0};
  while (::poll(&readable, 1, kConnectTimeoutMs) == 1) {
    auto received = receive_report(link_.get());
    if (!received) break;
    if (received->report.message == SandboxMessage::kConnected && received->report.first == port) {
      return std::move(received->descriptor);
    }
    if (received->report.message == SandboxMessage::kRefused) return refused("the workload does not listen");
    on_report(std::move(*received));
  }
  silent_until_ = std::chrono::steady_clock::now() + kSilencePause;
  return refused("the sandbox did not answer");
}

}  // namespace gateway::runtime
