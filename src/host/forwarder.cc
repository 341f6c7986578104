#include "host/forwarder.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/address.h"

namespace gateway::host {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kBacklogRetry{2};
constexpr std::chrono::milliseconds kOutOfDescriptorsRetry{100};

}  // namespace

Forwarder::Forwarder(net::Loop& loop, net::Descriptor listener, Connect connect, const ForwarderLimits& limits)
    : loop_(loop),
      listener_(std::move(listener)),
      connect_(std::move(connect)),
      limits_(limits),
      share_(loop, limits.spare_pipes, limits.pipe_size) {
  source_ = loop_.watch(listener_.get(), [this](bool, bool, bool) { on_acceptable(); });
  resume_ = loop_.timer([this] {
    paused_ = false;
    if (waiting_client_.valid() && !forward(std::move(waiting_client_))) return;
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
    net::Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.valid()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        return pause_accepting(kOutOfDescriptorsRetry);
      }
      if (errno == ECONNABORTED || errno == EINTR) continue;
      return;
    }
    net::set_no_delay(client.get());
    net::notice_dead_peers(client.get());
    if (!forward(std::move(client))) return;
  }
}

// False when accepting has to wait because the enclave is behind with its own.
bool Forwarder::forward(net::Descriptor client) {
  auto enclave = connect_();
  if (!enclave) {
    if (enclave.error().code() == ErrorCode::kLimitExceeded) {
      waiting_client_ = std::move(client);
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
  *self = std::make_unique<net::Relay>(share_, std::move(client), *std::move(enclave), [this, self] { closed(self); });
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
