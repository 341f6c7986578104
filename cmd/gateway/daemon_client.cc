#include "daemon_client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "codec/json.h"
#include "host/daemon_config.h"
#include "host/files.h"
#include "host/local_driver.h"

namespace gateway::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStartTime{5'000};
constexpr const char* kSystemSocket = "/var/lib/gateway/gatewayd.sock";
constexpr const char* kSystemUnit = "/etc/systemd/system/multi-user.target.wants/gatewayd.service";

bool told_where() { return std::getenv("GATEWAY_SOCKET") != nullptr || std::getenv("GATEWAY_STATE") != nullptr; }

std::vector<std::string> candidate_sockets() {
  std::vector<std::string> sockets{host::socket_in(host::state_folder_of_user())};
  if (!told_where() && sockets.front() != kSystemSocket) sockets.emplace_back(kSystemSocket);
  return sockets;
}

Reported unreachable(const std::string& socket) {
  return {ErrorCode::kUnavailable, "daemon.unreachable", "no gatewayd answers on " + socket,
          "type: gatewayd   (in another terminal), or: sudo systemctl start gatewayd"};
}

// In a session of its own, so that it outlives this terminal; its log lies in the state folder.
Outcome<pid_t> spawn_daemon(const std::string& program, const std::string& log) {
  const net::Descriptor file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, file.valid() ? file.get() : 0, 1);
  ::posix_spawn_file_actions_adddup2(&actions, file.valid() ? file.get() : 0, 2);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string name = program;
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error == 0) return pid;
  return std::unexpected(
      Reported{ErrorCode::kUnavailable, "daemon.start", std::string("gatewayd: ") + std::strerror(error), {}});
}

}  // namespace

Outcome<DaemonClient> DaemonClient::connect() {
  const auto sockets = candidate_sockets();
  for (const auto& path : sockets) {
    if (auto socket = host::connect_to_path(path)) return DaemonClient(*std::move(socket));
    if (errno == EACCES) {
      return std::unexpected(Reported{ErrorCode::kUnavailable, "daemon.unreachable", "you may not use " + path,
                                      "ask for membership in its group, or run a gatewayd of your own"});
    }
  }
  return std::unexpected(unreachable(sockets.front()));
}

Outcome<DaemonClient> DaemonClient::connect_or_start() {
  auto connected = connect();
  if (connected || ::access(kSystemUnit, F_OK) == 0) return connected;
  const std::string state = host::state_folder_of_user();
  const std::string log = state + "/gatewayd.log";
  struct stat status{};
  if (::stat(state.c_str(), &status) != 0) {
    GATEWAY_TRY_REPORTED(host::make_folder(state, ::geteuid() == 0 ? 0711 : 0700));
  }
  GATEWAY_ASSIGN_REPORTED(const std::string program, host::find_program("gatewayd"));
  auto pid = spawn_daemon(program, log);
  if (!pid) return std::unexpected(std::move(pid).error());
  say("gateway: no gatewayd was running; started one (pid " + std::to_string(*pid) + ", log " + log + ")");
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  while (std::chrono::steady_clock::now() < deadline && ::waitpid(*pid, nullptr, WNOHANG) == 0) {
    connected = connect();
    if (connected) return connected;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return std::unexpected(Reported{ErrorCode::kUnavailable, "daemon.start", "gatewayd ended, or did not answer in time",
                                  "look into " + log});
}

Outcome<boost::json::object> DaemonClient::ask(const host::Request& request, milliseconds patience, int image) {
  GATEWAY_TRY_REPORTED(socket_.write_line(host::encode_request(request), host::after(kQuickAnswer), image));
  const auto line = socket_.read_line(host::kMaxAnswerLine, host::after(patience));
  if (!line) {
    return std::unexpected(Reported{ErrorCode::kUnavailable, "daemon.silent",
                                    "gatewayd did not answer: " + line.error().detail(),
                                    "look into its log, then type: gateway ps"});
  }
  GATEWAY_ASSIGN_REPORTED(host::Answer answer, host::parse_answer(*line));
  if (answer.refusal) return std::unexpected(*std::move(answer.refusal));
  GATEWAY_ASSIGN_REPORTED(boost::json::value value, codec::parse_json(answer.body, {.bytes = host::kMaxAnswerLine}));
  return std::move(value.as_object());
}

int report_refusal(const Reported& refusal) {
  const bool colour = colour_on_stderr();
  say((colour ? "\x1b[31m" : "") + std::string("gateway: ") + refusal.id + (colour ? "\x1b[0m" : ""));
  if (!refusal.detail.empty()) say("  " + safe(refusal.detail));
  if (!refusal.remedy.empty()) say("  what to do: " + safe(refusal.remedy));
  return exit_status(refusal.code);
}

Outcome<std::string> listen_of_enclave(const std::string& name) {
  auto daemon = DaemonClient::connect();
  if (!daemon) return std::unexpected(std::move(daemon).error());
  auto answer = daemon->ask(host::InspectRequest{name}, kQuickAnswer);
  if (!answer) return std::unexpected(std::move(answer).error());
  const auto* enclave = object_of(*answer, "enclave");
  if (enclave == nullptr || text_of(*enclave, "state") != "ready") {
    return std::unexpected(Reported{ErrorCode::kUnavailable, "daemon.enclave_not_ready",
                                    "the enclave " + name + " is not ready", "type: gateway ps --all"});
  }
  return text_of(*enclave, "listen");
}

std::string text_of(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->as_string())) : std::string();
}

std::int64_t number_of(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

const boost::json::object* object_of(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr ? value->if_object() : nullptr;
}

std::string safe(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

DeploymentFiles deployment_files(const std::string& name) {
  return {host::state_folder_of_user() + "/deployments/" + name};
}

}  // namespace gateway::cli
