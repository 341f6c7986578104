#include "channel/tokens.h"

#include <algorithm>
#include <set>

#include "codec/cbor.h"
#include "crypto/random.h"

namespace gateway::channel {
namespace {

constexpr std::string_view kLabel = "gateway/tokens/v1";
constexpr std::string_view kTokenPrefix = "gwt_";
constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kEntryFields = 5;
constexpr std::size_t kMaxIdSize = 64;
constexpr std::uint32_t kAllRights = kRightCall | kRightLogs | kRightMetrics;
// An entry is at most 64 (id) + 32 (digest) + 3 × 9 (integers) and a few bytes of heads.
constexpr std::size_t kMaxListSize = kMaxTokens * 136 + 64;
constexpr std::size_t kMaxFileSize = kMaxListSize + 128;
constexpr codec::CborLimits kListLimits{.bytes = kMaxListSize, .depth = 3, .items = kMaxTokens * 6 + 8};
constexpr codec::CborLimits kFileLimits{.bytes = kMaxFileSize, .depth = 1, .items = 4};
constexpr std::uint64_t kMaxUnixSeconds = 253'402'300'799;  // the last second of year 9999

std::unexpected<Error> malformed(std::string detail) {
  return fail(ErrorCode::kMalformed, "tokens.list", std::move(detail), "sign the list again with `gateway token`");
}

bool is_id(std::string_view id) {
  if (id.empty() || id.size() > kMaxIdSize) return false;
  return std::ranges::all_of(
      id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'; });
}

// Every reader error of the CBOR below is one and the same to the caller: not a token list.
template <class T>
Result<T> as_list(Result<T> result, const char* what) {
  if (!result) return malformed(what);
  return result;
}

// The rules that signing and opening share.
Status check_entries(const std::vector<TokenEntry>& entries) {
  if (entries.size() > kMaxTokens) {
    return fail(ErrorCode::kLimitExceeded, "tokens.size",
                "expected at most " + std::to_string(kMaxTokens) + " tokens, found " + std::to_string(entries.size()));
  }
  std::set<std::string_view> ids;
  std::set<crypto::Sha256> digests;
  for (const TokenEntry& entry : entries) {
    if (!is_id(entry.id)) return malformed("a token's name is not 1 to 64 characters of a-z, 0-9, '.', '_' and '-'");
    if (entry.rights == 0 || (entry.rights & ~kAllRights) != 0) {
      return malformed("a token's rights are not a sum of 1 (call), 2 (logs) and 4 (metrics)");
    }
    if (!ids.insert(entry.id).second) return malformed("two tokens have the same name");
    if (!digests.insert(entry.token_sha256).second) return malformed("the same token is listed twice");
  }
  return {};
}

Result<TokenEntry> read_entry(codec::CborReader& reader) {
  TokenEntry entry;
  if (!reader.array_of(kEntryFields)) return malformed("an entry is not an array of five");
  GATEWAY_ASSIGN(entry.id, as_list(reader.text(), "an entry's name is not text"));
  GATEWAY_ASSIGN(const ByteView digest, as_list(reader.bytes(), "an entry's digest is not bytes"));
  if (digest.size() != entry.token_sha256.size()) return malformed("an entry's digest is not 32 bytes");
  std::ranges::copy(digest, entry.token_sha256.begin());
  GATEWAY_ASSIGN(const std::uint64_t rights, as_list(reader.unsigned_integer(), "an entry's rights are not a number"));
  if (rights > kAllRights) return malformed("an entry has rights that this version does not know");
  entry.rights = static_cast<std::uint32_t>(rights);
  GATEWAY_ASSIGN(entry.requests_per_minute,
                 as_list(reader.unsigned_integer(), "an entry's requests a minute are not a number"));
  GATEWAY_ASSIGN(entry.tokens_per_minute,
                 as_list(reader.unsigned_integer(), "an entry's model tokens a minute are not a number"));
  if (!reader.end()) return malformed("an entry has more than five fields");
  return entry;
}

Result<TokenList> parse_list(ByteView bytes) {
  auto opened = codec::CborReader::open(bytes, kListLimits, codec::CborProfile::kDeterministic);
  if (!opened) return malformed("the signed list is not deterministic CBOR within its limits");
  codec::CborReader& reader = *opened;
  if (!reader.array_of(4)) return malformed("the signed list is not an array of four");
  GATEWAY_ASSIGN(const std::string_view label, as_list(reader.text(), "the list's label is not text"));
  if (label != kLabel) return malformed("the list's label is not gateway/tokens/v1");
  TokenList list;
  GATEWAY_ASSIGN(list.version, as_list(reader.unsigned_integer(), "the list's version is not a number"));
  GATEWAY_ASSIGN(const std::uint64_t not_after, as_list(reader.unsigned_integer(), "not_after is not a number"));
  if (not_after > kMaxUnixSeconds) return malformed("not_after is beyond the year 9999");
  list.not_after = Time(std::chrono::seconds(not_after));
  GATEWAY_ASSIGN(const auto count, as_list(reader.array(), "the list's entries are not an array"));
  for (std::uint64_t i = 0; count && i < *count; ++i) {
    GATEWAY_ASSIGN(TokenEntry entry, read_entry(reader));
    list.entries.push_back(std::move(entry));
  }
  if (!reader.end() || !reader.end()) return malformed("the list has more fields than its version knows");
  GATEWAY_TRY(check_entries(list.entries));
  return list;
}

}  // namespace

Secret make_token() {
  const Secret random = crypto::random_secret(kTokenBytes);
  std::string text = std::string(kTokenPrefix);
  std::string encoded = to_base64url(random.reveal());
  text += encoded;
  wipe({reinterpret_cast<std::uint8_t*>(encoded.data()), encoded.size()});
  Secret token(as_bytes(text));
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return token;
}

crypto::Sha256 token_digest(ByteView token_text) { return crypto::sha256(token_text); }

Result<Bytes> sign_token_list(const TokenList& list, const crypto::PrivateKey& access_key) {
  GATEWAY_TRY(check_entries(list.entries));
  const auto not_after = std::chrono::floor<std::chrono::seconds>(list.not_after.time_since_epoch()).count();
  if (not_after < 0) return malformed("not_after is before 1970");
  codec::CborWriter writer;
  writer.array(4).text(kLabel).unsigned_integer(list.version);
  writer.unsigned_integer(static_cast<std::uint64_t>(not_after)).array(list.entries.size());
  for (const TokenEntry& entry : list.entries) {
    writer.array(kEntryFields).text(entry.id).bytes(entry.token_sha256).unsigned_integer(entry.rights);
    writer.unsigned_integer(entry.requests_per_minute).unsigned_integer(entry.tokens_per_minute);
  }
  const Bytes encoded = std::move(writer).take();
  GATEWAY_ASSIGN(const Bytes signature,
                 access_key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, encoded));
  codec::CborWriter file;
  file.array(2).bytes(encoded).bytes(signature);
  return std::move(file).take();
}

Result<TokenList> read_token_list(ByteView file, const crypto::PublicKey& access_key) {
  if (file.size() > kMaxFileSize) {
    return fail(ErrorCode::kLimitExceeded, "tokens.size",
                "expected at most " + std::to_string(kMaxFileSize) + " bytes, found " + std::to_string(file.size()));
  }
  auto opened = codec::CborReader::open(file, kFileLimits, codec::CborProfile::kDeterministic);
  if (!opened) return malformed("the token list's file is not deterministic CBOR");
  codec::CborReader& reader = *opened;
  if (!reader.array_of(2)) return malformed("the token list's file is not an array of two");
  GATEWAY_ASSIGN(const ByteView encoded, as_list(reader.bytes(), "the signed list is not bytes"));
  GATEWAY_ASSIGN(const ByteView signature, as_list(reader.bytes(), "the list's signature is not bytes"));
  if (!reader.end()) return malformed("the token list's file has more than two fields");
  if (!access_key.verify(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, encoded, signature)) {
    return fail(ErrorCode::kNotAuthentic, "tokens.signature",
                "the list is not signed by the access key that the configuration names",
                "sign it with the key whose public half is access_key in the deployment's configuration");
  }
  return parse_list(encoded);
}

Result<TokenList> open_token_list(ByteView file, const crypto::PublicKey& access_key, Time now) {
  GATEWAY_ASSIGN(TokenList list, read_token_list(file, access_key));
  if (list.not_after <= now) {
    return fail(ErrorCode::kExpired, "tokens.expired", "the token list is past its not_after",
                "sign a new list with `gateway token`");
  }
  if (list.not_after > now + kMaxTokenListLife) {
    return fail(ErrorCode::kPolicyRejected, "tokens.not_after", "not_after is more than 24 h ahead",
                "sign a list that expires within 24 h, and renew it");
  }
  return list;
}

}  // namespace gateway::channel
