#include "codec/cbor.h"

#include <limits>

#include "codec/cbor_wire.h"

namespace gateway::codec {
namespace {

using internal::CborHead;
using internal::CborMajor;

std::string_view name_of(std::optional<CborType> type) {
  if (!type) return "the end";
  switch (*type) {
    case CborType::kUnsigned: return "an unsigned integer";
    case CborType::kNegative: return "a negative integer";
    case CborType::kBytes: return "a byte string";
    case CborType::kText: return "a text";
    case CborType::kArray: return "an array";
    case CborType::kMap: return "a map";
    case CborType::kTag: return "a tag";
    case CborType::kSimple: return "a simple value";
    case CborType::kFloat: return "a float";
  }
  return "an item";
}

std::unexpected<Error> wrong_type(std::string_view expected, std::string_view found) {
  return fail(ErrorCode::kMalformed, "cbor.type",
              std::string("expected ").append(expected).append(" in CBOR, found ").append(found));
}

}  // namespace

Result<CborReader> CborReader::open(ByteView input, const CborLimits& limits, CborProfile profile) {
  GATEWAY_TRY(internal::check(input, limits, profile));
  return CborReader(input);
}

std::optional<CborType> CborReader::peek() const {
  if (at_ >= input_.size() || (!levels_.empty() && levels_.back() == 0U)) return std::nullopt;
  const std::uint8_t first = input_[at_];
  if (first == internal::kCborBreak) return std::nullopt;
  const auto major = static_cast<CborMajor>(first >> 5U);
  if (major != CborMajor::kOther) return static_cast<CborType>(major);
  const unsigned info = first & 31U;
  return info >= 25 && info <= 27 ? CborType::kFloat : CborType::kSimple;
}

void CborReader::count_item() {
  if (!levels_.empty() && levels_.back()) --*levels_.back();
}

Result<std::optional<std::uint64_t>> CborReader::take_head(CborType type) {
  const auto next = peek();
  if (next != type) return wrong_type(name_of(type), name_of(next));
  CborHead head;
  internal::read_head(input_.subspan(at_), head);
  at_ += head.size;
  if (type != CborType::kTag) count_item();  // a tag and its content are one item of the container
  if (head.indefinite()) return std::nullopt;
  return head.argument;
}

Result<std::uint64_t> CborReader::unsigned_integer() {
  GATEWAY_ASSIGN(const auto argument, take_head(CborType::kUnsigned));
  return *argument;
}

Result<std::int64_t> CborReader::integer() {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto next = peek();
  if (next != CborType::kUnsigned && next != CborType::kNegative) return wrong_type("an integer", name_of(next));
  const std::size_t start = at_;
  GATEWAY_ASSIGN(const auto argument, take_head(*next));
  if (*argument > kMax) {
    at_ = start;
    if (!levels_.empty() && levels_.back()) ++*levels_.back();
    return wrong_type("an integer of at most 63 bits and a sign", "a larger one");
  }
  const auto magnitude = static_cast<std::int64_t>(*argument);
  return next == CborType::kUnsigned ? magnitude : -1 - magnitude;
}

Result<ByteView> CborReader::definite_string(CborType type) {
  const auto next = peek();
  if (next == type && (input_[at_] & 31U) == 31U) {
    return wrong_type(std::string(name_of(type)) + " of definite length", "one of indefinite length");
  }
  GATEWAY_ASSIGN(const auto size, take_head(type));
  const ByteView content = input_.subspan(at_, static_cast<std::size_t>(*size));
  at_ += content.size();
  return content;
}

Result<ByteView> CborReader::bytes() { return definite_string(CborType::kBytes); }

Result<std::string_view> CborReader::text() {
  GATEWAY_ASSIGN(const ByteView content, definite_string(CborType::kText));
  return as_text(content);
}

Result<bool> CborReader::boolean() {
  constexpr std::uint8_t kFalse = 0xf4;
  constexpr std::uint8_t kTrue = 0xf5;
  const auto next = peek();
  if (next != CborType::kSimple || (input_[at_] != kFalse && input_[at_] != kTrue)) {
    return wrong_type("true or false", name_of(next));
  }
  const bool value = input_[at_] == kTrue;
  ++at_;
  count_item();
  return value;
}

Result<std::uint64_t> CborReader::tag() {
  GATEWAY_ASSIGN(const auto number, take_head(CborType::kTag));
  return *number;
}

bool CborReader::take_null() {
  if (peek() != CborType::kSimple || input_[at_] != internal::kCborNull) return false;
  ++at_;
  count_item();
  return true;
}

Result<std::optional<std::uint64_t>> CborReader::array() {
  GATEWAY_ASSIGN(const auto count, take_head(CborType::kArray));
  levels_.push_back(count);
  return count;
}

Result<std::optional<std::uint64_t>> CborReader::map() {
  GATEWAY_ASSIGN(const auto pairs, take_head(CborType::kMap));
  levels_.push_back(pairs ? Level(*pairs * 2) : std::nullopt);  // no overflow: open() saw every item
  return pairs;
}

Status CborReader::array_of(std::uint64_t exactly) {
  GATEWAY_ASSIGN(auto count, array());
  if (!count) {
    count = 0;
    for (std::size_t at = at_; input_[at] != internal::kCborBreak; ++*count) at = internal::end_of_item(input_, at);
  }
  if (*count != exactly) {
    return wrong_type("an array of " + std::to_string(exactly) + " items", "one of " + std::to_string(*count));
  }
  return {};
}

Status CborReader::end() {
  if (levels_.empty()) return wrong_type("an open array or map to leave", "none");
  if (const auto next = peek()) return wrong_type("the end of the array or map", name_of(next));
  if (!levels_.back()) ++at_;  // the break byte
  levels_.pop_back();
  return {};
}

Result<ByteView> CborReader::skip() {
  if (!peek()) return wrong_type("an item", name_of(std::nullopt));
  const std::size_t start = at_;
  at_ = internal::end_of_item(input_, at_);
  count_item();
  return input_.subspan(start, at_ - start);
}

CborWriter& CborWriter::unsigned_integer(std::uint64_t value) {
  internal::append_head(out_, CborMajor::kUnsigned, value);
  return *this;
}

CborWriter& CborWriter::integer(std::int64_t value) {
  if (value >= 0) return unsigned_integer(static_cast<std::uint64_t>(value));
  internal::append_head(out_, CborMajor::kNegative, static_cast<std::uint64_t>(-1 - value));
  return *this;
}

CborWriter& CborWriter::bytes(ByteView value) {
  internal::append_head(out_, CborMajor::kBytes, value.size());
  return encoded(value);
}

CborWriter& CborWriter::text(std::string_view value) {
  internal::append_head(out_, CborMajor::kText, value.size());
  return encoded(as_bytes(value));
}

CborWriter& CborWriter::boolean(bool value) {
  out_.push_back(value ? 0xf5 : 0xf4);
  return *this;
}

CborWriter& CborWriter::null() {
  out_.push_back(internal::kCborNull);
  return *this;
}

CborWriter& CborWriter::tag(std::uint64_t number) {
  internal::append_head(out_, CborMajor::kTag, number);
  return *this;
}

CborWriter& CborWriter::array(std::uint64_t count) {
  internal::append_head(out_, CborMajor::kArray, count);
  return *this;
}

CborWriter& CborWriter::map(std::uint64_t pairs) {
  internal::append_head(out_, CborMajor::kMap, pairs);
  return *this;
}

CborWriter& CborWriter::encoded(ByteView item) {
  out_.insert(out_.end(), item.begin(), item.end());
  return *this;
}

}  // namespace gateway::codec
