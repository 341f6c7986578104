#include "runtime/control_link.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/log.h"

namespace gateway::runtime {
namespace {

constexpr std::size_t kChunk = 16UZ * 1024;
constexpr std::size_t kMaxEventLine = 8UZ * 1024;

Bytes frame(net::ControlType type, ByteView body) {
  ByteWriter writer;
  writer.u32be(static_cast<std::uint32_t>(body.size() + 1));
  writer.u8(static_cast<std::uint8_t>(type));
  writer.put(body);
  return std::move(writer).take();
}

// Calls `each` with every whole line; keeps the rest.
void split_lines(std::string& kept, std::string_view text, const std::function<void(std::string_view)>& each) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    if (kept.size() + piece.size() <= kMaxEventLine) kept.append(piece);
    if (end == std::string_view::npos) return;
    each(kept);
    kept.clear();
    text.remove_prefix(end + 1);
  }
}

// Blocking, but not for a host that does not read.
void make_patient(int channel) {
  ::fcntl(channel, F_SETFL, ::fcntl(channel, F_GETFL) & ~O_NONBLOCK);
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(channel, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

}  // namespace

Result<EventPipe> EventPipe::open() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return fail(ErrorCode::kInternal, "runtime.events", std::string("pipe: ") + std::strerror(errno));
  }
  return EventPipe{net::Descriptor(ends[0]), net::Descriptor(ends[1])};
}

ControlLink::ControlLink(net::Loop& loop, net::Descriptor channel, net::Descriptor events, Handlers handlers)
    : loop_(loop), channel_(std::move(channel)), events_(std::move(events)), handlers_(std::move(handlers)) {
  ::fcntl(channel_.get(), F_SETFL, ::fcntl(channel_.get(), F_GETFL) | O_NONBLOCK);
  channel_source_ = loop_.watch(
      channel_.get(), [this](bool readable, bool writable, bool hung_up) { on_channel(readable, writable, hung_up); });
  channel_source_->want(true, false);
  events_source_ = loop_.watch(events_.get(), [this](bool, bool, bool) { on_events(); });
  events_source_->want(true, false);
}

void ControlLink::send(net::ControlType type, ByteView body) {
  const Bytes bytes = frame(type, body);
  if (!channel_source_ || out_.size() + bytes.size() > kMaxQueuedControl) return;
  append(out_, bytes);
  flush();
}

void ControlLink::flush() {
  while (!out_.empty()) {
    const ssize_t sent = ::send(channel_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent <= 0) return close();
    out_.erase(out_.begin(), out_.begin() + sent);
  }
  channel_source_->want(true, !out_.empty());
}

void ControlLink::close() {
  if (!channel_source_) return;
  channel_source_.reset();
  out_.clear();
  if (handlers_.closed) loop_.defer([closed = handlers_.closed] { closed(); });
}

void ControlLink::on_channel(bool readable, bool writable, bool hung_up) {
  if (writable) flush();
  if (channel_source_ && (readable || hung_up)) read_frames();
}

void ControlLink::read_frames() {
  std::array<std::uint8_t, kChunk> chunk;
  const ssize_t got = ::recv(channel_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return close();
  decoder_.feed(ByteView(chunk).first(static_cast<std::size_t>(got)));
  while (channel_source_) {
    const auto next = decoder_.next();
    if (!next) {
      log::error(next.error());
      return close();
    }
    if (!*next) return;
    take(**next);
  }
}

void ControlLink::take(const net::ControlFrame& received) {
  switch (received.type) {
    case net::ControlType::kTokens:
      if (handlers_.tokens) handlers_.tokens(received.body);
      return;
    case net::ControlType::kStop: {
      ByteReader reader(received.body, "control.frame");
      const auto seconds = reader.u32be();
      if (!seconds || !reader.finish("control.frame")) break;
      constexpr std::uint32_t kLongest = 24 * 3600;
      if (handlers_.stop) handlers_.stop(std::chrono::seconds(std::min(*seconds, kLongest)));
      return;
    }
    case net::ControlType::kPing: return send(net::ControlType::kPong, received.body);
    default: break;
  }
  log::warning("control.unexpected", {{"type", static_cast<unsigned>(received.type)}});
}

void ControlLink::on_events() {
  std::array<char, kChunk> chunk;
  const ssize_t got = ::read(events_.get(), chunk.data(), chunk.size());
  if (got <= 0) return;
  split_lines(line_, {chunk.data(), static_cast<std::size_t>(got)},
              [this](std::string_view line) { send(net::ControlType::kEvent, as_bytes(line)); });
}

void ControlLink::finish() {
  on_events();
  if (!channel_source_) return;
  channel_source_.reset();
  make_patient(channel_.get());
  for (ByteView left = out_; !left.empty();) {
    const ssize_t sent = ::send(channel_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;
    left = left.subspan(static_cast<std::size_t>(sent));
  }
}

void report_fatal(int channel, int events, const Error& error) {
  make_patient(channel);
  std::string kept;
  std::array<char, kChunk> chunk;
  for (ssize_t got = ::read(events, chunk.data(), chunk.size()); got > 0;
       got = ::read(events, chunk.data(), chunk.size())) {
    split_lines(kept, {chunk.data(), static_cast<std::size_t>(got)}, [channel](std::string_view line) {
      static_cast<void>(net::write_control(channel, net::ControlType::kEvent, as_bytes(line)));
    });
  }
  std::string text(error.id());
  text.append("\n").append(error.detail());
  if (!error.remedy().empty()) text.append("; ").append(error.remedy());
  static_cast<void>(net::write_control(channel, net::ControlType::kFatal, as_bytes(text)));
}

}  // namespace gateway::runtime
