// CBOR's encoding, below the reader and the writer: heads, floats, UTF-8, and the check that open() makes.
// Internal to codec.
#pragma once

#include "codec/cbor.h"

namespace gateway::codec::internal {

enum class CborMajor : std::uint8_t { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kTag, kOther };

inline constexpr std::uint8_t kCborBreak = 0xff;
inline constexpr std::uint8_t kCborNull = 0xf6;

// An initial byte and its argument (RFC 8949 §3).
struct CborHead {
  CborMajor major = CborMajor::kUnsigned;
  std::uint8_t info = 0;  // additional information, 0–31
  std::uint64_t argument = 0;
  std::size_t size = 0;  // bytes of the head itself, 1–9

  bool indefinite() const { return info == 31; }
  bool is_float() const { return major == CborMajor::kOther && info >= 25 && info <= 27; }
  bool is_break() const { return major == CborMajor::kOther && info == 31; }
};

enum class CborFault : std::uint8_t {
  kNone,
  kTruncated,
  kMalformed,
  kNotDeterministic,
  kDuplicateKey,
  kUtf8,
  kDepth,
  kItems,
};

// Reads the head at the start of `rest`. Refuses reserved additional information and the two-byte simple values < 32.
CborFault read_head(ByteView rest, CborHead& head);
bool is_shortest(const CborHead& head);  // floats excepted
void append_head(Bytes& out, CborMajor major, std::uint64_t argument);

// The one deterministic encoding of a float (RFC 8949 §4.2.1): the shortest that keeps the value; NaN is f97e00.
double float_value(const CborHead& head);
void append_float(Bytes& out, double value);

bool is_utf8(ByteView text);  // RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF

// The end of the item that starts at `at`. Only for input that open() has checked.
std::size_t end_of_item(ByteView input, std::size_t at);

// Re-encodes the item at `at` deterministically, so that keys are compared as values, not as spellings; returns its
// end. Only for input that was found well-formed.
std::size_t append_canonical(ByteView input, std::size_t at, Bytes& out);

// Exactly one well-formed item, within limits and profile.
Status check(ByteView input, const CborLimits& limits, CborProfile profile);

}  // namespace gateway::codec::internal
