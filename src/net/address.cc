#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>
#include <vector>

namespace gateway::net {
namespace {

constexpr std::size_t kMaxHostName = 253;  // RFC 1035 §2.3.4, as text

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  template <class T>
  T& as() {
    size = sizeof(T);
    return reinterpret_cast<T&>(storage);
  }
};

std::unexpected<Error> bad_address(std::string detail) {
  return fail(ErrorCode::kInvalidArgument, "net.address", std::move(detail),
              "write tcp://HOST:PORT, unix:///PATH, vsock://CID:PORT or fd:N");
}

std::unexpected<Error> connect_failed(const Address& address, int error) {
  return fail(ErrorCode::kUnavailable, "net.connect",
              "no connection to " + address.to_string() + ": " + std::strerror(error),
              "check that something listens there");
}

std::unexpected<Error> listen_failed(const Address& address, int error) {
  if (error == EADDRINUSE) {
    return fail(ErrorCode::kUnavailable, "net.address_in_use", address.to_string() + " is in use already",
                address.kind == Address::Kind::kUnix ? "stop what listens there; if nothing does, remove the file"
                                                     : "stop what listens there, or choose another port");
  }
  return fail(ErrorCode::kUnavailable, "net.listen",
              "cannot listen on " + address.to_string() + ": " + std::strerror(error));
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t greatest) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > greatest) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

bool is_name(std::string_view host) {
  if (host.empty() || host.size() > kMaxHostName) return false;
  return std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

bool is_ipv6(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

bool fill_literal(const Address& address, SocketAddress& out) {
  const std::uint16_t port = htons(static_cast<std::uint16_t>(address.port));
  in_addr v4{};
  if (::inet_pton(AF_INET, address.host.c_str(), &v4) == 1) {
    auto& target = out.as<sockaddr_in>();
    target.sin_family = AF_INET;
    target.sin_port = port;
    target.sin_addr = v4;
    return true;
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, address.host.c_str(), &v6) == 1) {
    auto& target = out.as<sockaddr_in6>();
    target.sin6_family = AF_INET6;
    target.sin6_port = port;
    target.sin6_addr = v6;
    return true;
  }
  return false;
}

Result<std::vector<SocketAddress>> resolve_tcp(const Address& address) {
  SocketAddress literal;
  if (fill_literal(address, literal)) return std::vector{literal};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return fail(ErrorCode::kUnavailable, "net.connect",
                "the name in " + address.to_string() + " does not resolve: " + ::gai_strerror(error),
                "check the name and this machine's name service");
  }
  std::vector<SocketAddress> out;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    SocketAddress one;
    if (each->ai_addrlen > sizeof one.storage) continue;
    std::memcpy(&one.storage, each->ai_addr, each->ai_addrlen);
    one.size = each->ai_addrlen;
    const std::uint16_t port = htons(static_cast<std::uint16_t>(address.port));
    if (each->ai_family == AF_INET) reinterpret_cast<sockaddr_in&>(one.storage).sin_port = port;
    else if (each->ai_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(one.storage).sin6_port = port;
    else continue;
    out.push_back(one);
  }
  ::freeaddrinfo(found);
  if (out.empty()) return connect_failed(address, EADDRNOTAVAIL);
  return out;
}

// Never empty.
Result<std::vector<SocketAddress>> resolve(const Address& address) {
  SocketAddress out;
  switch (address.kind) {
    case Address::Kind::kTcp: return resolve_tcp(address);
    case Address::Kind::kUnix: {
      auto& target = out.as<sockaddr_un>();
      target.sun_family = AF_UNIX;
      if (address.host.size() >= sizeof target.sun_path) {
        return bad_address("a Unix socket's path has at most " + std::to_string(sizeof target.sun_path - 1) +
                           " bytes; this one has " + std::to_string(address.host.size()));
      }
      std::ranges::copy(address.host, target.sun_path);
      return std::vector{out};
    }
    case Address::Kind::kVsock: {
      auto& target = out.as<sockaddr_vm>();
      target.svm_family = AF_VSOCK;
      target.svm_cid = address.cid;
      target.svm_port = address.port;
      return std::vector{out};
    }
    case Address::Kind::kDescriptor: break;
  }
  return fail(ErrorCode::kInternal, "net.address", "a descriptor has no address to resolve");
}

// Takes over an inherited descriptor after checking that it is the kind of socket that is meant.
Result<Descriptor> adopt(const Address& address, bool listening) {
  const int number = static_cast<int>(address.port);
  int accepts = 0;
  socklen_t size = sizeof accepts;
  if (::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0) {
    return bad_address(address.to_string() + " is not a socket: " + std::strerror(errno));
  }
  if ((accepts != 0) != listening) {
    return bad_address(address.to_string() + (listening ? " is not a listening socket" : " is a listening socket"));
  }
  Descriptor out(number);
  const int flags = ::fcntl(number, F_GETFL);
  if (flags < 0 || ::fcntl(number, F_SETFL, flags | O_NONBLOCK) != 0 || ::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) {
    return bad_address(address.to_string() + ": " + std::strerror(errno));
  }
  return out;
}

