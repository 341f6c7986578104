#include "host/control_link.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <array>

namespace gateway::host {
namespace {

constexpr std::size_t kReadSize = 16UZ * 1024;
// Frames taken in one go before other events get their turn: an enclave that floods the channel starves nobody.
constexpr int kReadsPerTurn = 4;

}  // namespace

ControlLink::ControlLink(net::Loop& loop, net::Descriptor socket, Events events)
    : socket_(std::move(socket)), events_(std::move(events)) {
  ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
  source_ = loop.watch(socket_.get(),
                       [this](bool readable, bool writable, bool hung_up) { on_event(readable, writable, hung_up); });
  source_->want(true, false);
}

void ControlLink::send(net::ControlType type, ByteView body) {
  if (!source_) return;
  ByteWriter frame;
  frame.u32be(static_cast<std::uint32_t>(body.size() + 1));
  frame.u8(static_cast<std::uint8_t>(type));
  frame.put(body);
  append(outgoing_, frame.bytes());
  flush();
}

void ControlLink::flush() {
  std::size_t sent = 0;
  while (sent < outgoing_.size()) {
    const ssize_t got = ::send(socket_.get(), outgoing_.data() + sent, outgoing_.size() - sent, MSG_NOSIGNAL);
    if (got < 0 && errno == EINTR) continue;
    // A vsock that is still connecting says ENOTCONN where others say EAGAIN.
    if (got < 0 && errno != EAGAIN && errno != ENOTCONN)
      sent = outgoing_.size();  // the reading side tells what happened
    if (got <= 0) break;
    sent += static_cast<std::size_t>(got);
  }
  outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<std::ptrdiff_t>(sent));
  source_->want(true, !outgoing_.empty());
}

void ControlLink::on_event(bool readable, bool writable, bool hung_up) {
  if (writable) flush();
  if (readable || hung_up) receive();
}

void ControlLink::receive() {
  std::array<std::uint8_t, kReadSize> buffer{};
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return end(std::nullopt);
    decoder_.feed(ByteView(buffer).first(static_cast<std::size_t>(got)));
    for (;;) {
      auto frame = decoder_.next();
      if (!frame) return end(std::move(frame).error());
      if (!*frame) break;
      if (auto taken = take(**frame); !taken) return end(std::move(taken).error());
    }
  }
}

Status ControlLink::take(const net::ControlFrame& frame) {
  switch (frame.type) {
    case net::ControlType::kEvent: events_.event(as_text(frame.body)); return {};
    case net::ControlType::kReady: events_.ready(); return {};
    case net::ControlType::kPong: return {};
    case net::ControlType::kDial: {
      ByteReader reader(frame.body, "host.enclave.protocol");
      GATEWAY_ASSIGN(const std::uint16_t count, reader.u16be());
      GATEWAY_TRY(reader.finish("host.enclave.protocol"));
      events_.dial(count);
      return {};
    }
    case net::ControlType::kFatal: {
      const std::string_view text = as_text(frame.body);
      const std::size_t end_of_id = std::min(text.find('\n'), text.size());
      events_.fatal(text.substr(0, end_of_id), text.substr(std::min(end_of_id + 1, text.size())));
      return {};
    }
    default:
      return fail(ErrorCode::kMalformed, "host.enclave.protocol", "the enclave sent a frame that only a host may send");
  }
}

void ControlLink::end(std::optional<Error> why) {
  source_.reset();
  events_.closed(std::move(why));
}

}  // namespace gateway::host
