#include "reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace {

constexpr int kConnectMs = 20'000;

// Both families, as the address says.
int open_socket(const std::string& address, unsigned port, int type, sockaddr_storage& to, socklen_t& size) {
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&to);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&to);
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<in_port_t>(port));
    size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<in_port_t>(port));
    size = sizeof *v6;
  } else {
    return -1;
  }
  return ::socket(to.ss_family, type | SOCK_CLOEXEC, 0);
}

std::string failure(const char* step) { return std::string(step) + ": " + ::strerrorname_np(errno); }

std::string receive(int socket, unsigned long idle_ms, bool stream) {
  std::string out = "ok:";
  char chunk[65536];
  for (pollfd one{socket, POLLIN, 0}; ::poll(&one, 1, static_cast<int>(idle_ms)) == 1;) {
    const ssize_t got = ::recv(socket, chunk, sizeof chunk, 0);
    if (got < 0) return out + "<" + ::strerrorname_np(errno) + ">";
    if (got == 0 && stream) return out;
    out.append(chunk, static_cast<std::size_t>(got));
    if (!stream) return out;
  }
  return out + "<open>";
}

}  // namespace

std::string reach_tcp(const std::string& address, unsigned port, const std::string& bytes, unsigned long idle_ms) {
  sockaddr_storage to{};
  socklen_t size = 0;
  const int socket = open_socket(address, port, SOCK_STREAM | SOCK_NONBLOCK, to, size);
  if (socket < 0) return "no address";
  std::string result;
  pollfd writable{socket, POLLOUT, 0};
  int error = 0;
  socklen_t length = sizeof error;
  if (::connect(socket, reinterpret_cast<sockaddr*>(&to), size) != 0 && errno != EINPROGRESS) {
    result = failure("connect");
  } else if (::poll(&writable, 1, kConnectMs) != 1) {
    result = "connect: no answer";
  } else if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) {
    errno = error;
    result = failure("connect");
  } else {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t part = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (part < 0 && errno == EAGAIN) {
        ::poll(&writable, 1, kConnectMs);
      } else if (part <= 0) {
        break;
      } else {
        sent += static_cast<std::size_t>(part);
      }
    }
    result = receive(socket, idle_ms, true);
  }
  ::close(socket);
  return result;
}

std::string reach_udp(const std::string& address, unsigned port, const std::string& bytes, unsigned long idle_ms) {
  sockaddr_storage to{};
  socklen_t size = 0;
  const int socket = open_socket(address, port, SOCK_DGRAM, to, size);
  if (socket < 0) return "no address";
  std::string result;
  if (::connect(socket, reinterpret_cast<sockaddr*>(&to), size) != 0) result = failure("connect");
  else if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) result = failure("send");
  else result = receive(socket, idle_ms, false);
  ::close(socket);
  return result;
}