Descriptor open_socket(const SocketAddress& to) {
  return Descriptor(::socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// The descriptor of a connect that has succeeded or is under way, or errno.
std::expected<Descriptor, int> begin_connect(const SocketAddress& to) {
  Descriptor socket = open_socket(to);
  if (!socket.valid()) return std::unexpected(errno);
  if (to.storage.ss_family != AF_UNIX) set_no_delay(socket.get());
  if (::connect(socket.get(), to.get(), to.size) != 0 && errno != EINPROGRESS) return std::unexpected(errno);
  return socket;
}

int pending_error(int file_descriptor) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(file_descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

// 0, or errno.
int wait_connected(int file_descriptor, std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return ETIMEDOUT;
    pollfd wanted{.fd = file_descriptor, .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left, 3'600'000)));
    if (ready > 0) return pending_error(file_descriptor);
    if (ready < 0 && errno != EINTR) return errno;
  }
}

}  // namespace

Result<Address> Address::parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_address("a TCP address needs a port: HOST:PORT");
  const auto port = parse_number(text.substr(colon + 1), 65'535);
  if (!port) return bad_address("a TCP port is a number from 0 to 65535");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  Address out{.kind = Kind::kTcp, .host = std::string(host), .port = *port};
  if (bracketed ? !is_ipv6(out.host) : !is_name(host)) {
    return bad_address("the host must be a name, an IPv4 address or an IPv6 address in brackets");
  }
  return out;
}

Result<Address> Address::parse_url(std::string_view url) {
  const auto after = [&url](std::string_view prefix) -> std::optional<std::string_view> {
    if (!url.starts_with(prefix)) return std::nullopt;
    return url.substr(prefix.size());
  };
  if (const auto rest = after("tcp://")) return parse_host_port(*rest);
  if (const auto path = after("unix://")) {
    if (!path->starts_with('/') || path->size() < 2 || path->find('\0') != std::string_view::npos) {
      return bad_address("a Unix socket needs an absolute path: unix:///PATH");
    }
    return Address{.kind = Kind::kUnix, .host = std::string(*path)};
  }
  if (const auto rest = after("vsock://")) {
    const std::size_t colon = rest->find(':');
    if (colon == std::string_view::npos) return bad_address("a vsock address needs a port: vsock://CID:PORT");
    const auto cid = parse_number(rest->substr(0, colon), UINT32_MAX);
    const auto port = parse_number(rest->substr(colon + 1), UINT32_MAX);
    if (!cid || !port) return bad_address("a vsock address is two numbers: vsock://CID:PORT");
    return Address{.kind = Kind::kVsock, .host = {}, .cid = *cid, .port = *port};
  }
  if (const auto rest = after("fd:")) {
    const auto number = parse_number(*rest, INT32_MAX);
    if (!number) return bad_address("an inherited descriptor is a number: fd:N");
    return Address{.kind = Kind::kDescriptor, .host = {}, .port = *number};
  }
  return bad_address("the address is neither HOST:PORT nor tcp://, unix://, vsock:// or fd:");
}

std::string Address::to_string() const {
  switch (kind) {
    case Kind::kTcp:
      return "tcp://" + (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
    case Kind::kUnix: return "unix://" + host;
    case Kind::kVsock: return "vsock://" + std::to_string(cid) + ":" + std::to_string(port);
    case Kind::kDescriptor: return "fd:" + std::to_string(port);
  }
  return {};
}

Result<Descriptor> listen_on(const Address& address, int backlog) {
  if (address.kind == Address::Kind::kDescriptor) return adopt(address, true);
  GATEWAY_ASSIGN(const std::vector<SocketAddress> targets, resolve(address));
  const SocketAddress& target = targets.front();
  Descriptor socket = open_socket(target);
  if (!socket.valid()) return listen_failed(address, errno);
  if (address.kind == Address::Kind::kTcp) {
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (::bind(socket.get(), target.get(), target.size) != 0 || ::listen(socket.get(), backlog) != 0) {
    return listen_failed(address, errno);
  }
  return socket;
}

Result<Descriptor> start_connect(const Address& address) {
  if (address.kind == Address::Kind::kDescriptor) return adopt(address, false);
  GATEWAY_ASSIGN(const std::vector<SocketAddress> targets, resolve(address));
  auto socket = begin_connect(targets.front());
  if (!socket) return connect_failed(address, socket.error());
  return std::move(*socket);
}

Result<Descriptor> connect_to(const Address& address, int timeout_ms) {
  if (address.kind == Address::Kind::kDescriptor) return adopt(address, false);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  GATEWAY_ASSIGN(const std::vector<SocketAddress> targets, resolve(address));
  int error = 0;
  for (const SocketAddress& target : targets) {
    auto socket = begin_connect(target);
    error = socket ? wait_connected(socket->get(), deadline) : socket.error();
    if (error == 0) return std::move(*socket);
  }
  return connect_failed(address, error);
}

Status take_socket_error(int file_descriptor) {
  const int error = pending_error(file_descriptor);
  if (error == 0) return {};
  return fail(ErrorCode::kUnavailable, "net.connect", std::string("the connection failed: ") + std::strerror(error));
}

Result<std::uint16_t> local_port(int file_descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(file_descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return bad_address(std::string("the descriptor has no local address: ") + std::strerror(errno));
  }
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(storage).sin6_port);
  return bad_address("the descriptor is not a TCP socket");
}

void set_no_delay(int file_descriptor) {
  const int on = 1;
  ::setsockopt(file_descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void set_abort_on_close(int file_descriptor) {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(file_descriptor, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

}  // namespace gateway::net
