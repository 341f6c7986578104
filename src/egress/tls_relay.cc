#include "egress/tls_relay.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/address.h"

namespace gateway::egress {
namespace {

constexpr std::size_t kChunk = 16UZ * 1024;
constexpr int kTurns = 16;

}  // namespace

void TlsRelay::Buffer::took(std::size_t count) {
  from += count;
  if (!empty()) return;
  bytes.clear();
  from = 0;
}

TlsRelay::TlsRelay(net::Loop& loop, net::Descriptor workload, channel::TlsStream service,
                   std::function<void(const Error*)> closed, Bytes first)
    : loop_(loop), workload_(std::move(workload)), service_(std::move(service)), closed_(std::move(closed)) {
  out_.bytes = std::move(first);
}

TlsRelay::~TlsRelay() = default;

void TlsRelay::start() {
  near_ = loop_.watch(workload_.get(), [this](bool, bool, bool) { on_event(); });
  far_ = loop_.watch(service_.descriptor(), [this](bool, bool, bool) { on_event(); });
  timer_ = loop_.timer([this] {
    const Error late(ErrorCode::kUnavailable, "egress.timeout", "TLS did not stand in time");
    fail(&late);
  });
  timer_->arm(kHandshakeTime);
  on_event();
}

void TlsRelay::on_event() {
  if (closing_ || !shake_hands()) return;
  if (established_ && (!outward() || !inward())) return;
  if (said_so_ && told_) return close(nullptr);
  update_interest();
}

bool TlsRelay::shake_hands() {
  if (established_) return true;
  const auto progress = service_.handshake();
  if (!progress) {
    fail(&progress.error());
    return false;
  }
  handshake_writes_ = *progress == channel::Progress::kWantWrite;
  established_ = *progress == channel::Progress::kDone;
  if (established_) timer_->disarm();
  return true;
}

bool TlsRelay::outward() {
  write_waits_ = false;
  for (int i = 0; i < kTurns && !said_so_; ++i) {
    if (out_.empty() && !workload_ended_) {
      out_.bytes.resize(kChunk);
      const ssize_t got = ::recv(workload_.get(), out_.bytes.data(), kChunk, MSG_DONTWAIT);
      const bool waits = got < 0 && (errno == EAGAIN || errno == EINTR);
      out_.bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (waits) return true;
      if (got < 0) {
        fail(nullptr);
        return false;
      }
      workload_ended_ = got == 0;
    }
    if (out_.empty()) {  // and the workload has ended
      const auto progress = service_.shut_down();
      said_so_ = !progress || *progress != channel::Progress::kWantWrite;
      write_waits_ = !said_so_;
      return true;
    }
    const auto sent = service_.write(out_.view());
    if (!sent) {
      fail(&sent.error());
      return false;
    }
    out_.took(sent->bytes);
    if (sent->progress != channel::Progress::kDone) {
      write_waits_ = sent->progress == channel::Progress::kWantWrite;
      return true;
    }
  }
  return true;
}

bool TlsRelay::inward() {
  for (int i = 0; (i < kTurns || service_.pending()) && !told_; ++i) {
    if (in_.empty() && !service_ended_) {
      in_.bytes.resize(kChunk);
      const auto got = service_.read(in_.bytes);
      in_.bytes.resize(got ? got->bytes : 0);
      if (!got) {
        fail(&got.error());
        return false;
      }
      service_ended_ = got->progress == channel::Progress::kClosedInOrder;
      if (in_.empty() && !service_ended_) return true;
    }
    if (in_.empty()) {
      ::shutdown(workload_.get(), SHUT_WR);
      told_ = true;
      return true;
    }
    const ssize_t sent = ::send(workload_.get(), in_.view().data(), in_.view().size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (sent < 0) {
      fail(nullptr);
      return false;
    }
    in_.took(static_cast<std::size_t>(sent));
  }
  return true;
}

void TlsRelay::update_interest() {
  if (!established_) {
    near_->want(false, false);
    return far_->want(true, handshake_writes_);
  }
  near_->want(out_.empty() && !workload_ended_, !in_.empty());
  far_->want(in_.empty() && !service_ended_, write_waits_);
}

void TlsRelay::fail(const Error* why) {
  net::set_abort_on_close(workload_.get());
  close(why);
}

void TlsRelay::close(const Error* why) {
  closing_ = true;
  near_.reset();
  far_.reset();
  timer_->disarm();
  closed_(why);
}

}  // namespace gateway::egress
