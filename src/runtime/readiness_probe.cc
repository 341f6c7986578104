#include "runtime/readiness_probe.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "net/address.h"

namespace gateway::runtime {
namespace {

constexpr std::chrono::milliseconds kAttemptTimeout{5'000};

}  // namespace

ReadinessProbe::ReadinessProbe(net::Loop& loop, server::Dial dial, std::string path,
                               std::function<void(bool)> on_result)
    : loop_(loop), dial_(std::move(dial)), path_(std::move(path)), on_result_(std::move(on_result)) {
  timer_ = loop_.timer([this] { end(false); });
}

void ReadinessProbe::attempt() {
  cancel();
  auto socket = dial_();
  if (!socket) {
    timer_->arm(std::chrono::milliseconds(0));  // the answer never comes from inside the question
    return;
  }
  socket_ = std::move(*socket);
  sent_ = false;
  answer_.clear();
  source_ = loop_.watch(socket_.get(),
                        [this](bool readable, bool writable, bool hung_up) { on_event(readable, writable, hung_up); });
  source_->want(false, true);
  timer_->arm(kAttemptTimeout);
}

void ReadinessProbe::cancel() {
  timer_->disarm();
  source_.reset();
  socket_.reset();
}

void ReadinessProbe::on_event(bool readable, bool writable, bool hung_up) {
  if (!sent_ && (writable || hung_up)) return write_request();
  if (readable || hung_up) read_answer();
}

void ReadinessProbe::write_request() {
  if (!net::take_socket_error(socket_.get())) return end(false);
  if (path_.empty()) return end(true);
  const std::string request = "GET " + path_ + " HTTP/1.1\r\nHost: workload\r\nConnection: close\r\n\r\n";
  // A fresh socket takes this much at once or is broken.
  if (::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return end(false);
  }
  sent_ = true;
  source_->want(true, false);
}

void ReadinessProbe::read_answer() {
  std::array<std::uint8_t, 2048> chunk;
  const ssize_t got = ::read(socket_.get(), chunk.data(), chunk.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return end(false);
  append(answer_, ByteView(chunk).first(static_cast<std::size_t>(got)));
  net::HttpHead head;
  const auto size = net::parse_response_head(answer_, net::HttpLimits{}, "GET", head);
  if (!size) return end(false);
  if (*size) end(head.status >= 200 && head.status < 300);
}

void ReadinessProbe::end(bool ready) {
  cancel();
  on_result_(ready);
}

}  // namespace gateway::runtime
