#include <algorithm>

#include "net/http.h"
#include "net/http_grammar.h"

namespace gateway::net {
namespace {

constexpr std::size_t kMaxLine = 1024;             // a chunk-size line with its extensions, or one trailer
constexpr std::size_t kMaxOverhead = 16UZ * 1024;  // extensions and trailers of one message
constexpr std::size_t kMaxSizeDigits = 15;         // below 2^60: sums of two never overflow

std::unexpected<Error> bad_chunk(const char* detail) { return fail(ErrorCode::kMalformed, "http.chunk", detail); }

std::uint64_t hex_value(char c) {
  if (c <= '9') return static_cast<std::uint64_t>(c - '0');
  return static_cast<std::uint64_t>(grammar::lower(c) - 'a') + 10;
}

}  // namespace

Result<BodyTracker::Piece> BodyTracker::next(ByteView input) {
  switch (framing_) {
    case Framing::kNone: return Piece{0, {}, true};
    case Framing::kUntilClose: return Piece{input.size(), input, whole()};
    case Framing::kLength: {
      const std::size_t size = std::min<std::uint64_t>(left_, input.size());
      left_ -= size;
      return Piece{size, input.first(size), left_ == 0};
    }
    case Framing::kChunked: return next_chunked(input);
  }
  return bad_chunk("unknown framing");
}

bool BodyTracker::whole() const {
  switch (framing_) {
    case Framing::kNone: return true;
    case Framing::kLength: return left_ == 0;
    case Framing::kUntilClose:
    case Framing::kChunked: return state_ == State::kDone;
  }
  return false;
}

void BodyTracker::transport_ended_in_order() {
  if (framing_ == Framing::kUntilClose) state_ = State::kDone;
}

Result<BodyTracker::Piece> BodyTracker::next_chunked(ByteView input) {
  Piece piece;
  while (state_ != State::kDone && piece.wire < input.size()) {
    const ByteView rest = input.subspan(piece.wire);
    if (state_ == State::kPayload) {
      const std::size_t size = std::min<std::uint64_t>(left_, rest.size());
      piece.payload = rest.first(size);
      piece.wire += size;
      left_ -= size;
      if (left_ == 0) state_ = State::kPayloadEnd;
      // What follows is judged by the next call, so that an error there does not swallow this payload; the usual end
      // of a chunk is taken along.
      const ByteView after = rest.subspan(size);
      if (state_ == State::kPayloadEnd && after.size() >= 2 && after[0] == '\r' && after[1] == '\n') {
        piece.wire += 2;
        state_ = State::kSize;
      }
      break;
    }
    std::size_t used = 0;
    GATEWAY_ASSIGN(const bool complete, take_line(rest, used));
    piece.wire += used;
    if (!complete) break;
  }
  piece.done = state_ == State::kDone;
  return piece;
}

// Takes one line, or the part of it that is there, and acts on it when it is complete.
Result<bool> BodyTracker::take_line(ByteView input, std::size_t& used) {
  const std::string_view text = as_text(input);
  const std::size_t feed = text.find('\n');
  used = feed == std::string_view::npos ? text.size() : feed + 1;
  if (line_.size() + used > kMaxLine) {
    return fail(ErrorCode::kLimitExceeded, "http.chunk_overhead", "a line of the chunked coding is too long");
  }
  if (feed == std::string_view::npos) {
    line_ += text;
    return false;
  }
  std::string_view line = text.substr(0, used);
  if (!line_.empty()) {
    line_ += line;
    line = line_;
  }
  if (!line.ends_with("\r\n")) return bad_chunk("a line does not end with carriage return and line feed");
  GATEWAY_TRY(end_line(line.substr(0, line.size() - 2)));
  line_.clear();
  return true;
}

Status BodyTracker::end_line(std::string_view line) {
  if (state_ == State::kPayloadEnd) {
    if (!line.empty()) return bad_chunk("a chunk is longer than its size says");
    state_ = State::kSize;
    return {};
  }
  if (state_ == State::kSize) return start_chunk(line);
  if (line.empty()) {
    state_ = State::kDone;
    return {};
  }
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos || !grammar::all(line.substr(0, colon), grammar::kToken) ||
      !grammar::all(line.substr(colon + 1), grammar::kValue)) {
    return bad_chunk("a trailer is not a header line");
  }
  return add_overhead(line.size());
}

Status BodyTracker::start_chunk(std::string_view line) {
  std::size_t digits = 0;
  std::uint64_t size = 0;
  while (digits < line.size() && grammar::is(line[digits], grammar::kHex)) {
    if (digits == kMaxSizeDigits)
      return fail(ErrorCode::kLimitExceeded, "http.chunk_size", "a chunk's size is too large");
    size = size * 16 + hex_value(line[digits++]);
  }
  if (digits == 0) return bad_chunk("a chunk has no size");
  const std::string_view extension = line.substr(digits);
  if (!extension.empty() && (extension.front() != ';' || !grammar::all(extension, grammar::kValue))) {
    return bad_chunk("a chunk's size is followed by something that is no extension");
  }
  GATEWAY_TRY(add_overhead(extension.size()));
  left_ = size;
  state_ = size == 0 ? State::kTrailer : State::kPayload;
  return {};
}

Status BodyTracker::add_overhead(std::size_t bytes) {
  overhead_ += bytes;
  if (overhead_ <= kMaxOverhead) return {};
  return fail(ErrorCode::kLimitExceeded, "http.chunk_overhead", "chunk extensions and trailers are too large together");
}

}  // namespace gateway::net
