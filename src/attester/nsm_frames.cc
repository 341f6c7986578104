#include "attester/nsm_frames.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace gateway::attester {
namespace {

std::expected<void, FrameFault> wait_for(int file_descriptor, short events, std::optional<int> timeout_ms) {
  pollfd waiting{.fd = file_descriptor, .events = events, .revents = 0};
  while (true) {
    const int ready = ::poll(&waiting, 1, timeout_ms.value_or(-1));
    if (ready > 0) return {};
    if (ready == 0) return std::unexpected(FrameFault::kTimeout);
    if (errno != EINTR) return std::unexpected(FrameFault::kFailed);
  }
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// Fills the span. kClosed only when the peer closed before its first byte.
std::expected<void, FrameFault> read_all(int file_descriptor, std::span<std::uint8_t> to,
                                         std::optional<int> timeout_ms) {
  std::size_t have = 0;
  while (have < to.size()) {
    if (auto ready = wait_for(file_descriptor, POLLIN, timeout_ms); !ready) return ready;
    const ssize_t count = ::recv(file_descriptor, to.data() + have, to.size() - have, MSG_DONTWAIT);
    if (count == 0) return std::unexpected(have == 0 ? FrameFault::kClosed : FrameFault::kFailed);
    if (count < 0 && !would_block()) return std::unexpected(FrameFault::kFailed);
    if (count > 0) have += static_cast<std::size_t>(count);
  }
  return {};
}

}  // namespace

std::expected<Bytes, FrameFault> read_frame(int file_descriptor, std::size_t max, std::optional<int> timeout_ms) {
  ByteArray<4> head{};
  if (auto status = read_all(file_descriptor, head, timeout_ms); !status) return std::unexpected(status.error());
  std::size_t size = 0;
  for (std::uint8_t byte : head) size = (size << 8U) | byte;
  if (size > max) return std::unexpected(FrameFault::kTooLarge);
  Bytes body(size);
  if (auto status = read_all(file_descriptor, body, timeout_ms); !status) {
    return std::unexpected(status.error() == FrameFault::kClosed ? FrameFault::kFailed : status.error());
  }
  return body;
}

std::expected<void, FrameFault> write_frame(int file_descriptor, ByteView body, std::optional<int> timeout_ms) {
  ByteWriter frame;
  frame.u32be(static_cast<std::uint32_t>(body.size()));
  frame.put(body);
  ByteView rest = frame.bytes();
  while (!rest.empty()) {
    if (auto ready = wait_for(file_descriptor, POLLOUT, timeout_ms); !ready) return ready;
    const ssize_t count = ::send(file_descriptor, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && !would_block()) return std::unexpected(FrameFault::kFailed);
    if (count > 0) rest = rest.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace gateway::attester
