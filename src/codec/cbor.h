// CBOR, strict: a pull reader over untrusted bytes and a deterministic writer.
//
// Input:  untrusted. The reader accepts well-formed CBOR (RFC 8949 §5.3) only. Two profiles:
//         kDeterministic: §4.2.1 core deterministic encoding, nothing else (our own structures);
//         kGeneral: indefinite lengths and long-form integers too, because genuine Nitro documents from 2025-12 on
//         have them. Duplicate map keys and invalid UTF-8 are refused in both.
// Bounds: CborLimits; nothing is allocated in proportion to a length that was only claimed.
// Spec:   RFC 8949.
// Errors: kMalformed cbor.truncated, cbor.trailing, cbor.type, cbor.not_deterministic, cbor.duplicate_key,
//         cbor.utf8, cbor.malformed; kLimitExceeded cbor.depth, cbor.size, cbor.items
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace gateway::codec {

struct CborLimits {
  std::size_t bytes = 64UZ * 1024;
  std::size_t depth = 8;     // arrays, maps and tags inside each other
  std::size_t items = 4096;  // data items in all, map keys counted
};

enum class CborProfile : std::uint8_t { kDeterministic, kGeneral };

enum class CborType : std::uint8_t { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kTag, kSimple, kFloat };

class CborReader {
 public:
  // Checks the whole input for well-formedness against profile and limits once (exactly one item, no trailing
  // bytes), so that the typed reads after it meet only wrong types, never broken structure.
  static Result<CborReader> open(ByteView input, const CborLimits& limits, CborProfile profile);

  // What comes next; nullopt at the end of the enclosing container or of the input.
  std::optional<CborType> peek() const;

  Result<std::uint64_t> unsigned_integer();
  Result<std::int64_t> integer();   // either sign, within int64
  Result<ByteView> bytes();         // definite-length; a view into the input
  Result<std::string_view> text();  // definite-length; a view into the input
  Result<bool> boolean();
  Result<std::uint64_t> tag();  // the tag's number; its content is the next item
  bool take_null();             // consumes a null if one is next
  // Enter a container; read its items; leave with end(), which refuses unread items.
  // The count is absent when the length is indefinite: read until peek() is nullopt.
  Result<std::optional<std::uint64_t>> array();
  Result<std::optional<std::uint64_t>> map();  // pairs
  Status array_of(std::uint64_t exactly);      // array() with its length fixed by a specification
  Status end();
  // Steps over one whole item and returns its encoding as received (for hashing and signatures).
  Result<ByteView> skip();

 private:
  // A container that was entered: items left, or absent until its break byte.
  using Level = std::optional<std::uint64_t>;
  explicit CborReader(ByteView input) : input_(input) {}
  // Consumes the head of the next item, which must be of this type; returns its argument, absent if indefinite.
  Result<std::optional<std::uint64_t>> take_head(CborType type);
  Result<ByteView> definite_string(CborType type);
  void count_item();

  ByteView input_;
  std::size_t at_ = 0;
  std::vector<Level> levels_;
};

// Writes deterministic CBOR. Containers are opened with their length; map keys must be written in bytewise order of
// their encodings (the writer does not sort; tests check its output with the deterministic reader).
class CborWriter {
 public:
  CborWriter& unsigned_integer(std::uint64_t value);
  CborWriter& integer(std::int64_t value);
  CborWriter& bytes(ByteView value);
  CborWriter& text(std::string_view value);
  CborWriter& boolean(bool value);
  CborWriter& null();
  CborWriter& tag(std::uint64_t number);
  CborWriter& array(std::uint64_t count);
  CborWriter& map(std::uint64_t pairs);
  CborWriter& encoded(ByteView item);  // an item that is encoded already
  const Bytes& view() const { return out_; }
  Bytes take() && { return std::move(out_); }

 private:
  Bytes out_;
};

}  // namespace gateway::codec
