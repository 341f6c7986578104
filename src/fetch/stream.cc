#include "fetch/stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace gateway::fetch {
namespace {

using channel::Progress;

std::unexpected<Error> lost() {
  return fail(ErrorCode::kUnavailable, "collateral.fetch.truncated", "the service broke the connection off",
              "try again later");
}

// What TLS says of a stream that just ended is an ordinary trouble of the network here.
Error as_network_trouble(const Error& error) {
  if (error.id() == "tls.truncated" || error.id() == "tls.closed") return lost().error();
  return error;
}

}  // namespace

Status Stream::wait(Progress wanted) {
  pollfd ready{.fd = tls_ ? tls_->descriptor() : socket_.get(),
               .events = static_cast<short>(wanted == Progress::kWantWrite ? POLLOUT : POLLIN),
               .revents = 0};
  for (;;) {
    const auto left = std::chrono::ceil<Duration>(deadline_ - std::chrono::steady_clock::now()).count();
    if (left <= 0) break;
    const int count = ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 3'600'000)));
    if (count > 0) return {};
    if (count < 0 && errno != EINTR) return lost();
  }
  return fail(ErrorCode::kUnavailable, "collateral.fetch.timeout", "the service did not answer in time",
              "try again later, or raise --timeout");
}

Status Stream::start_tls(const channel::TlsContext& context, std::string_view server_name) {
  GATEWAY_ASSIGN(auto stream, channel::TlsStream::connect(context, std::move(socket_), server_name));
  tls_.emplace(std::move(stream));
  for (;;) {
    const auto progress = tls_->handshake();
    if (!progress) return std::unexpected(as_network_trouble(progress.error()));
    if (*progress == Progress::kDone) return {};
    GATEWAY_TRY(wait(*progress));
  }
}

Status Stream::write(ByteView bytes) {
  while (!bytes.empty()) {
    Progress wanted = Progress::kWantWrite;
    if (tls_) {
      const auto sent = tls_->write(bytes);
      if (!sent) return std::unexpected(as_network_trouble(sent.error()));
      if (sent->progress == Progress::kClosedInOrder) return lost();
      bytes = bytes.subspan(sent->bytes);
      if (sent->progress == Progress::kDone) continue;
      wanted = sent->progress;
    } else {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return lost();
      if (sent > 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
        continue;
      }
    }
    GATEWAY_TRY(wait(wanted));
  }
  return {};
}

Result<std::size_t> Stream::read(std::span<std::uint8_t> into) {
  for (;;) {
    Progress wanted = Progress::kWantRead;
    if (tls_) {
      const auto got = tls_->read(into);
      if (!got) return std::unexpected(as_network_trouble(got.error()));
      if (got->progress == Progress::kDone) return got->bytes;
      if (got->progress == Progress::kClosedInOrder) return 0;
      wanted = got->progress;
    } else {
      const ssize_t got = ::recv(socket_.get(), into.data(), into.size(), 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EAGAIN && errno != EINTR) return lost();
    }
    GATEWAY_TRY(wait(wanted));
  }
}

}  // namespace gateway::fetch
