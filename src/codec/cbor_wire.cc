#include "codec/cbor_wire.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace gateway::codec::internal {
namespace {

constexpr std::uint16_t kHalfNan = 0x7e00;
constexpr std::uint16_t kHalfInfinity = 0x7c00;

double half_value(std::uint16_t half) {
  const int exponent = (half >> 10U) & 31;
  const int mantissa = half & 0x3ff;
  double magnitude = 0;
  if (exponent == 0) {
    magnitude = std::ldexp(mantissa, -24);
  } else if (exponent != 31) {
    magnitude = std::ldexp(mantissa + 1024, exponent - 25);
  } else {
    magnitude = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  return (half & 0x8000U) != 0 ? -magnitude : magnitude;
}

// The half-precision form of a number that is not NaN, if it has one.
std::optional<std::uint16_t> exact_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16U) & 0x8000U);
  const int exponent = static_cast<int>((bits >> 23U) & 255U) - 127;
  const std::uint32_t mantissa = bits & 0x7f'ffffU;
  if (value == 0) return sign;
  if (exponent == 128) return static_cast<std::uint16_t>(sign | kHalfInfinity);
  if (exponent >= -14 && exponent <= 15) {
    if ((mantissa & 0x1fffU) != 0) return std::nullopt;
    return static_cast<std::uint16_t>(sign | (static_cast<unsigned>(exponent + 15) << 10U) | (mantissa >> 13U));
  }
  if (exponent < -24 || exponent > 15) return std::nullopt;
  const std::uint32_t full = mantissa | 0x80'0000U;  // subnormal half: a multiple of 2^-24
  const auto shift = static_cast<unsigned>(-(exponent + 1));
  if ((full & ((1U << shift) - 1)) != 0) return std::nullopt;
  return static_cast<std::uint16_t>(sign | (full >> shift));
}

void append_big_endian(Bytes& out, std::uint64_t value, unsigned size) {
  for (unsigned i = size; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void append_view(Bytes& out, ByteView view) { out.insert(out.end(), view.begin(), view.end()); }

std::size_t append_canonical_string(ByteView input, std::size_t at, const CborHead& head, Bytes& out) {
  if (!head.indefinite()) {
    const auto size = static_cast<std::size_t>(head.argument);
    append_head(out, head.major, size);
    append_view(out, input.subspan(at, size));
    return at + size;
  }
  Bytes content;
  while (input[at] != kCborBreak) {
    CborHead chunk;
    read_head(input.subspan(at), chunk);
    append_view(content, input.subspan(at + chunk.size, static_cast<std::size_t>(chunk.argument)));
    at += chunk.size + static_cast<std::size_t>(chunk.argument);
  }
  append_head(out, head.major, content.size());
  append_view(out, content);
  return at + 1;
}

// Whether the container whose content starts at `at` has a further item; counts `left` down or steps over the break.
bool next_item(ByteView input, std::size_t& at, const CborHead& head, std::uint64_t& left) {
  if (head.indefinite()) {
    if (input[at] != kCborBreak) return true;
    ++at;
    return false;
  }
  if (left == 0) return false;
  --left;
  return true;
}

std::size_t append_canonical_array(ByteView input, std::size_t at, const CborHead& head, Bytes& out) {
  Bytes content;
  std::uint64_t count = 0;
  std::uint64_t left = head.argument;
  for (; next_item(input, at, head, left); ++count) at = append_canonical(input, at, content);
  append_head(out, head.major, count);
  append_view(out, content);
  return at;
}

std::size_t append_canonical_map(ByteView input, std::size_t at, const CborHead& head, Bytes& out) {
  std::vector<std::pair<Bytes, Bytes>> entries;
  std::uint64_t left = head.argument;
  while (next_item(input, at, head, left)) {
    auto& [key, value] = entries.emplace_back();
    at = append_canonical(input, at, key);
    at = append_canonical(input, at, value);
  }
  std::ranges::sort(entries);
  append_head(out, head.major, entries.size());
  for (const auto& [key, value] : entries) {
    append_view(out, key);
    append_view(out, value);
  }
  return at;
}

}  // namespace

CborFault read_head(ByteView rest, CborHead& head) {
  if (rest.empty()) return CborFault::kTruncated;
  head.major = static_cast<CborMajor>(rest[0] >> 5U);
  head.info = rest[0] & 31U;
  head.argument = head.info;
  head.size = 1;
  if (head.info < 24) return CborFault::kNone;
  if (head.info < 28) {
    const std::size_t size = std::size_t{1} << (head.info - 24U);
    if (rest.size() < 1 + size) return CborFault::kTruncated;
    std::uint64_t argument = 0;
    for (std::uint8_t byte : rest.subspan(1, size)) argument = (argument << 8U) | byte;
    head.argument = argument;
    head.size = 1 + size;
    const bool reserved_simple = head.major == CborMajor::kOther && head.info == 24 && argument < 32;
    return reserved_simple ? CborFault::kMalformed : CborFault::kNone;
  }
  if (head.info < 31) return CborFault::kMalformed;
  const bool may_be_indefinite = head.major >= CborMajor::kBytes && head.major != CborMajor::kTag;
  return may_be_indefinite ? CborFault::kNone : CborFault::kMalformed;
}

bool is_shortest(const CborHead& head) {
  switch (head.info) {
    case 24: return head.argument >= 24;
    case 25: return head.argument > 0xff;
    case 26: return head.argument > 0xffff;
    case 27: return head.argument > 0xffff'ffff;
    default: return head.info != 31;
  }
}

void append_head(Bytes& out, CborMajor major, std::uint64_t argument) {
  const auto first = static_cast<std::uint8_t>(static_cast<unsigned>(major) << 5U);
  if (argument < 24) {
    out.push_back(static_cast<std::uint8_t>(first | argument));
    return;
  }
  const unsigned size = argument <= 0xff ? 0 : argument <= 0xffff ? 1 : argument <= 0xffff'ffff ? 2 : 3;
  out.push_back(static_cast<std::uint8_t>(first | (24U + size)));
  append_big_endian(out, argument, 1U << size);
}

double float_value(const CborHead& head) {
  if (head.info == 25) return half_value(static_cast<std::uint16_t>(head.argument));
  if (head.info == 26) return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(head.argument)));
  return std::bit_cast<double>(head.argument);
}

