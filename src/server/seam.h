// The seam between the server (bytes, TLS, HTTP framing, streams) and the gate (who may do what).
//
// For each request head the server asks the gate once, and obeys. The gate never sees a socket; the server never
// judges a caller. One thread; no call may block.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "attestation/binding.h"
#include "net/http.h"

namespace gateway::server {

// A complete answer made inside the runtime.
struct LocalResponse {
  int status = 200;
  std::string_view media_type = "application/json";
  Bytes body;
  std::string_view extra_headers;  // static text of whole lines, "Retry-After: 1\r\n", or empty
  bool close = false;
  std::string more_headers{};  // whole lines too, made for this answer
};
// {"error":{"id":"…","message":"…"}}; nothing of the inside.
LocalResponse refuse(int status, ErrorId id, std::string_view message, std::string_view extra_headers = {});

// An answer that comes later, on the loop's thread: call it exactly once; the server drops it when the caller left.
using Respond = std::function<void(LocalResponse)>;
struct DeferredResponse {
  std::function<void(Respond)> start;
};

// Follows one forwarded request to its end. Destroyed when the exchange is over, whatever its outcome.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  // Payload of the workload's answer as it passes (not altered, not delayed). Only called when wants_payload.
  virtual void on_response_payload(ByteView payload) = 0;
  enum class Ending : std::uint8_t { kComplete, kCallerLeft, kWorkloadFailed };
  virtual void on_end(Ending ending, int status) = 0;
};

struct ForwardDecision {
  std::string target;  // normalised, what the workload sees
  // When set, the body is collected (at most this many bytes), given to rewrite_body, and sent with a Content-Length.
  std::optional<std::size_t> collect_body;
  std::function<std::variant<Bytes, LocalResponse>(ByteView body)> rewrite_body;
  bool wants_payload = false;
  std::unique_ptr<ForwardObserver> observer;  // may be null
};

using Decision = std::variant<LocalResponse, DeferredResponse, ForwardDecision>;

// What the server knows about the connection that a request came on.
struct SessionContext {
  // S is bound to the session through these; computed by the server on demand.
  std::function<Result<ByteArray<32>>(const attestation::Nonce&)> exporter;
};

class Gate {
 public:
  virtual ~Gate() = default;
  virtual Decision on_request(const net::HttpHead& head, const SessionContext& session) = 0;
};

// What the untrusted forwarder says of whose connection it carries (net/proxy_protocol.h): for rough limits and
// statistics, never for admission.
inline constexpr std::string_view kClientClaimHeader = "gateway-claimed-client";

struct ServerLimits {
  net::HttpLimits http;
  std::uint64_t max_body = 8ULL * 1024 * 1024;
  std::size_t max_collected = 64UZ * 1024 * 1024;  // of all bodies together that are kept to be rewritten
  std::size_t max_connections = 4096;
  std::size_t max_in_flight = 256;  // requests with the workload at once
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds head_timeout{10'000};       // first byte to last byte of a head
  std::chrono::milliseconds body_timeout{30'000};       // between bytes of a body
  std::chrono::milliseconds idle_timeout{75'000};       // keep-alive
  std::chrono::milliseconds response_timeout{600'000};  // between bytes of the workload's answer
  bool pass_client_claims =
      false;  // to the workload, as kClientClaimHeader; a caller's own field of that name is dropped
  std::uint64_t least_rate = 1024;  // bytes a second: who is slower over a whole body, either way, only looks alive

  // How long a peer may stay silent that moved `bytes` within `taken` so far; never zero.
  std::chrono::milliseconds patience(std::chrono::nanoseconds taken, std::uint64_t bytes) const {
    const auto earned = body_timeout + std::chrono::milliseconds(bytes * 1000 / least_rate);
    const auto left = earned - std::chrono::duration_cast<std::chrono::milliseconds>(taken);
    return std::clamp(left, std::chrono::milliseconds(1), body_timeout);
  }
};

}  // namespace gateway::server
