#include "egress/outlet.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/enclave_ports.h"

namespace gateway::egress {
namespace {

// A vsock may come from another guest; every other kind of listener is within reach of the host alone.
bool is_host(const sockaddr_storage& peer) {
  if (peer.ss_family != AF_VSOCK) return true;
  return reinterpret_cast<const sockaddr_vm&>(peer).svm_cid == net::kParentCid;
}

Error refusal_of(net::EgressStatus status) {
  const std::string what = "the host says: " + std::string(net::to_string(status));
  switch (status) {
    case net::EgressStatus::kRefused:
      return Error(ErrorCode::kPolicyRejected, "egress.host_refused", what,
                   "gatewayd's own [egress] allow is narrower");
    case net::EgressStatus::kTimedOut: return Error(ErrorCode::kUnavailable, "egress.timeout", what);
    case net::EgressStatus::kBusy: return Error(ErrorCode::kLimitExceeded, "egress.busy", what);
    case net::EgressStatus::kUnreachable: return Error(ErrorCode::kUnavailable, "egress.unreachable", what);
    default: return Error(ErrorCode::kUnavailable, "egress.host", what);
  }
}

}  // namespace

struct Outlet::Asked {
  Bytes request;
  std::size_t sent = 0;
  Bytes answer;
  Done done;
  net::Descriptor socket;
  std::unique_ptr<net::Source> source;
  std::unique_ptr<net::Timer> timer;
};

Outlet::Outlet(net::Loop& loop, net::Descriptor listener, std::function<void(std::uint16_t)> dial,
               std::chrono::milliseconds patience)
    : loop_(loop), listener_(std::move(listener)), dial_(std::move(dial)), patience_(patience) {
  source_ = loop_.watch(listener_.get(), [this](bool, bool, bool) { on_knock(); });
  source_->want(true, false);
}

Outlet::~Outlet() = default;

Outlet::Ticket Outlet::ask(net::EgressKind kind, ByteView body, Done done) {
  const Ticket ticket = next_++;
  auto asked = std::make_unique<Asked>();
  asked->request = net::encode_egress(static_cast<std::uint8_t>(kind), body);
  asked->done = std::move(done);
  const bool busy = asked_.size() >= kMaxAsked || body.size() > net::kMaxEgressBody;
  asked->timer = loop_.timer([this, ticket, busy] {
    finish(ticket, busy ? fail(ErrorCode::kLimitExceeded, "egress.busy", "too many wait for a way out already")
                        : fail(ErrorCode::kUnavailable, "egress.timeout", "the host gave no way out in time"));
  });
  asked->timer->arm(busy ? std::chrono::milliseconds(0) : patience_);
  asked_.emplace(ticket, std::move(asked));
  if (!busy) {
    without_way_.push_back(ticket);
    dial_(1);
  }
  return ticket;
}

void Outlet::cancel(Ticket ticket) {
  asked_.erase(ticket);
  std::erase(without_way_, ticket);
}

void Outlet::on_knock() {
  constexpr int kPerTurn = 64;
  for (int i = 0; i < kPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    net::Descriptor socket(
        ::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) return;
    if (!is_host(peer) || without_way_.empty()) continue;
    const Ticket ticket = without_way_.front();
    without_way_.pop_front();
    Asked& asked = *asked_.at(ticket);
    asked.socket = std::move(socket);
    asked.source = loop_.watch(asked.socket.get(), [this, ticket](bool readable, bool writable, bool hung_up) {
      on_ready(ticket, readable, writable, hung_up);
    });
    asked.source->want(true, true);
  }
}

void Outlet::on_ready(Ticket ticket, bool readable, bool writable, bool hung_up) {
  const auto found = asked_.find(ticket);
  if (found == asked_.end()) return;
  Asked& asked = *found->second;
  if (writable && asked.sent < asked.request.size() && !send(asked)) {
    return finish(ticket, fail(ErrorCode::kUnavailable, "egress.host", "the host closed the way out"));
  }
  if (readable || hung_up) return receive(ticket, asked);
  asked.source->want(true, asked.sent < asked.request.size());
}

bool Outlet::send(Asked& asked) {
  const ssize_t sent = ::send(asked.socket.get(), asked.request.data() + asked.sent, asked.request.size() - asked.sent,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  asked.sent += static_cast<std::size_t>(sent);
  return true;
}

// Never a byte beyond the answer: those are the connection's own.
void Outlet::receive(Ticket ticket, Asked& asked) {
  while (true) {
    std::size_t used = 0;
    auto message = net::take_egress(asked.answer, used);
    if (!message) return finish(ticket, std::unexpected(message.error()));
    if (*message) {
      const auto status = static_cast<net::EgressStatus>((*message)->code);
      if (status != net::EgressStatus::kOk) return finish(ticket, std::unexpected(refusal_of(status)));
      asked.source.reset();
      return finish(ticket, Way{.socket = std::move(asked.socket), .answer = std::move((*message)->body)});
    }
    const std::size_t have = asked.answer.size();
    const std::size_t length = have < net::kEgressHead ? 0 : std::size_t{asked.answer[1]} << 8U | asked.answer[2];
    asked.answer.resize(net::kEgressHead + length);
    const ssize_t got =
        ::recv(asked.socket.get(), asked.answer.data() + have, asked.answer.size() - have, MSG_DONTWAIT);
    asked.answer.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      return asked.source->want(true, asked.sent < asked.request.size());
    if (got <= 0) return finish(ticket, fail(ErrorCode::kUnavailable, "egress.host", "the host closed the way out"));
  }
}

void Outlet::finish(Ticket ticket, Result<Way> result) {
  const auto found = asked_.find(ticket);
  if (found == asked_.end()) return;
  const std::unique_ptr<Asked> asked = std::move(found->second);
  asked_.erase(found);
  std::erase(without_way_, ticket);
  asked->source.reset();
  asked->done(std::move(result));
}

}  // namespace gateway::egress
