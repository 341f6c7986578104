// Heads: whatever parses must keep the parser's promises. Bodies: split anywhere, the outcome is the same.
#include "net/http.h"

#include <cstdlib>

namespace {

using namespace gateway;
using namespace gateway::net;

void check(bool promise) {
  if (!promise) std::abort();
}

bool inside(std::string_view part, ByteView whole) {
  const std::string_view text = as_text(whole);
  return part.empty() || (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
}

void check_head(const HttpHead& head, std::size_t size, ByteView input, const HttpLimits& limits) {
  check(size <= input.size() && size <= limits.max_head && head.headers.size() <= limits.max_headers);
  int lengths = 0, codings = 0;
  for (const HttpHeader& each : head.headers) {
    check(!each.name.empty() && inside(each.name, input) && inside(each.value, input));
    check(each.value.find_first_of("\r\n") == std::string_view::npos);
    lengths += header_is(each.name, "content-length") ? 1 : 0;
    codings += header_is(each.name, "transfer-encoding") ? 1 : 0;
    (void)is_hop_by_hop(head, each.name);
  }
  check(lengths + codings <= 1);
}

void fuzz_request(ByteView input) {
  constexpr HttpLimits kLimits{.max_head = 2048, .max_headers = 16, .max_target = 256};
  HttpHead head;
  const auto size = parse_request_head(input, kLimits, head);
  if (!size || !*size) return;
  check_head(head, **size, input, kLimits);
  check(head.target.starts_with('/') && head.framing != Framing::kUntilClose);
  // The same bytes without what follows are the same head; with one byte less they are none.
  HttpHead again;
  check(parse_request_head(input.first(**size), kLimits, again).value() == **size);
  check(!parse_request_head(input.first(**size - 1), kLimits, again).value());
  if (const auto parts = normalise_target(head.target)) {
    // Normalised once means that doing it again changes nothing.
    const auto twice = normalise_target(parts->path);
    check(twice && twice->path == parts->path && twice->query.empty());
    (void)query_value(parts->query, "nonce");
  }
}

void fuzz_response(ByteView input, std::string_view method) {
  HttpHead head;
  const auto size = parse_response_head(input, {}, method, head);
  if (!size || !*size) return;
  check_head(head, **size, input, {});
  check(head.status >= 100 && head.status <= 599 && (head.framing == Framing::kNone || method != "HEAD"));
}

struct Outcome {
  Bytes payload;
  std::size_t wire = 0;
  bool failed = false;
  bool whole = false;
};

Outcome follow(ByteView input, std::size_t stride) {
  Outcome out;
  BodyTracker tracker(Framing::kChunked, 0);
  while (!input.empty() && !tracker.whole()) {
    ByteView part = input.first(std::min(stride, input.size()));
    input = input.subspan(part.size());
    while (!part.empty() && !tracker.whole()) {
      const auto piece = tracker.next(part);
      if (!piece) {
        out.failed = true;
        return out;
      }
      check(piece->wire > 0 && piece->payload.size() <= piece->wire && piece->done == tracker.whole());
      append(out.payload, piece->payload);
      out.wire += piece->wire;
      part = part.subspan(piece->wire);
    }
  }
  out.whole = tracker.whole();
  return out;
}

void fuzz_body(ByteView input) {
  const std::size_t stride = input.empty() ? 1 : 1 + input.front() % 31;
  const ByteView body = input.empty() ? input : input.subspan(1);
  const Outcome at_once = follow(body, SIZE_MAX);
  const Outcome split = follow(body, stride);
  check(at_once.payload == split.payload && at_once.failed == split.failed && at_once.whole == split.whole);
  check(at_once.failed || at_once.wire == split.wire);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(bytes + 1, size - 1);
  switch (bytes[0] % 4) {
    case 0: fuzz_request(input); break;
    case 1: fuzz_response(input, "GET"); break;
    case 2: fuzz_response(input, "HEAD"); break;
    default: fuzz_body(input); break;
  }
  return 0;
}