void append_float(Bytes& out, double value) {
  const auto put = [&out](std::uint8_t first, std::uint64_t bits, unsigned size) {
    out.push_back(first);
    append_big_endian(out, bits, size);
  };
  if (std::isnan(value)) return put(0xf9, kHalfNan, 2);
  const bool in_float_range = std::isinf(value) || std::fabs(value) <= double{std::numeric_limits<float>::max()};
  const float narrow = in_float_range ? static_cast<float>(value) : 0.0F;
  if (!in_float_range || static_cast<double>(narrow) != value) return put(0xfb, std::bit_cast<std::uint64_t>(value), 8);
  if (const auto half = exact_half(narrow)) return put(0xf9, *half, 2);
  put(0xfa, std::bit_cast<std::uint32_t>(narrow), 4);
}

bool is_utf8(ByteView text) {
  constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;
  std::size_t i = 0;
  const auto continuation = [&](std::size_t at) { return at < text.size() && (text[at] & 0xc0U) == 0x80U; };
  while (i < text.size()) {
    if (text.size() - i >= 8) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, text.data() + i, sizeof eight);
      if ((eight & kHighBits) == 0) {
        i += 8;
        continue;
      }
    }
    const std::uint8_t lead = text[i];
    if (lead < 0x80) {
      ++i;
    } else if (lead >= 0xc2 && lead <= 0xdf) {
      if (!continuation(i + 1)) return false;
      i += 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      if (!continuation(i + 1) || !continuation(i + 2)) return false;
      if (lead == 0xe0 && text[i + 1] < 0xa0) return false;   // overlong
      if (lead == 0xed && text[i + 1] >= 0xa0) return false;  // surrogate
      i += 3;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      if (!continuation(i + 1) || !continuation(i + 2) || !continuation(i + 3)) return false;
      if (lead == 0xf0 && text[i + 1] < 0x90) return false;   // overlong
      if (lead == 0xf4 && text[i + 1] >= 0x90) return false;  // above U+10FFFF
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

std::size_t end_of_item(ByteView input, std::size_t at) {
  CborHead head;
  read_head(input.subspan(at), head);
  at += head.size;
  switch (head.major) {
    case CborMajor::kUnsigned:
    case CborMajor::kNegative:
    case CborMajor::kOther: return at;
    case CborMajor::kTag: return end_of_item(input, at);
    case CborMajor::kBytes:
    case CborMajor::kText:
      if (!head.indefinite()) return at + static_cast<std::size_t>(head.argument);
      break;
    case CborMajor::kArray:
    case CborMajor::kMap: break;
  }
  std::uint64_t left = head.major == CborMajor::kMap ? head.argument * 2 : head.argument;
  while (next_item(input, at, head, left)) at = end_of_item(input, at);
  return at;
}

std::size_t append_canonical(ByteView input, std::size_t at, Bytes& out) {
  CborHead head;
  read_head(input.subspan(at), head);
  at += head.size;
  switch (head.major) {
    case CborMajor::kUnsigned:
    case CborMajor::kNegative: append_head(out, head.major, head.argument); return at;
    case CborMajor::kBytes:
    case CborMajor::kText: return append_canonical_string(input, at, head, out);
    case CborMajor::kArray: return append_canonical_array(input, at, head, out);
    case CborMajor::kMap: return append_canonical_map(input, at, head, out);
    case CborMajor::kTag: append_head(out, head.major, head.argument); return append_canonical(input, at, out);
    case CborMajor::kOther: break;
  }
  if (head.is_float()) {
    append_float(out, float_value(head));
  } else {
    append_head(out, head.major, head.argument);
  }
  return at;
}

}  // namespace gateway::codec::internal
