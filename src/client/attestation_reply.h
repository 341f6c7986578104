// The attestation endpoint's HTTP exchange, without I/O: the request's bytes, and the answer fed in as it arrives.
//
// Input:  untrusted bytes of whoever answered.
// Bounds: a head of net::HttpLimits, a body of attestation::kMaxResponseSize; nothing may follow the body.
// Errors: kUnavailable client.attestation.busy; kNotFound client.attestation.missing; kMalformed
//         client.attestation.status, client.attestation.framing, client.attestation.trailing, http.*;
//         kLimitExceeded client.attestation.size
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "attestation/binding.h"
#include "net/http.h"

namespace gateway::client {

std::string attestation_request(std::string_view host, const attestation::Nonce& nonce, bool fresh);

class AttestationReply {
 public:
  // The body once it is whole. After an error or a body the object takes nothing more.
  Result<std::optional<Bytes>> feed(ByteView bytes);
  // The peer closed in order: an error, because the endpoint keeps its connections open.
  std::unexpected<Error> closed() const;

 private:
  Status read_head();
  Bytes buffer_;
  std::size_t at_ = 0;  // bytes of buffer_ that are spent
  bool in_body_ = false;
  net::BodyTracker tracker_;
  Bytes body_;
};

}  // namespace gateway::client
