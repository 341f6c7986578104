#include "host/qemu_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "host/heartbeat.h"
#include "host/vsock_device.h"
#include "net/enclave_ports.h"

namespace gateway::host {
namespace {

constexpr const char* kProgram = "/bin/qemu-system-x86_64";
constexpr const char* kFirmware = "/firmware";
constexpr int kVsock = 3;               // the descriptor under which QEMU finds the socket of its vsock device
constexpr std::uint32_t kGuestCid = 4;  // each machine has a vsock of its own, so that all may have the same
constexpr std::uint64_t kMiB = 1024UZ * 1024;

std::vector<std::string> arguments_of(const EnclaveSpec& spec) {
  const std::string folder = spec.qemu_folder;
  return {folder + kProgram, "-L", folder + kFirmware, "-nodefaults", "-no-user-config", "-display", "none",
          "-no-reboot", "-accel", "tcg", "-cpu", "max", "-m", std::to_string((spec.memory + kMiB - 1) / kMiB) + "M",
          "-smp", std::to_string(std::max<std::size_t>(1, spec.cpus.size())),
          // The devices are found through ACPI: Debian's kernels take none from the command line.
          "-M", "nitro-enclave,vsock=vsock,acpi=on,id=i-00000000000000000-enc-" + spec.name, "-chardev",
          "socket,id=vsock,fd=" + std::to_string(kVsock), "-kernel", spec.image_file, "-serial", "stdio"};
}

std::unexpected<Error> start_failed(const std::string& what) {
  return fail(ErrorCode::kInternal, "host.qemu.start", what + ": " + std::strerror(errno), "type: gateway doctor");
}

// Between fork and exec nothing allocates.
[[noreturn]] void become_qemu(std::vector<char*>& arguments, int messages, int vsock, const EnclaveSpec& spec,
                              pid_t parent) {
  const int wanted = ::fcntl(vsock, F_DUPFD, kVsock + 1);  // out of the way of what comes next
  const int null = ::open("/dev/null", O_RDWR);
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : spec.cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);
  const rlimit none{0, 0};
  const bool ready =
      ::dup2(null, 0) == 0 && ::dup2(messages, 1) == 1 && ::dup2(messages, 2) == 2 &&
      ::dup2(wanted, kVsock) == kVsock && ::syscall(SYS_close_range, kVsock + 1, ~0U, 0) == 0 &&
      ::setrlimit(RLIMIT_CORE, &none) == 0 && (spec.cpus.empty() || ::sched_setaffinity(0, sizeof set, &set) == 0) &&
      (spec.ids.enclave == 0 || drop_to(spec.ids.enclave)) && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
      ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;  // after the change of uid, which clears it
  sigset_t no_signals;
  ::sigemptyset(&no_signals);
  ::sigprocmask(SIG_SETMASK, &no_signals, nullptr);
  std::array<char*, 1> environment{nullptr};
  if (ready) ::execve(arguments.front(), arguments.data(), environment.data());
  constexpr std::string_view kWords = "QEMU could not be executed: may its user read the folder that gatewayd names?\n";
  [[maybe_unused]] const ssize_t said = ::write(STDERR_FILENO, kWords.data(), kWords.size());
  ::_exit(127);
}

Result<MachineProcess> start_qemu(const EnclaveSpec& spec, int vsock) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return start_failed("no pipe to be had");
  MachineProcess process;
  process.messages = net::Descriptor(pipe[0]);
  const net::Descriptor writing(pipe[1]);
  std::vector<std::string> words = arguments_of(spec);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  process.child = process.init = ::fork();
  if (process.child < 0) return start_failed("no process to be had");
  if (process.child == 0) become_qemu(arguments, writing.get(), vsock, spec, parent);
  process.handle = net::Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, process.child, 0)));
  if (process.handle.valid()) return process;
  ::kill(process.child, SIGKILL);
  ::waitpid(process.child, nullptr, 0);
  return start_failed("no handle of QEMU to be had");
}

class QemuMachine final : public ProcessMachine {
 public:
  QemuMachine(MachineProcess process, net::Descriptor vsock)
      : ProcessMachine(std::move(process)), to_qemu_(std::move(vsock)) {}

  void start(net::Loop& loop, Events events) override {
    ProcessMachine::start(loop, std::move(events));
    loop_ = &loop;
    vsock_ = std::make_unique<VsockDevice>(
        loop, std::move(to_qemu_), kGuestCid, net::kParentCid,
        VsockDevice::Events{.closed = [this](std::string_view why) { on_vsock_closed(why); }});
    vsock_->accept(net::kHeartbeatPort, [this](net::Descriptor socket) { expect_heartbeat(std::move(socket)); });
  }

  Result<net::Descriptor> connect(Door door) override {
    if (!alive_) return fail(ErrorCode::kUnavailable, "host.enclave.starting", "the enclave has not booted yet");
    return vsock_->connect(door == Door::kEgress ? net::kEgressPort : net::kIngressPort);
  }

 private:
  void expect_heartbeat(net::Descriptor socket) {
    heartbeat_ = std::make_unique<Heartbeat>(*loop_, std::move(socket), [this](bool beats) { on_heartbeat(beats); });
  }

  void on_heartbeat(bool beats) {
    heartbeat_.reset();
    if (!beats || alive_) return;
    alive_ = true;
    auto control = vsock_->connect(net::kControlPort);
    if (control) events().control(*std::move(control));
    else events().failed(control.error());
  }

  // QEMU ends with it, or lives on and reaches nobody.
  void on_vsock_closed(std::string_view why) {
    alive_ = false;
    events().output("the machine's vsock has ended: " + std::string(why) + "\n");
    kill();
  }

  net::Descriptor to_qemu_;
  net::Loop* loop_ = nullptr;
  std::unique_ptr<VsockDevice> vsock_;
  std::unique_ptr<Heartbeat> heartbeat_;
  bool alive_ = false;
};

}  // namespace

Status check_qemu(const std::string& folder) {
  if (!folder.empty() && ::access((folder + kProgram).c_str(), X_OK) == 0) return {};
  return fail(ErrorCode::kUnavailable, "host.qemu.missing",
              folder.empty() ? "no folder of QEMU's is configured" : "there is no QEMU in " + folder,
              "type `./dev qemu-nitro` in a clone, and write what it prints as qemu = \"…\" into gatewayd's file");
}

Result<std::unique_ptr<Machine>> make_qemu_machine(const EnclaveSpec& spec) {
  GATEWAY_TRY(check_qemu(spec.qemu_folder));
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return start_failed("no sockets to be had");
  net::Descriptor ours(ends[0]);
  const net::Descriptor theirs(ends[1]);
  GATEWAY_ASSIGN(MachineProcess process, start_qemu(spec, theirs.get()));
  return std::make_unique<QemuMachine>(std::move(process), std::move(ours));
}

}  // namespace gateway::host
