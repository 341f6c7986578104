#include "host/shim_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "host/control_api.h"
#include "host/files.h"
#include "host/unix_socket.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerTime{5'000};
constexpr milliseconds kShimStartTime{60'000};  // gigabytes of huge pages take a while
constexpr std::size_t kMaxReport = 32UZ * 1024;
constexpr off_t kMaxLog = 1024L * 1024;

class ShimInstance final : public Instance {
 public:
  static Result<std::unique_ptr<Instance>> connect(const std::string& folder) {
    GATEWAY_ASSIGN(net::Descriptor socket, connect_to_path(folder + "/" + kStatusSocket));
    const auto peer = peer_of(socket.get());
    auto instance = std::unique_ptr<ShimInstance>(new ShimInstance(folder, std::move(socket)));
    if (peer) instance->handle_ = net::Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, peer->pid, 0)));
    GATEWAY_TRY(instance->watch_.write_line(R"({"op":"watch"})", after(kAnswerTime)));
    return instance;
  }

  int watch_descriptor() const override { return watch_.descriptor(); }

  std::optional<ShimStatus> next_status() override {
    std::optional<ShimStatus> newest;
    do {
      const auto line = watch_.read_line(kMaxStatusLine, after(kAnswerTime));
      if (!line) {
        wait_until_gone();
        return std::nullopt;
      }
      auto status = parse_status(*line);
      if (!status) return std::nullopt;
      newest = *std::move(status);
    } while (watch_.has_line());
    return newest;
  }

  Result<ShimStatus> status() override {
    GATEWAY_ASSIGN(const std::string line, ask(R"({"op":"status"})"));
    return parse_status(line);
  }

  Status push_tokens(ByteView signed_list) override {
    return tell(R"({"op":"tokens","list":")" + to_base64(signed_list) + "\"}");
  }

  Status stop(milliseconds grace) override {
    return tell(R"({"op":"stop","grace_ms":)" + std::to_string(grace.count()) + "}");
  }

  // The enclave dies with its shim.
  void kill() override { ::syscall(SYS_pidfd_send_signal, handle_.get(), SIGKILL, nullptr, 0); }

 private:
  // Its sockets close a moment before the process is gone, and its lock with it.
  void wait_until_gone() const {
    pollfd one{handle_.get(), POLLIN, 0};
    if (handle_.valid()) ::poll(&one, 1, static_cast<int>(kAnswerTime.count()));
  }

  ShimInstance(std::string folder, net::Descriptor socket) : folder_(std::move(folder)), watch_(std::move(socket)) {}

  Result<std::string> ask(const std::string& request) {
    GATEWAY_ASSIGN(net::Descriptor connection, connect_to_path(folder_ + "/" + kStatusSocket));
    LineSocket socket(std::move(connection));
    GATEWAY_TRY(socket.write_line(request, after(kAnswerTime)));
    return socket.read_line(kMaxStatusLine, after(kAnswerTime));
  }

  Status tell(const std::string& request) {
    GATEWAY_ASSIGN(const std::string answer, ask(request));
    if (answer == R"({"ok":true})") return {};
    return fail(ErrorCode::kInternal, "host.shim.refused", "the shim refused a request of its daemon");
  }

  std::string folder_;
  LineSocket watch_;
  net::Descriptor handle_;  // a pidfd: never a stranger who got the number later
};

net::Descriptor open_log(const std::string& folder) {
  const std::string path = folder + "/" + kLogFile;
  struct stat status{};
  const bool large = ::lstat(path.c_str(), &status) == 0 && status.st_size > kMaxLog;
  return net::Descriptor(
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (large ? O_TRUNC : 0), 0600));
}

// The enclave's own uid must be able to work in the folder; nobody else. The specification stays the daemon's: a shim
// that starts as root obeys it before it gives that up.
Status hand_over(const std::string& folder, std::uint32_t uid) {
  if (uid == 0) return {};
  std::error_code error;
  bool good = ::lchown(folder.c_str(), uid, uid) == 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().filename() == kSpecFile) continue;
    good = good && ::lchown(entry.path().c_str(), uid, uid) == 0;
  }
  if (good && !error) return {};
  return fail(ErrorCode::kInternal, "host.file.write",
              "the folder " + folder + " cannot be handed to the enclave's uid");
}

}  // namespace

