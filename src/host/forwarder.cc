#include "host/forwarder.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "net/address.h"
#include "net/proxy_protocol.h"

namespace gateway::host {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kBacklogRetry{2};
constexpr std::chrono::milliseconds kOutOfDescriptorsRetry{100};

constexpr std::size_t kMaxSources = 65'536;

std::optional<net::IpEndpoint> endpoint_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ByteArray<4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return net::IpEndpoint{*net::IpAddress::from_bytes(bytes), ntohs(v4.sin_port)};
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ByteArray<16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return net::IpEndpoint{*net::IpAddress::from_bytes(bytes), ntohs(v6.sin6_port)};
  }
  return std::nullopt;
}

net::IpEndpoint own_endpoint(int socket, const net::IpEndpoint& otherwise) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0) return otherwise;
  return endpoint_of(own).value_or(otherwise);
}

}  // namespace

Forwarder::Forwarder(net::Loop& loop, net::Descriptor listener, Connect connect, const ForwarderLimits& limits)
    : loop_(loop),
      listener_(std::move(listener)),
      connect_(std::move(connect)),
      limits_(limits),
      share_(loop, limits.spare_pipes, limits.pipe_size, limits.in, limits.out) {
  source_ = loop_.watch(listener_.get(), [this](bool, bool, bool) { on_acceptable(); });
  resume_ = loop_.timer([this] {
    paused_ = false;
    if (waiting_client_.valid() && !forward(std::move(waiting_client_), std::move(waiting_first_))) return;
    if (source_) source_->want(true, false);
  });
  source_->want(true, false);
}

Forwarder::~Forwarder() = default;

void Forwarder::stop_accepting() {
  source_.reset();
  resume_->disarm();
  listener_.reset();
  waiting_client_.reset();
}

void Forwarder::pause_accepting(std::chrono::milliseconds duration) {
  paused_ = true;
  if (source_) source_->want(false, false);
  resume_->arm(duration);
}

void Forwarder::on_acceptable() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (count_ >= limits_.max_connections) {
      source_->want(false, false);  // closed() asks again
      return;
    }
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    net::Descriptor client(
        ::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.valid()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        return pause_accepting(kOutOfDescriptorsRetry);
      }
      if (errno == ECONNABORTED || errno == EINTR) continue;
      return;
    }
    const auto source = endpoint_of(peer);
    if (source && !may_connect(source->address)) {
      ++refused_;
      net::set_abort_on_close(client.get());
      continue;
    }
    net::set_no_delay(client.get());
    net::notice_dead_peers(client.get());
    Bytes first;
    if (limits_.client_address && source)
      first = net::encode_proxy_header(*source, own_endpoint(client.get(), *source));
    if (!forward(std::move(client), std::move(first))) return;
  }
}

bool Forwarder::may_connect(const net::IpAddress& source) {
  if (!limits_.per_source.bounded()) return true;
  const auto now = loop_.now();
  net::IpAddress key = source;
  if (key.v6) std::fill(key.bytes.begin() + 8, key.bytes.end(), std::uint8_t{0});
  if (sources_.size() >= kMaxSources && !sources_.contains(key)) {
    // Those that have been quiet long enough are as new.
    for (auto each = sources_.begin(); each != sources_.end();) {
      each = each->second.full(now) ? sources_.erase(each) : std::next(each);
    }
    if (sources_.size() >= kMaxSources) return false;
  }
  net::Pace& pace = sources_.try_emplace(key, limits_.per_source, now).first->second;
  if (pace.available(1, now) == 0) return false;
  pace.take(1);
  return true;
}

// False when accepting has to wait because the enclave is behind with its own.
bool Forwarder::forward(net::Descriptor client, Bytes first) {
  auto enclave = connect_();
  if (!enclave) {
    if (enclave.error().code() == ErrorCode::kLimitExceeded) {
      waiting_client_ = std::move(client);
      waiting_first_ = std::move(first);
      pause_accepting(kBacklogRetry);
      return false;
    }
    net::set_abort_on_close(client.get());  // nobody is there: the client learns it at once
    return true;
  }
  ++accepted_;
  ++count_;
  connections_.emplace_front();
  const auto self = connections_.begin();
  *self = std::make_unique<net::Relay>(
      share_, std::move(client), *std::move(enclave), [this, self] { closed(self); }, std::move(first));
  (*self)->start();
  return true;
}

void Forwarder::closed(std::list<std::unique_ptr<net::Relay>>::iterator connection) {
  --count_;
  // It is on the stack of its own callback; it goes when that has returned.
  loop_.defer([gone = std::shared_ptr<net::Relay>(std::move(*connection))] {});
  connections_.erase(connection);
  if (source_ && !paused_) source_->want(true, false);
}

}  // namespace gateway::host
