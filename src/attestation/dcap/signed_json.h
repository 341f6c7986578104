// What Intel's signed JSON documents have in common: {"name":{…},"signature":"…"}, dates, hexadecimal fields, levels.
//
// Input:  untrusted files. Read in one pass by codec/json_cursor.h.
// Output: fields, and the exact bytes that the signature covers.
// Bounds: kMaxDocument bytes; kMaxLevels levels, kMaxAdvisories advisories each. Internal to dcap/.
// Spec:   Intel PCS API v4, "Get TCB Info", "Get Quoting Enclave Identity".
// Errors: those of DocumentIds; kNotAuthentic dcap.collateral.signature
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "attestation/dcap/tcb_status.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "codec/json_cursor.h"
#include "crypto/keys.h"

namespace gateway::attestation::dcap {

inline constexpr std::size_t kMaxDocument = 1024UZ * 1024;  // real ones have at most some 20 KB
inline constexpr std::size_t kMaxLevels = 256;
inline constexpr std::size_t kMaxAdvisories = 256;
inline constexpr std::size_t kMaxWord = 64;  // of an advisory's id

struct Refusal {
  ErrorCode code;
  ErrorId id;
};
struct DocumentIds {
  Refusal json;     // not JSON as it is read here
  Refusal limit;    // larger or deeper than it may be
  Refusal version;  // of no version that is read here
  Refusal field;    // a field is missing or not what the specification says
};

// A level that is judged by one SVN: of a quoting enclave or a TDX module.
struct IsvLevel {
  std::uint16_t isv_svn = 0;
  TcbStatus status{};
  Time date;
  std::vector<std::string> advisories;
};

struct SignedBody {
  Bytes body;  // the object as served
  ByteArray<64> signature{};
};

// One field of an object, under the document's ids. `name` is the member's, for people.
class FieldReader {
 public:
  FieldReader(codec::JsonCursor& cursor, const DocumentIds& ids) : cursor_(cursor), ids_(ids) {}

  std::unexpected<Error> bad(std::string_view name, std::string_view expected) const;
  std::unexpected<Error> unsupported_version(std::string_view expected) const;

  Status object(std::string_view name);
  Result<std::optional<std::string_view>> key() { return wrapped(cursor_.key()); }
  Status array(std::string_view name);
  Result<bool> element() { return wrapped(cursor_.element()); }
  Status skip() { return wrapped(cursor_.skip()); }
  Status finish() { return wrapped(cursor_.finish()); }

  Result<std::string_view> text(std::string_view name);
  Result<std::uint64_t> number(std::string_view name, std::uint64_t max);
  Result<Time> date(std::string_view name);  // YYYY-MM-DDThh:mm:ssZ and nothing else
  Result<TcbStatus> status(std::string_view name);
  Result<std::vector<std::string>> advisories(std::string_view name);
  Result<std::vector<IsvLevel>> isv_levels(std::string_view name);
  template <std::size_t N>
  Result<ByteArray<N>> hex(std::string_view name) {
    ByteArray<N> out{};
    GATEWAY_TRY(hex_into(name, out));
    return out;
  }

  codec::JsonCursor& cursor() { return cursor_; }

 private:
  std::unexpected<Error> json_error(const Error& cause) const;
  template <class T>
  Result<T> wrapped(Result<T> result) const {
    if (!result) return json_error(result.error());
    return result;
  }
  Result<IsvLevel> isv_level();
  Result<std::uint16_t> isv_svn();
  Status hex_into(std::string_view name, std::span<std::uint8_t> out);

  codec::JsonCursor& cursor_;
  const DocumentIds& ids_;
};

// Which of a fixed list of members were there: bit n for the nth.
class Members {
 public:
  explicit Members(std::span<const std::string_view> names) : names_(names) {}
  // The member's place in the list; nullopt for one that is not in it.
  std::optional<std::size_t> note(std::string_view name) {
    const auto found = std::ranges::find(names_, name);
    if (found == names_.end()) return std::nullopt;
    const auto index = static_cast<std::size_t>(found - names_.begin());
    seen_ |= 1U << index;
    return index;
  }
  // The first that is missing among the first `count`.
  std::optional<std::string_view> missing(std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i) {
      if ((seen_ & (1U << i)) == 0) return names_[i];
    }
    return std::nullopt;
  }
  bool has(std::size_t index) const { return (seen_ & (1U << index)) != 0; }

 private:
  std::span<const std::string_view> names_;
  std::uint32_t seen_ = 0;
};

// Reads the envelope; `read_body` reads the object of the member `name` and must consume it. Members may come in either
// order; others are refused.
template <class ReadBody>
Result<SignedBody> read_envelope(ByteView bytes, std::string_view name, const DocumentIds& ids, ReadBody read_body) {
  const codec::JsonCursor::Limits limits{.bytes = kMaxDocument, .depth = 12, .members = 64};
  auto cursor = codec::JsonCursor::open(as_text(bytes), limits);
  if (!cursor) return fail(ids.limit.code, ids.limit.id, cursor.error().detail());
  FieldReader reader(*cursor, ids);
  SignedBody document;
  bool has_body = false;
  bool has_signature = false;
  GATEWAY_TRY(reader.object("the document"));
  while (true) {
    GATEWAY_ASSIGN(const auto member, reader.key());
    if (!member) break;
    if (*member == name) {
      const std::size_t from = cursor->offset();
      GATEWAY_TRY(read_body(reader));
      document.body = to_bytes(bytes.subspan(from, cursor->end_of_last() - from));
      has_body = true;
    } else if (*member == "signature") {
      GATEWAY_ASSIGN(document.signature, reader.template hex<64>("signature"));
      has_signature = true;
    } else {
      return reader.bad("another member", "only the document and its signature");
    }
  }
  GATEWAY_TRY(reader.finish());
  if (!has_body) return reader.bad(name, "the document");
  if (!has_signature) return reader.bad("signature", "64 bytes of hexadecimal");
  return document;
}

// ECDSA P-256 with SHA-256, r ‖ s, over the object's bytes as served. Some copies are pretty-printed by those who
// stored them: if the bytes do not verify and white space stands between the tokens, the same tokens without it are
// tried, the form that Intel signs and serves. Nothing but white space may differ.
Status verify_signature(const SignedBody& document, const crypto::PublicKey& key);

}  // namespace gateway::attestation::dcap
