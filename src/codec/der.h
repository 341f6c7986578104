// DER (X.690 §10): a strict reader over untrusted bytes and a small writer. For X.509, keys and signatures.
//
// Input:  untrusted. Definite, minimal lengths; one-byte tags.
// Bounds: never allocates; lengths of at most four bytes.
// Errors: kMalformed der.truncated, der.length, der.tag, der.type, der.value, der.trailing
#pragma once

#include <initializer_list>
#include <optional>

#include "base/bytes.h"

namespace gateway::codec {

namespace der_tag {
inline constexpr std::uint8_t kBoolean = 0x01;
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kNull = 0x05;
inline constexpr std::uint8_t kOid = 0x06;
inline constexpr std::uint8_t kUtf8String = 0x0c;
inline constexpr std::uint8_t kPrintableString = 0x13;
inline constexpr std::uint8_t kIa5String = 0x16;
inline constexpr std::uint8_t kUtcTime = 0x17;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kSet = 0x31;
constexpr std::uint8_t context(unsigned number) { return static_cast<std::uint8_t>(0x80U | number); }
constexpr std::uint8_t context_constructed(unsigned number) { return static_cast<std::uint8_t>(0xa0U | number); }
}  // namespace der_tag

struct DerElement {  // views into the input
  std::uint8_t tag = 0;
  ByteView content;
  ByteView encoding;  // tag and length included
};

class DerReader {
 public:
  explicit DerReader(ByteView input) : rest_(input) {}

  bool empty() const { return rest_.empty(); }
  bool next_is(std::uint8_t tag) const { return !rest_.empty() && rest_[0] == tag; }
  Result<DerElement> any();
  Result<DerElement> element(std::uint8_t tag);  // the next one, which must have this tag
  Result<DerReader> enter(std::uint8_t tag);     // a reader of its content
  Result<ByteView> integer();                    // minimal two's complement, as it stands
  Result<ByteView> unsigned_integer();           // big-endian, no sign byte; negative is refused
  Result<std::int64_t> small_integer();          // not negative, below 2^32
  Result<bool> boolean();
  Result<ByteView> oid();         // the content
  Result<ByteView> bit_string();  // of whole bytes
  Status finish() const;

 private:
  ByteView rest_;
};

// One element of these parts' concatenation.
Bytes der(std::uint8_t tag, std::initializer_list<ByteView> parts);
Bytes der_unsigned(ByteView big_endian);  // INTEGER; leading zeros are dropped, a sign byte is put where needed
Bytes der_bit_string(ByteView bytes);
std::optional<Bytes> der_oid(std::string_view dotted);  // the whole element; nullopt if it is not an OID
std::string oid_text(ByteView content);                 // dotted

}  // namespace gateway::codec