Outcome<std::unique_ptr<Instance>> ShimDriver::start(const std::string& folder, EnclaveSpec spec) {
  GATEWAY_TRY_REPORTED(check());
  const std::string name = spec.name;
  spec.egress = egress_;
  GATEWAY_ASSIGN_REPORTED(const EnclaveSpec prepared, prepare(std::move(spec)));
  GATEWAY_TRY_REPORTED(write_file(folder + "/" + kSpecFile, as_bytes(encode_spec(prepared)), 0600, Durable::kNo));
  GATEWAY_TRY_REPORTED(hand_over(folder, prepared.ids.enclave));
  auto started = spawn(folder);
  if (!started) {
    clean_up(name);
    return std::unexpected(std::move(started).error());
  }
  auto instance = ShimInstance::connect(folder);
  if (!instance) return std::unexpected(why_it_is_gone(folder, instance.error()));
  return *std::move(instance);
}

Result<std::unique_ptr<Instance>> ShimDriver::adopt(const std::string& folder) {
  const Deadline deadline = after(kAnswerTime);
  // A shim that holds its lock but does not listen yet was being started when the daemon before this one died.
  while (is_locked(folder + "/" + kLockFile)) {
    auto instance = ShimInstance::connect(folder);
    if (instance || std::chrono::steady_clock::now() > deadline) return instance;
    ::usleep(20'000);
  }
  return nullptr;
}

std::optional<ShimStatus> ShimDriver::last_status(const std::string& folder) {
  const auto text = read_file(folder + "/" + kExitFile, kMaxStatusLine);
  if (!text) return std::nullopt;
  auto status = parse_status(as_text(*text));
  if (!status) return std::nullopt;
  return *std::move(status);
}

Outcome<void> ShimDriver::spawn(const std::string& folder) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return std::unexpected(Reported{ErrorCode::kInternal, "host.shim.silent", "no sockets to be had", {}});
  }
  LineSocket report{net::Descriptor(ends[0])};
  net::Descriptor theirs(ends[1]);
  const net::Descriptor log = open_log(folder);
  GATEWAY_TRY_REPORTED(execute(folder, theirs.get(), log.get()));
  theirs.reset();
  const auto line = report.read_line(kMaxReport, after(kShimStartTime));
  if (!line) {
    // One that is only slow must not go on unknown to anybody.
    if (auto late = ShimInstance::connect(folder)) (*late)->kill();
    return std::unexpected(Reported{ErrorCode::kInternal, "host.shim.silent", "the shim ended before it said anything",
                                    "look into " + folder + "/" + kLogFile});
  }
  GATEWAY_ASSIGN_REPORTED(Answer answer, parse_answer(*line));
  if (answer.refusal) return std::unexpected(*std::move(answer.refusal));
  return {};
}

// An enclave may refuse and end, and its shim with it, before anybody has asked for its status: what the shim wrote
// as it ended says why, once its lock is free.
Reported ShimDriver::why_it_is_gone(const std::string& folder, const Error& unreachable) {
  const Deadline deadline = after(kAnswerTime);
  while (is_locked(folder + "/" + kLockFile) && std::chrono::steady_clock::now() < deadline) ::usleep(5'000);
  const auto last = last_status(folder);
  return last && last->failure ? *last->failure : Reported::from(unreachable);
}

// The first process ends at once; the shim that it leaves is nobody's child.
Status ShimDriver::execute(const std::string& folder, int report, int log) const {
  std::array<std::string, 6> words{shim_, "--enclave", folder, "--report", "fd:3", "--detach"};
  std::array<char*, 7> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  std::array<char*, 1> environment{nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, 0, 1);
  ::posix_spawn_file_actions_adddup2(&actions, log >= 0 ? log : 0, 2);
  ::posix_spawn_file_actions_adddup2(&actions, report, 3);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, shim_.c_str(), &actions, &attributes, arguments.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return fail(ErrorCode::kNotFound, "host.shim.program",
                "the shim " + shim_ + " cannot be started: " + std::strerror(error), "install Gateway again");
  }
  // In a daemon that ignores SIGCHLD this waits as well, and ends with ECHILD.
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {};
}

Result<std::string> find_program(const std::string& name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto prefix = self.parent_path().parent_path();
  // Beside this program in a build folder; PREFIX/sbin and PREFIX/libexec once installed.
  for (const auto& folder : {self.parent_path(), prefix / "sbin", prefix / "libexec/gateway",
                             std::filesystem::path("/usr/bin"), std::filesystem::path("/usr/local/bin")}) {
    const std::string path = folder / name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return fail(ErrorCode::kNotFound, "host.shim.program", "the program " + name + " is not beside this one",
              "install Gateway again, or run it from one build folder");
}

}  // namespace gateway::host
