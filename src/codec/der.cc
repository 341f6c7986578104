#include "codec/der.h"

#include <charconv>

namespace gateway::codec {
namespace {

constexpr unsigned kMaxLengthBytes = 4;

std::unexpected<Error> bad_value(const char* expected) {
  return fail(ErrorCode::kMalformed, "der.value", std::string("expected ") + expected);
}

std::unexpected<Error> truncated() {
  return fail(ErrorCode::kMalformed, "der.truncated", "the DER element is not complete where the input ends");
}

void append_base128(Bytes& out, std::uint64_t value) {
  unsigned groups = 1;
  while (groups < 10 && (value >> (7 * groups)) != 0) ++groups;
  while (groups-- > 1) out.push_back(static_cast<std::uint8_t>(0x80U | ((value >> (7 * groups)) & 0x7fU)));
  out.push_back(static_cast<std::uint8_t>(value & 0x7fU));
}

}  // namespace

Result<DerElement> DerReader::any() {
  if (rest_.size() < 2) return truncated();
  const std::uint8_t tag = rest_[0];
  if ((tag & 0x1fU) == 0x1fU) return fail(ErrorCode::kMalformed, "der.tag", "expected a one-byte DER tag");
  std::size_t length = rest_[1];
  std::size_t head = 2;
  if (length >= 0x80) {
    const std::size_t count = length & 0x7fU;
    if (count == 0 || count > kMaxLengthBytes) {
      return fail(ErrorCode::kMalformed, "der.length", "expected a definite DER length of at most four bytes");
    }
    if (rest_.size() < 2 + count) return truncated();
    length = 0;
    for (std::uint8_t byte : rest_.subspan(2, count)) length = (length << 8U) | byte;
    head += count;
    const bool minimal = length >= 0x80 && (length >> (8 * (count - 1))) != 0;
    if (!minimal) return fail(ErrorCode::kMalformed, "der.length", "expected a DER length in its shortest form");
  }
  if (length > rest_.size() - head) return truncated();
  const DerElement element{tag, rest_.subspan(head, length), rest_.first(head + length)};
  rest_ = rest_.subspan(head + length);
  return element;
}

Result<DerElement> DerReader::element(std::uint8_t tag) {
  if (!rest_.empty() && rest_[0] != tag) {
    return fail(ErrorCode::kMalformed, "der.type",
                "expected DER tag " + std::to_string(tag) + ", found " + std::to_string(rest_[0]));
  }
  return any();
}

Result<DerReader> DerReader::enter(std::uint8_t tag) {
  GATEWAY_ASSIGN(const DerElement inner, element(tag));
  return DerReader(inner.content);
}

Result<ByteView> DerReader::integer() {
  GATEWAY_ASSIGN(const DerElement inner, element(der_tag::kInteger));
  const ByteView content = inner.content;
  if (content.empty()) return bad_value("an INTEGER of at least one byte");
  if (content.size() > 1) {
    const bool sign_bit = (content[1] & 0x80U) != 0;
    if ((content[0] == 0x00 && !sign_bit) || (content[0] == 0xff && sign_bit)) {
      return bad_value("an INTEGER in its shortest form");
    }
  }
  return content;
}

Result<ByteView> DerReader::unsigned_integer() {
  GATEWAY_ASSIGN(const ByteView content, integer());
  if ((content[0] & 0x80U) != 0) return bad_value("an INTEGER that is not negative");
  return content.size() > 1 && content[0] == 0 ? content.subspan(1) : content;
}

Result<std::int64_t> DerReader::small_integer() {
  GATEWAY_ASSIGN(const ByteView content, unsigned_integer());
  if (content.size() > 4) return bad_value("an INTEGER below 2^32");
  std::int64_t value = 0;
  for (std::uint8_t byte : content) value = value * 256 + byte;
  return value;
}

Result<bool> DerReader::boolean() {
  GATEWAY_ASSIGN(const DerElement inner, element(der_tag::kBoolean));
  if (inner.content.size() != 1 || (inner.content[0] != 0x00 && inner.content[0] != 0xff)) {
    return bad_value("a BOOLEAN of 00 or ff");
  }
  return inner.content[0] == 0xff;
}

Result<ByteView> DerReader::oid() {
  GATEWAY_ASSIGN(const DerElement inner, element(der_tag::kOid));
  bool starts_arc = true;
  for (std::uint8_t byte : inner.content) {
    if (starts_arc && byte == 0x80) return bad_value("an OBJECT IDENTIFIER in its shortest form");
    starts_arc = (byte & 0x80U) == 0;
  }
  if (inner.content.empty() || !starts_arc) return bad_value("a complete OBJECT IDENTIFIER");
  return inner.content;
}

Result<ByteView> DerReader::bit_string() {
  GATEWAY_ASSIGN(const DerElement inner, element(der_tag::kBitString));
  if (inner.content.empty() || inner.content[0] != 0) return bad_value("a BIT STRING of whole bytes");
  return inner.content.subspan(1);
}

Status DerReader::finish() const {
  if (!rest_.empty()) {
    return fail(ErrorCode::kMalformed, "der.trailing",
                "expected the end of the DER, found " + std::to_string(rest_.size()) + " further bytes");
  }
  return {};
}

Bytes der(std::uint8_t tag, std::initializer_list<ByteView> parts) {
  std::size_t length = 0;
  for (ByteView part : parts) length += part.size();
  Bytes out;
  out.reserve(length + 6);
  out.push_back(tag);
  if (length < 0x80) {
    out.push_back(static_cast<std::uint8_t>(length));
  } else {
    unsigned count = 1;
    while (count < sizeof length && (length >> (8 * count)) != 0) ++count;
    out.push_back(static_cast<std::uint8_t>(0x80U | count));
    while (count-- > 0) out.push_back(static_cast<std::uint8_t>(length >> (8 * count)));
  }
  for (ByteView part : parts) append(out, part);
  return out;
}

Bytes der_unsigned(ByteView big_endian) {
  static constexpr std::uint8_t kZero = 0;
  while (!big_endian.empty() && big_endian[0] == 0) big_endian = big_endian.subspan(1);
  const bool needs_zero = big_endian.empty() || (big_endian[0] & 0x80U) != 0;
  return der(der_tag::kInteger, {needs_zero ? ByteView(&kZero, 1) : ByteView(), big_endian});
}

Bytes der_bit_string(ByteView bytes) {
  static constexpr std::uint8_t kNoUnusedBits = 0;
  return der(der_tag::kBitString, {ByteView(&kNoUnusedBits, 1), bytes});
}

std::optional<Bytes> der_oid(std::string_view dotted) {
  constexpr std::uint64_t kMaxArc = std::uint64_t{1} << 56U;
  Bytes content;
  content.reserve(dotted.size());
  std::uint64_t first = 0;
  for (std::size_t index = 0;; ++index) {
    std::uint64_t arc = 0;
    const char* const text = dotted.data();
    const auto [end, error] = std::from_chars(text, text + dotted.size(), arc);
    if (error != std::errc() || arc > kMaxArc) return std::nullopt;
    dotted.remove_prefix(static_cast<std::size_t>(end - text));
    if (index == 0) {
      if (arc > 2) return std::nullopt;
      first = arc;
    } else if (index == 1) {
      if (first < 2 && arc > 39) return std::nullopt;
      append_base128(content, first * 40 + arc);
    } else {
      append_base128(content, arc);
    }
    if (dotted.empty()) return index == 0 ? std::nullopt : std::optional(der(der_tag::kOid, {content}));
    if (dotted.front() != '.') return std::nullopt;
    dotted.remove_prefix(1);
  }
}

std::string oid_text(ByteView content) {
  std::string text;
  std::uint64_t arc = 0;
  for (std::uint8_t byte : content) {
    if ((arc >> 56U) != 0) return "an OID with a number beyond 64 bits";
    arc = (arc << 7U) | (byte & 0x7fU);
    if ((byte & 0x80U) != 0) continue;
    if (text.empty()) {
      const std::uint64_t first = arc < 40 ? 0 : arc < 80 ? 1 : 2;
      text = std::to_string(first) + "." + std::to_string(arc - first * 40);
    } else {
      text.append(".").append(std::to_string(arc));
    }
    arc = 0;
  }
  return text;
}

}  // namespace gateway::codec
