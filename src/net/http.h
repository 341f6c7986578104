// HTTP/1.1 messages over a byte stream: strict, incremental, without copies of bodies.
//
// Input:  untrusted, from callers and from workloads.
// Bounds: HttpLimits. Heads are parsed only when whole; nothing larger than max_head is ever kept.
// Spec:   RFC 9110, RFC 9112. Refused: Content-Length with Transfer-Encoding, differing or repeated Content-Length,
//         transfer codings but a final `chunked`, bare CR or LF, obs-fold, white space before a colon, control bytes,
//         unknown versions, absolute-form and authority-form targets, header names or values outside the grammar.
// Errors: kMalformed http.request_line, http.status_line, http.header, http.framing, http.chunk, http.target;
//         kLimitExceeded http.head_size, http.header_count, http.target_size; kUnsupported http.version
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace gateway::net {

struct HttpLimits {
  std::size_t max_head = 16UZ * 1024;
  std::size_t max_headers = 64;
  std::size_t max_target = 4096;
};

struct HttpHeader {
  std::string_view name;   // as received; compare with header_is
  std::string_view value;  // without surrounding white space
};
bool header_is(std::string_view name, std::string_view lower_case);

enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

// Views into the buffer that was parsed: valid until that buffer changes.
struct HttpHead {
  std::string_view method;           // requests
  std::string_view target;           // requests: as received
  int status = 0;                    // responses
  int minor_version = 1;             // 0 or 1
  std::vector<HttpHeader> headers;   // reused between messages without allocation
  Framing framing = Framing::kNone;
  std::uint64_t content_length = 0;  // with kLength
  bool keep_alive = true;
  bool expect_continue = false;

  std::optional<std::string_view> header(std::string_view lower_case) const;
};

// Parse one head at the front of `buffer`. The size of the head in bytes, or nullopt when more is needed.
Result<std::optional<std::size_t>> parse_request_head(ByteView buffer, const HttpLimits& limits, HttpHead& out);
// `request_method` decides whether a body follows (HEAD). 1xx heads are returned like others.
Result<std::optional<std::size_t>> parse_response_head(ByteView buffer, const HttpLimits& limits,
                                                       std::string_view request_method, HttpHead& out);

// Splits an origin-form target into a path, normalised once, and the query. Refuses what two parsers could read
// differently: encoded slashes, backslashes, NULs and dots, dot segments, empty segments, bytes outside the grammar.
struct TargetParts {
  std::string path;         // percent-decoded unreserved characters, otherwise as received
  std::string_view query;   // without '?'
};
Result<TargetParts> normalise_target(std::string_view target);
// The one value of a query parameter; nullopt when absent; an error when repeated.
Result<std::optional<std::string_view>> query_value(std::string_view query, std::string_view name);

// Follows a body through the stream: tells how many of the bytes at hand belong to it and when it is whole.
class BodyTracker {
 public:
  BodyTracker() = default;
  BodyTracker(Framing framing, std::uint64_t content_length) : framing_(framing), left_(content_length) {}
  struct Piece {
    std::size_t wire = 0;      // bytes of the input that belong to this message, framing included
    ByteView payload;          // the next run of payload inside those bytes; may be empty
    bool done = false;         // the message is whole after these bytes
  };
  // Takes as much as one payload run. Call again with the rest while wire > 0 and not done.
  Result<Piece> next(ByteView input);
  bool whole() const;          // ended as its framing demands
  // Until-close bodies are whole only when the transport ended in order; the caller says so.
  void transport_ended_in_order();

 private:
  enum class State : std::uint8_t { kStart, kSize, kPayload, kPayloadEnd, kTrailer, kDone };
  Framing framing_ = Framing::kNone;
  std::uint64_t left_ = 0;
  State state_ = State::kStart;
  std::string line_;           // a partial chunk-size or trailer line, bounded
};

}  // namespace gateway::net
