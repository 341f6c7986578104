#include <algorithm>
#include <cstring>
#include <deque>

#include "codec/cbor_wire.h"

namespace gateway::codec::internal {
namespace {

// The check recurses once a level; no limit that a caller sets may exhaust the stack.
constexpr std::size_t kMaxDepth = 256;

int compare(ByteView a, ByteView b) {
  const std::size_t common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

class Checker {
 public:
  Checker(ByteView input, const CborLimits& limits, CborProfile profile)
      : input_(input),
        max_depth_(std::min(limits.depth, kMaxDepth)),
        max_items_(limits.items),
        deterministic_(profile == CborProfile::kDeterministic) {}

  CborFault item(std::size_t depth) {
    if (++items_ > max_items_) return CborFault::kItems;
    CborHead head;
    if (const CborFault fault = read_head(input_.subspan(at_), head); fault != CborFault::kNone) return fault;
    if (head.is_break()) return CborFault::kMalformed;
    const std::size_t start = at_;
    at_ += head.size;
    if (head.is_float()) return note_float(head, start);
    if (!is_shortest(head)) {
      if (deterministic_) return CborFault::kNotDeterministic;
      ++odd_spellings_;
    }
    switch (head.major) {
      case CborMajor::kUnsigned:
      case CborMajor::kNegative:
      case CborMajor::kOther: return CborFault::kNone;
      case CborMajor::kBytes:
      case CborMajor::kText: return head.indefinite() ? chunks(head.major) : string(head);
      case CborMajor::kArray:
      case CborMajor::kMap:
      case CborMajor::kTag: break;
    }
    if (depth >= max_depth_) return CborFault::kDepth;
    if (head.major == CborMajor::kTag) return item(depth + 1);
    return head.major == CborMajor::kArray ? array(head, depth + 1) : map(head, depth + 1);
  }

  std::size_t at() const { return at_; }

 private:
  std::size_t left() const { return input_.size() - at_; }

  CborFault note_float(const CborHead& head, std::size_t start) {
    Bytes shortest;
    append_float(shortest, float_value(head));
    if (compare(shortest, input_.subspan(start, head.size)) == 0) return CborFault::kNone;
    ++odd_spellings_;
    return deterministic_ ? CborFault::kNotDeterministic : CborFault::kNone;
  }

  CborFault string(const CborHead& head) {
    if (head.argument > left()) return CborFault::kTruncated;
    const auto size = static_cast<std::size_t>(head.argument);
    if (head.major == CborMajor::kText && !is_utf8(input_.subspan(at_, size))) return CborFault::kUtf8;
    at_ += size;
    return CborFault::kNone;
  }

  // Chunks are definite-length strings of the same type, each valid by itself (RFC 8949 §3.2.3).
  CborFault chunks(CborMajor major) {
    for (;;) {
      CborHead head;
      if (const CborFault fault = read_head(input_.subspan(at_), head); fault != CborFault::kNone) return fault;
      at_ += head.size;
      if (head.is_break()) return CborFault::kNone;
      if (++items_ > max_items_) return CborFault::kItems;
      if (head.major != major || head.indefinite()) return CborFault::kMalformed;
      if (const CborFault fault = string(head); fault != CborFault::kNone) return fault;
    }
  }

  // Sets `more` to whether a further item of the container follows; steps over the break of an indefinite one.
  CborFault next(const CborHead& container, std::uint64_t& unread, bool& more) {
    if (!container.indefinite()) {
      more = unread != 0;
      if (more) --unread;
      return CborFault::kNone;
    }
    if (left() == 0) return CborFault::kTruncated;
    more = input_[at_] != kCborBreak;
    if (!more) ++at_;
    return CborFault::kNone;
  }

  CborFault array(const CborHead& head, std::size_t depth) {
    if (!head.indefinite() && head.argument > left()) return CborFault::kTruncated;
    std::uint64_t unread = head.argument;
    for (bool more = false;;) {
      if (const CborFault fault = next(head, unread, more); fault != CborFault::kNone) return fault;
      if (!more) return CborFault::kNone;
      if (const CborFault fault = item(depth); fault != CborFault::kNone) return fault;
    }
  }

  CborFault map(const CborHead& head, std::size_t depth) {
    if (!head.indefinite() && head.argument > left() / 2) return CborFault::kTruncated;
    std::uint64_t unread = head.argument;
    const std::size_t first_key = keys_.size();
    bool ascending = true;
    for (bool more = false;;) {
      if (const CborFault fault = next(head, unread, more); fault != CborFault::kNone) return fault;
      if (!more) break;
      if (const CborFault fault = key(depth); fault != CborFault::kNone) return fault;
      if (const CborFault fault = compare_keys(first_key, ascending); fault != CborFault::kNone) return fault;
      if (const CborFault fault = item(depth); fault != CborFault::kNone) return fault;
    }
    return ascending ? leave_map(first_key) : find_duplicate(first_key);
  }

  // Reads a key and pushes its canonical encoding.
  CborFault key(std::size_t depth) {
    const std::size_t start = at_;
    const std::size_t odd_before = odd_spellings_;
    if (const CborFault fault = item(depth); fault != CborFault::kNone) return fault;
    ByteView encoding = input_.subspan(start, at_ - start);
    if (odd_spellings_ != odd_before) {
      append_canonical(input_, start, respelled_.emplace_back());
      encoding = respelled_.back();
    }
    keys_.push_back(encoding);
    return CborFault::kNone;
  }

  CborFault compare_keys(std::size_t first_key, bool& ascending) {
    if (keys_.size() - first_key < 2 || !ascending) return CborFault::kNone;
    const int order = compare(keys_[keys_.size() - 2], keys_.back());
    if (order == 0) return CborFault::kDuplicateKey;
    if (order > 0 && deterministic_) return CborFault::kNotDeterministic;
    ascending = order < 0;
    return CborFault::kNone;
  }

  // Keys in no order: sorted, so that a map of n keys costs n log n comparisons.
  CborFault find_duplicate(std::size_t first_key) {
    ++odd_spellings_;
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first_key);
    std::sort(begin, keys_.end(), [](ByteView a, ByteView b) { return compare(a, b) < 0; });
    const auto same = [](ByteView a, ByteView b) { return compare(a, b) == 0; };
    if (std::adjacent_find(begin, keys_.end(), same) != keys_.end()) return CborFault::kDuplicateKey;
    return leave_map(first_key);
  }

  CborFault leave_map(std::size_t first_key) {
    keys_.resize(first_key);
    return CborFault::kNone;
  }

  ByteView input_;
  std::size_t max_depth_;
  std::size_t max_items_;
  bool deterministic_;
  std::size_t at_ = 0;
  std::size_t items_ = 0;
  std::size_t odd_spellings_ = 0;  // encodings met that are not the deterministic ones
  std::vector<ByteView> keys_;     // of all maps that are open, innermost last
  std::deque<Bytes> respelled_;    // what the views of oddly spelled keys point to
};

Status report(CborFault fault, std::size_t at, const CborLimits& limits) {
  const std::string where = " at byte " + std::to_string(at);
  switch (fault) {
    case CborFault::kNone: return {};
    case CborFault::kTruncated:
      return fail(ErrorCode::kMalformed, "cbor.truncated", "the CBOR item is not complete where the input ends");
    case CborFault::kMalformed: return fail(ErrorCode::kMalformed, "cbor.malformed", "not well-formed CBOR" + where);
    case CborFault::kNotDeterministic:
      return fail(ErrorCode::kMalformed, "cbor.not_deterministic",
                  "expected deterministic CBOR (RFC 8949 section 4.2.1), found another encoding" + where);
    case CborFault::kDuplicateKey:
      return fail(ErrorCode::kMalformed, "cbor.duplicate_key", "a map has the same key twice, found" + where);
    case CborFault::kUtf8: return fail(ErrorCode::kMalformed, "cbor.utf8", "text that is not UTF-8" + where);
    case CborFault::kDepth:
      return fail(ErrorCode::kLimitExceeded, "cbor.depth",
                  "more than " + std::to_string(std::min(limits.depth, kMaxDepth)) + " levels of nesting" + where);
    case CborFault::kItems:
      return fail(ErrorCode::kLimitExceeded, "cbor.items",
                  "more than " + std::to_string(limits.items) + " data items" + where);
  }
  return {};
}

}  // namespace

Status check(ByteView input, const CborLimits& limits, CborProfile profile) {
  if (input.size() > limits.bytes) {
    return fail(
        ErrorCode::kLimitExceeded, "cbor.size",
        "expected at most " + std::to_string(limits.bytes) + " bytes of CBOR, found " + std::to_string(input.size()));
  }
  Checker checker(input, limits, profile);
  GATEWAY_TRY(report(checker.item(0), checker.at(), limits));
  if (checker.at() != input.size()) {
    return fail(ErrorCode::kMalformed, "cbor.trailing",
                "expected one CBOR item, found " + std::to_string(input.size() - checker.at()) + " bytes after it");
  }
  return {};
}

}  // namespace gateway::codec::internal
