// HTTP/1.1 messages over a byte stream: strict, incremental, without copies of bodies.
//
// Input:  untrusted, from callers and from workloads.
// Bounds: HttpLimits. Heads are parsed only when whole; nothing larger than max_head is ever kept.
// Spec:   RFC 9110, RFC 9112. Refused: Content-Length with Transfer-Encoding, differing or repeated Content-Length,
//         transfer codings but a single `chunked`, bare CR or LF, obs-fold, white space before a colon, control bytes,
//         unknown versions, absolute-form and authority-form targets, header names or values outside the grammar,
//         HTTP/1.1 requests without exactly one Host, CONNECT, and empty lines before a request.
// Errors: kMalformed http.request_line, http.status_line, http.header, http.host, http.framing, http.chunk,
//         http.target, http.query; kLimitExceeded http.head_size, http.header_count, http.target_size,
//         http.chunk_size, http.chunk_overhead; kUnsupported http.version
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
// Whether a comma-separated list of tokens (Connection, TE) holds this one, in any case.
bool list_contains(std::string_view list, std::string_view lower_case);

enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

// Views into the buffer that was parsed: valid until that buffer changes.
struct HttpHead {
  std::string_view method;          // requests
  std::string_view target;          // requests: as received
  int status = 0;                   // responses
  int minor_version = 1;            // 0 or 1
  std::vector<HttpHeader> headers;  // reused between messages without allocation
  Framing framing = Framing::kNone;
  std::uint64_t content_length = 0;  // with kLength; also what an answer to HEAD or a 304 would have had
  bool keep_alive = true;
  bool expect_continue = false;

  std::optional<std::string_view> header(std::string_view lower_case) const;  // the first of that name
};
// Fields for one connection alone, those that Connection names included (RFC 9110 §7.6.1): never forwarded.
bool is_hop_by_hop(const HttpHead& head, std::string_view name);

// Parse one head at the front of `buffer`. The size of the head in bytes, or nullopt when more is needed.
Result<std::optional<std::size_t>> parse_request_head(ByteView buffer, const HttpLimits& limits, HttpHead& out);
// `request_method` decides whether a body follows (HEAD). 1xx heads are returned like others.
Result<std::optional<std::size_t>> parse_response_head(ByteView buffer, const HttpLimits& limits,
                                                       std::string_view request_method, HttpHead& out);

// Splits an origin-form target into a path, normalised once, and the query. Refuses what two parsers could read
// differently: encoded slashes, backslashes, dots and control bytes, path parameters (';'), dot segments, empty
// segments (a slash at the end is fine), bytes outside the grammar.
struct TargetParts {
  std::string path;        // percent-decoded unreserved characters, otherwise as received
  std::string_view query;  // without '?'; a view into the target
};
Result<TargetParts> normalise_target(std::string_view target);
// The one value of a query parameter, not decoded; nullopt when absent; an error when repeated.
Result<std::optional<std::string_view>> query_value(std::string_view query, std::string_view name);

// Follows a body through the stream: tells how many of the bytes at hand belong to it and when it is whole.
//
// Chunk extensions are stepped over and trailers dropped, both within bounds and within the grammar.
class BodyTracker {
 public:
  BodyTracker() = default;
  BodyTracker(Framing framing, std::uint64_t content_length) : framing_(framing), left_(content_length) {}
  struct Piece {
    std::size_t wire = 0;  // bytes of the input that belong to this message, framing included
    ByteView payload;      // the next run of payload inside those bytes; may be empty
    bool done = false;     // the message is whole after these bytes
  };
  // Takes as much as one payload run. Call again with the rest while wire > 0 and not done.
  Result<Piece> next(ByteView input);
  bool whole() const;  // ended as its framing demands
  // Until-close bodies are whole only when the transport ended in order; the caller says so.
  void transport_ended_in_order();

 private:
  enum class State : std::uint8_t { kSize, kPayload, kPayloadEnd, kTrailer, kDone };
  Result<Piece> next_chunked(ByteView input);
  Result<bool> take_line(ByteView input, std::size_t& used);
  Status end_line(std::string_view line);
  Status start_chunk(std::string_view line);
  Status add_overhead(std::size_t bytes);

  Framing framing_ = Framing::kNone;
  State state_ = State::kSize;
  std::uint64_t left_ = 0;    // kLength: of the body; chunked: of this chunk
  std::size_t overhead_ = 0;  // bytes of chunk extensions and trailers so far
  std::string line_;          // a partial chunk-size or trailer line, bounded
};

}  // namespace gateway::net
