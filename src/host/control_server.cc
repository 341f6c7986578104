#include "host/control_server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/log.h"
#include "host/unix_socket.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMaxCallers = 64;
constexpr std::chrono::milliseconds kIdleTime{600'000};
constexpr std::chrono::milliseconds kWriteTime{30'000};
constexpr int kBacklog = 64;

std::pair<std::string, std::string> split_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

ControlServer::ControlServer(std::string path, net::Descriptor listener, Handler handler)
    : path_(std::move(path)), listener_(std::move(listener)), handler_(std::move(handler)) {}

Result<std::unique_ptr<ControlServer>> ControlServer::open(const ControlServerOptions& options, Handler handler) {
  const auto [folder_path, name] = split_path(options.path);
  GATEWAY_ASSIGN(const net::Descriptor folder, open_folder(folder_path));
  // Closed to all but the owner until its group is set.
  GATEWAY_ASSIGN(net::Descriptor listener, listen_in_folder(folder.get(), name, 0600, kBacklog));
  const bool shared = options.group.has_value();
  if ((shared && ::lchown(options.path.c_str(), static_cast<uid_t>(-1), *options.group) != 0) ||
      ::chmod(options.path.c_str(), shared ? options.mode : options.mode & 0700U) != 0) {
    return fail(ErrorCode::kInternal, "host.socket.listen",
                "the permissions of " + options.path + " cannot be set: " + std::strerror(errno));
  }
  return std::unique_ptr<ControlServer>(new ControlServer(options.path, std::move(listener), std::move(handler)));
}

ControlServer::~ControlServer() {
  ::unlink(path_.c_str());
  listener_.reset();
  // Their next read ends; an answer that is being worked out is still sent.
  for (auto& caller : callers_) {
    if (!caller.over) ::shutdown(caller.socket, SHUT_RD);
  }
  reap(true);
}

void ControlServer::serve(int stop) {
  std::array<pollfd, 2> events{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop, POLLIN, 0}};
  for (;;) {
    if (::poll(events.data(), events.size(), -1) < 0) continue;
    if (events[1].revents != 0) return;
    if (events[0].revents != 0) welcome();
  }
}

void ControlServer::welcome() {
  net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  reap(false);
  if (!socket.valid()) return;
  if (callers_.size() >= kMaxCallers) {
    LineSocket busy(std::move(socket));
    (void)busy.write_line(encode_refusal({ErrorCode::kUnavailable, "host.daemon.busy",
                                          "too many requests are under way", "try again in a moment"}),
                          after(std::chrono::milliseconds(100)));
    return;
  }
  Caller& caller = callers_.emplace_back();
  caller.socket = socket.get();
  caller.thread = std::thread([this, &caller, owned = std::move(socket)]() mutable {
    converse(std::move(owned));
    caller.over = true;
  });
}

void ControlServer::converse(net::Descriptor socket) {
  LineSocket caller(std::move(socket));
  for (;;) {
    const auto line = caller.read_line(kMaxRequestLine, after(kIdleTime));
    if (!line) {
      if (line.error().code() == ErrorCode::kLimitExceeded) {
        (void)caller.write_line(encode_refusal(Reported::from(line.error())), after(kWriteTime));
      }
      return;
    }
    const auto request = parse_request(*line);
    const std::string answer =
        request ? handler_(*request, caller.take_descriptor()) : encode_refusal(Reported::from(request.error()));
    if (!caller.write_line(answer, after(kWriteTime)) || !request) return;
  }
}

void ControlServer::reap(bool all) {
  for (auto caller = callers_.begin(); caller != callers_.end();) {
    if (!all && !caller->over) {
      ++caller;
      continue;
    }
    caller->thread.join();
    caller = callers_.erase(caller);
  }
}

}  // namespace gateway::host
