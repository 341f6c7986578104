// A byte stream to a service: a socket, with TLS where the URL says so. Blocks until its deadline. For http_client.cc.
//
// Errors: kUnavailable collateral.fetch.timeout, collateral.fetch.truncated; those of channel/tls.h
#pragma once

#include <chrono>
#include <optional>

#include "channel/tls.h"
#include "net/descriptor.h"

namespace gateway::fetch {

using Deadline = std::chrono::steady_clock::time_point;

class Stream {
 public:
  Stream(net::Descriptor socket, Deadline deadline) : socket_(std::move(socket)), deadline_(deadline) {}

  // Puts TLS on top; nothing may have been read ahead.
  Status start_tls(const channel::TlsContext& context, std::string_view server_name);
  Status write(ByteView bytes);
  Result<std::size_t> read(std::span<std::uint8_t> into);  // 0: the other side ended in order

 private:
  Status wait(channel::Progress wanted);

  net::Descriptor socket_;
  std::optional<channel::TlsStream> tls_;
  Deadline deadline_;
};

}  // namespace gateway::fetch
