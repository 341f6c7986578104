#include "client/attestation_reply.h"

namespace gateway::client {
namespace {

constexpr const char* kNotGateway =
    "check the address: the service there does not behave as a Gateway enclave; `gateway ps` on the host shows where "
    "enclaves listen";

}  // namespace

std::string attestation_request(std::string_view host, const attestation::Nonce& nonce, bool fresh) {
  std::string request = "GET " + std::string(attestation::kAttestationPath) + "?nonce=" + to_hex(nonce);
  if (fresh) request += "&fresh=1";
  request +=
      " HTTP/1.1\r\nHost: " + std::string(host) + "\r\nAccept: " + std::string(attestation::kAttestationMediaType);
  return request + "\r\n\r\n";
}

Status AttestationReply::read_head() {
  net::HttpHead head;
  GATEWAY_ASSIGN(const auto size, net::parse_response_head(buffer_, net::HttpLimits{}, "GET", head));
  if (!size) return {};
  at_ = *size;
  in_body_ = true;
  if (head.status == 503 || head.status == 429) {
    return fail(ErrorCode::kUnavailable, "client.attestation.busy",
                "the enclave has no room for another quote at the moment", "try again in a few seconds");
  }
  if (head.status == 404) {
    return fail(ErrorCode::kNotFound, "client.attestation.missing", "the service there has no attestation endpoint",
                kNotGateway);
  }
  if (head.status != 200) {
    return fail(ErrorCode::kMalformed, "client.attestation.status",
                "expected status 200 from the attestation endpoint, found " + std::to_string(head.status), kNotGateway);
  }
  const bool sized = head.framing == net::Framing::kLength || head.framing == net::Framing::kChunked;
  if (!sized || !head.keep_alive) {
    return fail(ErrorCode::kMalformed, "client.attestation.framing",
                "expected an answer of known length on a connection that stays open", kNotGateway);
  }
  tracker_ = net::BodyTracker(head.framing, head.content_length);
  return {};
}

Result<std::optional<Bytes>> AttestationReply::feed(ByteView bytes) {
  append(buffer_, bytes);
  if (!in_body_) {
    GATEWAY_TRY(read_head());
    if (!in_body_) return std::nullopt;
  }
  // Chunk framing costs at most a few bytes a chunk; what is spent is dropped below, so the buffer stays near a read.
  for (;;) {
    GATEWAY_ASSIGN(const auto piece, tracker_.next(ByteView(buffer_).subspan(at_)));
    append(body_, piece.payload);
    at_ += piece.wire;
    if (body_.size() > attestation::kMaxResponseSize) {
      return fail(ErrorCode::kLimitExceeded, "client.attestation.size",
                  "expected at most " + std::to_string(attestation::kMaxResponseSize) + " bytes of evidence",
                  kNotGateway);
    }
    if (piece.done) break;
    if (piece.wire == 0) {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
      at_ = 0;
      return std::nullopt;
    }
  }
  if (at_ != buffer_.size()) {
    return fail(ErrorCode::kMalformed, "client.attestation.trailing",
                "bytes that nobody asked for follow the attestation response", kNotGateway);
  }
  return std::exchange(body_, {});
}

std::unexpected<Error> AttestationReply::closed() const {
  return fail(ErrorCode::kUnavailable, "client.attestation.closed",
              "the service closed the connection before it had answered the attestation request",
              "try again; if it stays so, see `gateway logs NAME --events` on the host");
}

}  // namespace gateway::client
