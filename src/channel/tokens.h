// Token lists: which callers an enclave admits, signed by the access key that the configuration names.
//
// list = ["gateway/tokens/v1", version, not_after (unix seconds), [[id text, SHA-256(token), rights, requests a minute,
//         model tokens a minute] …]], deterministic CBOR; file = [bstr(list), bstr(signature)], ECDSA-P256-SHA256.
// 0 a minute means none set. An enclave refuses lists with a lower version, past not_after, or with not_after more
// than 24 h ahead (docs/trust.md §2).
// Errors: kMalformed tokens.list; kNotAuthentic tokens.signature; kExpired tokens.expired; kPolicyRejected
//         tokens.version, tokens.not_after; kLimitExceeded tokens.size
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

namespace gateway::channel {

enum Right : std::uint32_t { kRightCall = 1, kRightLogs = 2, kRightMetrics = 4 };

inline constexpr std::size_t kMaxTokens = 4096;
inline constexpr Duration kMaxTokenListLife = std::chrono::hours(24);

struct TokenEntry {
  std::string id;  // a name for people, [a-z0-9._-]{1,64}
  crypto::Sha256 token_sha256{};
  std::uint32_t rights = kRightCall;
  std::uint64_t requests_per_minute = 0;
  std::uint64_t tokens_per_minute = 0;
};

struct TokenList {
  std::uint64_t version = 0;
  Time not_after;
  std::vector<TokenEntry> entries;
};

// A fresh 256-bit token in its text form ("gwt_" and 43 characters of base64url).
Secret make_token();
crypto::Sha256 token_digest(ByteView token_text);

Result<Bytes> sign_token_list(const TokenList& list, const crypto::PrivateKey& access_key);
// Signature and structure alone: for the access key's holder, who goes on from a list that may have expired.
Result<TokenList> read_token_list(ByteView file, const crypto::PublicKey& access_key);
// Signature, structure, not_after within (now, now + 24 h]; versions are the caller's to compare.
Result<TokenList> open_token_list(ByteView file, const crypto::PublicKey& access_key, Time now);

}  // namespace gateway::channel
