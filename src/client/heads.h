// HTTP heads as this side writes them: the client's own requests, and what the local proxy passes on in either
// direction.
//
// Hop-by-hop fields (RFC 9110 §7.6.1), those that Connection names, and Host never pass; framing is written anew from
// what was parsed, so that both sides of the proxy agree on where a message ends.
// Errors: kInvalidArgument client.request
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "net/http.h"

namespace gateway::client {

using Headers = std::vector<std::pair<std::string, std::string>>;

// A request of our own with a body of known size. Refuses what would not be one head: methods, targets, names and
// values outside the grammar, and fields that are not the caller's to set.
Result<std::string> write_request_head(std::string_view method, std::string_view target, std::string_view host,
                                       const Headers& headers, std::size_t body_size);

// A local client's request, for the enclave. `authorization` is added when the client sent none; may be empty.
std::string forward_request_head(const net::HttpHead& head, std::string_view host, std::string_view authorization);

// How an answer's body goes to the local client.
enum class LocalFraming : std::uint8_t {
  kAsReceived,  // the enclave's framing, byte for byte
  kChunked,     // until-close upstream: made chunked, so that a cut can be seen
  kBare,        // to HTTP/1.0: payload alone, ended by closing
};
LocalFraming local_framing(const net::HttpHead& answer, int local_minor_version);
std::string forward_response_head(const net::HttpHead& answer, LocalFraming framing, bool keep_alive);

}  // namespace gateway::client
