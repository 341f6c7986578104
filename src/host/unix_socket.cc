#include "host/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace gateway::host {
namespace {

constexpr std::size_t kMaxPassed = 8;
constexpr std::size_t kReadSize = 64UZ * 1024;

std::unexpected<Error> system_failure(ErrorCode code, ErrorId id, std::string_view what) {
  return fail(code, id, std::string(what) + ": " + std::strerror(errno));
}

// A path of any length fits sun_path when it goes through the open folder.
Result<sockaddr_un> address_in_folder(int folder, const std::string& name) {
  const std::string path = "/proc/self/fd/" + std::to_string(folder) + "/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalidArgument, "host.socket.connect", "a socket's name is too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<net::Descriptor> unix_stream_socket() {
  net::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return system_failure(ErrorCode::kInternal, "host.socket.listen", "no socket to be had");
  return socket;
}

// Waits until the socket is ready for `events` or the deadline has passed.
Status wait_for(int socket, short events, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return fail(ErrorCode::kUnavailable, "host.socket.timeout", "no answer in time");
    pollfd one{socket, events, 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::min<long long>(left, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) {
      return system_failure(ErrorCode::kInternal, "host.socket.closed", "waiting on a socket failed");
    }
  }
}

}  // namespace

Result<net::Descriptor> open_folder(const std::string& path) {
  net::Descriptor folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) {
    return system_failure(ErrorCode::kUnavailable, "host.socket.connect", "the folder " + path + " cannot be opened");
  }
  return folder;
}

Result<net::Descriptor> listen_in_folder(int folder, const std::string& name, mode_t mode, int backlog) {
  GATEWAY_ASSIGN(const sockaddr_un address, address_in_folder(folder, name));
  GATEWAY_ASSIGN(net::Descriptor socket, unix_stream_socket());
  ::unlinkat(folder, name.c_str(), 0);
  // The mode of the socket's inode before bind is the most that the path gets, so nobody can slip in between.
  if (::fchmod(socket.get(), mode) != 0 ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::fchmodat(folder, name.c_str(), mode, 0) != 0 || ::listen(socket.get(), backlog) != 0) {
    return system_failure(ErrorCode::kInternal, "host.socket.listen", "the socket " + name + " cannot be made");
  }
  return socket;
}

Result<net::Descriptor> connect_in_folder(int folder, const std::string& name) {
  GATEWAY_ASSIGN(const sockaddr_un address, address_in_folder(folder, name));
  GATEWAY_ASSIGN(net::Descriptor socket, unix_stream_socket());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EAGAIN) return fail(ErrorCode::kLimitExceeded, "host.socket.backlog", "too many wait on " + name);
    return system_failure(ErrorCode::kUnavailable, "host.socket.connect", "nothing answers on " + name);
  }
  return socket;
}

Result<net::Descriptor> connect_to_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  GATEWAY_ASSIGN(const net::Descriptor folder, open_folder(parent));
  return connect_in_folder(folder.get(), slash == std::string::npos ? path : path.substr(slash + 1));
}

std::optional<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return Peer{credentials.pid, credentials.uid};
}

Status LineSocket::receive(Deadline deadline) {
  GATEWAY_TRY(wait_for(socket_.get(), POLLIN, deadline));
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kReadSize);
  iovec part{buffer_.data() + before, kReadSize};
  // Room for more than the one that is taken: what a peer sends too many is closed here, not left open.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxPassed * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  buffer_.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); got > 0 && header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t passed = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < passed; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof descriptor, sizeof descriptor);
      net::Descriptor one(descriptor);
      if (passed == 1) received_ = std::move(one);
    }
  }
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return {};
  return fail(ErrorCode::kUnavailable, "host.socket.closed", "the other side closed the connection");
}

Result<std::string> LineSocket::read_line(std::size_t max_size, Deadline deadline) {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos && end <= max_size) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (buffer_.size() > max_size) {
      return fail(ErrorCode::kLimitExceeded, "host.socket.line",
                  "a line is longer than the " + std::to_string(max_size) + " bytes that are allowed");
    }
    searched = buffer_.size();
    GATEWAY_TRY(receive(deadline));
  }
}

Status LineSocket::write_line(std::string_view line, Deadline deadline, int descriptor_to_send) {
  std::string whole(line);
  whole.push_back('\n');
  std::size_t sent = 0;
  while (sent < whole.size()) {
    iovec part{whole.data() + sent, whole.size() - sent};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor_to_send >= 0 && sent == 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &descriptor_to_send, sizeof descriptor_to_send);
    }
    const ssize_t got = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (got > 0) {
      sent += static_cast<std::size_t>(got);
    } else if (errno == EAGAIN) {
      GATEWAY_TRY(wait_for(socket_.get(), POLLOUT, deadline));
    } else if (errno != EINTR) {
      return fail(ErrorCode::kUnavailable, "host.socket.closed", "the other side closed the connection");
    }
  }
  return {};
}

std::optional<net::Descriptor> LineSocket::take_descriptor() {
  if (!received_.valid()) return std::nullopt;
  return std::move(received_);
}

}  // namespace gateway::host
