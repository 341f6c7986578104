#include "net/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gateway::net {
namespace {

constexpr std::size_t kLengthSize = 4;

Result<std::size_t> frame_length(ByteView header) {
  ByteReader reader(header, "control.frame");
  GATEWAY_ASSIGN(const std::uint32_t length, reader.u32be());
  if (length == 0) return fail(ErrorCode::kMalformed, "control.frame", "a frame has no type");
  if (length > kMaxControlBody + 1) {
    return fail(ErrorCode::kLimitExceeded, "control.size", "a frame claims " + std::to_string(length) + " bytes");
  }
  return length;
}

Status read_exactly(int file_descriptor, std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = ::read(file_descriptor, out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(ErrorCode::kUnavailable, "control.closed", "the other side closed the control channel");
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

}  // namespace

Status write_control(int file_descriptor, ControlType type, ByteView body) {
  if (body.size() > kMaxControlBody) return fail(ErrorCode::kLimitExceeded, "control.size", "the frame is too large");
  ByteWriter frame;
  frame.u32be(static_cast<std::uint32_t>(body.size() + 1));
  frame.u8(static_cast<std::uint8_t>(type));
  frame.put(body);
  ByteView left = frame.bytes();
  while (!left.empty()) {
    const ssize_t sent = ::send(file_descriptor, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return fail(ErrorCode::kUnavailable, "control.closed", "the other side closed the control channel");
    left = left.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<ControlFrame> read_control(int file_descriptor) {
  ByteArray<kLengthSize> header{};
  GATEWAY_TRY(read_exactly(file_descriptor, header));
  GATEWAY_ASSIGN(const std::size_t length, frame_length(header));
  Bytes content(length);
  GATEWAY_TRY(read_exactly(file_descriptor, content));
  return ControlFrame{static_cast<ControlType>(content.front()), Bytes(content.begin() + 1, content.end())};
}

Result<std::optional<ControlFrame>> ControlDecoder::next() {
  if (buffer_.size() < kLengthSize) return std::nullopt;
  GATEWAY_ASSIGN(const std::size_t length, frame_length(ByteView(buffer_).first(kLengthSize)));
  if (buffer_.size() < kLengthSize + length) return std::nullopt;
  const auto begin = buffer_.begin() + static_cast<std::ptrdiff_t>(kLengthSize);
  const auto end = begin + static_cast<std::ptrdiff_t>(length);
  ControlFrame frame{static_cast<ControlType>(*begin), Bytes(begin + 1, end)};
  buffer_.erase(buffer_.begin(), end);
  return frame;
}

}  // namespace gateway::net
