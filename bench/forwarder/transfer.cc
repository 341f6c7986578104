#include "transfer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <vector>

namespace gateway::bench {
namespace {

constexpr std::size_t kChunk = 256UZ * 1024;

bool send_all(int to, const char* bytes, std::uint64_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(to, bytes, std::min<std::uint64_t>(size, kChunk), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    size -= static_cast<std::uint64_t>(sent);
  }
  return true;
}

// A chunk's content, over and over.
bool send_many(int to, std::uint64_t size) {
  static const std::vector<char> content(kChunk, 'x');
  while (size > 0) {
    const std::uint64_t step = std::min<std::uint64_t>(size, kChunk);
    if (!send_all(to, content.data(), step)) return false;
    size -= step;
  }
  return true;
}

bool receive_many(int from, std::uint64_t size) {
  std::vector<char> buffer(kChunk);
  while (size > 0) {
    const ssize_t got = ::recv(from, buffer.data(), std::min<std::uint64_t>(size, kChunk), 0);
    if (got <= 0) return false;
    size -= static_cast<std::uint64_t>(got);
  }
  return true;
}

struct Order {
  char kind;
  std::uint64_t size;
};

bool send_order(int to, const Order& order) {
  std::array<char, 9> bytes{order.kind};
  std::memcpy(bytes.data() + 1, &order.size, sizeof order.size);
  return send_all(to, bytes.data(), bytes.size());
}

bool go_in(int socket, const std::string& preface) {
  if (preface.empty()) return true;
  if (!send_all(socket, preface.data(), preface.size())) return false;
  std::string answer;
  for (char byte = 0; !answer.ends_with("\r\n\r\n"); answer.push_back(byte)) {
    if (::recv(socket, &byte, 1, 0) != 1) return false;
  }
  return answer.starts_with("HTTP/1.1 200");
}

net::Descriptor connect(const Entrance& entrance) {
  net::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(entrance.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (int i = 0; i < 200; ++i) {
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return go_in(socket.get(), entrance.preface) ? std::move(socket) : net::Descriptor();
    }
    ::usleep(10'000);
  }
  return {};
}

template <class Each>
bool on_each(unsigned connections, Each each) {
  std::atomic<bool> good{true};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < connections; ++i) {
    threads.emplace_back([&] {
      if (!each()) good = false;
    });
  }
  for (auto& thread : threads) thread.join();
  return good;
}

}  // namespace

void serve(const net::Descriptor& client) {
  std::array<char, 9> bytes{};
  if (::recv(client.get(), bytes.data(), bytes.size(), MSG_WAITALL) != static_cast<ssize_t>(bytes.size())) return;
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data() + 1, sizeof size);
  if (bytes[0] == 'd') {
    send_many(client.get(), size);
  } else if (bytes[0] == 'u') {
    if (receive_many(client.get(), size)) send_many(client.get(), 1);
  } else {
    while (receive_many(client.get(), size) && send_many(client.get(), size)) {
    }
  }
}

LoadServer::LoadServer(net::Descriptor listener) : listener_(std::move(listener)) {
  thread_ = std::thread([this] {
    for (;;) {
      net::Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client.valid()) return;
      std::thread([owned = std::move(client)] { serve(owned); }).detach();
    }
  });
}

LoadServer::~LoadServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
}

bool transfer(const Entrance& entrance, Direction direction, std::uint64_t bytes, unsigned connections) {
  const std::uint64_t share = bytes / connections;
  return on_each(connections, [&] {
    const net::Descriptor socket = connect(entrance);
    if (direction == Direction::kDown) {
      return send_order(socket.get(), {'d', share}) && receive_many(socket.get(), share);
    }
    return send_order(socket.get(), {'u', share}) && send_many(socket.get(), share) && receive_many(socket.get(), 1);
  });
}

bool exchange(const Entrance& entrance, std::uint64_t size, unsigned rounds, unsigned connections) {
  return on_each(connections, [&] {
    const net::Descriptor socket = connect(entrance);
    bool good = send_order(socket.get(), {'e', size});
    for (unsigned i = 0; i < rounds / connections && good; ++i) {
      good = send_many(socket.get(), size) && receive_many(socket.get(), size);
    }
    return good;
  });
}

}  // namespace gateway::bench
