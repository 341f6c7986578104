#include "sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>

#include "net/address.h"

namespace gateway::hostile {
namespace {

constexpr int kConnectTimeMs = 10'000;

void make_blocking(int socket) {
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  const timeval limit{.tv_sec = kSocketTimeout.count(), .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  net::set_no_delay(socket);
}

}  // namespace

Result<net::Descriptor> dial(const std::string& host_port) {
  GATEWAY_ASSIGN(const net::Address address, net::Address::parse_host_port(host_port));
  GATEWAY_ASSIGN(net::Descriptor socket, net::connect_to(address, kConnectTimeMs));
  make_blocking(socket.get());
  return socket;
}

Status serve_for_ever(const std::string& listen, const std::function<void(const std::string&)>& announce,
                      const std::function<void(net::Descriptor, unsigned)>& serve) {
  GATEWAY_ASSIGN(net::Address address, net::Address::parse_host_port(listen));
  GATEWAY_ASSIGN(const net::Descriptor listener, net::listen_on(address));
  GATEWAY_ASSIGN(const std::uint16_t port, net::local_port(listener.get()));
  announce(address.host + ":" + std::to_string(port));
  std::atomic<unsigned> open{0};
  for (unsigned number = 0;;) {
    pollfd ready{listener.get(), POLLIN, 0};
    ::poll(&ready, 1, -1);
    net::Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid() || open >= kMaxConnections) continue;
    make_blocking(socket.get());
    ++open;
    std::thread([&open, &serve, number, socket = std::move(socket)]() mutable {
      serve(std::move(socket), number);
      --open;
    }).detach();
    ++number;
  }
}

Readiness wait_for_either(int first, int second) {
  std::array<pollfd, 2> both{{{first, POLLIN, 0}, {second, POLLIN, 0}}};
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(kSocketTimeout);
  if (::poll(both.data(), both.size(), static_cast<int>(limit.count())) <= 0) return {};
  return {both[0].revents != 0, both[1].revents != 0};
}

bool send_all(int socket, const void* bytes, std::size_t size) {
  const auto* at = static_cast<const std::uint8_t*>(bytes);
  while (size > 0) {
    const ssize_t sent = ::send(socket, at, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace gateway::hostile
