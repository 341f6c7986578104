#include "host/heartbeat.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/enclave_ports.h"

namespace gateway::host {

Heartbeat::Heartbeat(net::Loop& loop, net::Descriptor socket, std::function<void(bool)> beaten)
    : socket_(std::move(socket)), beaten_(std::move(beaten)) {
  source_ = loop.watch(socket_.get(), [this](bool, bool, bool) { on_readable(); });
  source_->want(true, false);
}

void Heartbeat::on_readable() {
  std::uint8_t byte = 0;
  const ssize_t got = ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const bool beats =
      got == 1 && byte == net::kHeartbeat && ::send(socket_.get(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
  source_.reset();
  const auto beaten = std::move(beaten_);
  beaten(beats);
}

}  // namespace gateway::host
