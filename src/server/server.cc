#include "server/server.h"

#include <errno.h>
#include <sys/socket.h>

#include "server/core.h"

namespace gateway::server {
namespace {

// Connections taken in one go, so that a burst of them does not keep the others waiting.
constexpr int kAcceptBatch = 16;
// Out of descriptors or memory: what runs must end first.
constexpr std::chrono::milliseconds kAcceptPause{100};

bool is_tcp(int file_descriptor) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(file_descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
         (domain == AF_INET || domain == AF_INET6);
}

}  // namespace

bool ServerCore::make_room() {
  if (connections.size() < limits.max_connections) return true;
  Connection* longest = nullptr;
  for (const auto& connection : connections) {
    const auto since = connection->idle_since();
    if (since && (longest == nullptr || *since < *longest->idle_since())) longest = connection.get();
  }
  if (longest != nullptr) longest->close_idle();
  return connections.size() < limits.max_connections;
}

void ServerCore::adopt(std::unique_ptr<Connection> connection) {
  connection->index = connections.size();
  connections.push_back(std::move(connection));
  metrics.connections_now = connections.size();
  connections.back()->start();
}

void ServerCore::remove(Connection& connection) {
  const std::size_t at = connection.index;
  ended_connections.push_back(std::move(connections[at]));
  if (at + 1 != connections.size()) {
    connections[at] = std::move(connections.back());
    connections[at]->index = at;
  }
  connections.pop_back();
  metrics.connections_now = connections.size();
  schedule_burial();
}

void ServerCore::bury(std::unique_ptr<Exchange> exchange) {
  ended_exchanges.push_back(std::move(exchange));
  schedule_burial();
}

void ServerCore::schedule_burial() {
  if (burial_due) return;
  burial_due = true;
  loop.defer([weak = weak_from_this()] {
    const std::shared_ptr<ServerCore> core = weak.lock();
    if (!core) return;
    core->burial_due = false;
    core->ended_exchanges.clear();
    core->ended_connections.clear();
    core->report_drained();
  });
}

void ServerCore::report_drained() {
  if (draining && connections.empty() && drained) std::exchange(drained, nullptr)();
}

struct Server::Impl {
  std::shared_ptr<ServerCore> core;
  net::Descriptor listener;
  bool tcp = false;
  std::unique_ptr<net::Source> source;
  std::unique_ptr<net::Timer> pause;

  void accept_some();
  void accept_one(net::Descriptor socket);
};

void Server::Impl::accept_some() {
  for (int i = 0; i < kAcceptBatch; ++i) {
    net::Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.valid()) {
      accept_one(std::move(socket));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      source->want(false, false);
      pause->arm(kAcceptPause);
    }
    if (errno != EINTR && errno != ECONNABORTED) return;
  }
}

void Server::Impl::accept_one(net::Descriptor socket) {
  if (!core->make_room()) {
    // A handshake for the sake of a 503 would cost more than the connection that is refused.
    ++core->metrics.connections_refused;
    return;
  }
  ++core->metrics.connections_accepted;
  if (tcp) net::set_no_delay(socket.get());
  auto stream = channel::TlsStream::accept(core->tls, std::move(socket));
  if (!stream) {
    ++core->metrics.handshakes_failed;
    return;
  }
  core->adopt(std::make_unique<Connection>(*core, std::move(*stream)));
}

Server::Server(net::Loop& loop, channel::TlsContext tls, net::Descriptor listener, Dial workload, ServerLimits limits,
               Gate& gate)
    : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.core = std::make_shared<ServerCore>(loop, std::move(tls), limits, gate, std::move(workload));
  impl.listener = std::move(listener);
  impl.tcp = is_tcp(impl.listener.get());
  impl.source = loop.watch(impl.listener.get(), [&impl](bool, bool, bool) { impl.accept_some(); });
  impl.pause = loop.timer([&impl] {
    if (impl.source) impl.source->want(true, false);
  });
  impl.source->want(true, false);
}

Server::~Server() = default;

void Server::drain(std::function<void()> drained) {
  ServerCore& core = *impl_->core;
  impl_->source.reset();
  impl_->listener.reset();
  core.draining = true;
  core.drained = std::move(drained);
  core.pool.clear();
  // Ending a connection moves the last one into its place.
  for (std::size_t i = core.connections.size(); i > 0; --i) core.connections[i - 1]->drain();
  core.schedule_burial();
}

const ServerMetrics& Server::metrics() const { return impl_->core->metrics; }

}  // namespace gateway::server
