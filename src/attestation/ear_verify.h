// EAR tokens of other verifiers and of ours: signature, profile, time, and whether status and vector agree.
//
// Input:  untrusted text; the verifier's public key, the time and what is expected as arguments; no clock, no I/O.
// Output: EarToken: what that verifier said. Whether its word is enough is the caller's to decide.
// Bounds: kMaxEarSize bytes; nothing but the header is read before the signature holds.
// Spec:   RFC 7515 (JWS compact serialization, §5.2), RFC 7518 §3.4 (ES256, ES384), RFC 7519, RFC 9711 (EAT),
//         draft-ietf-rats-ear-04 (EAR), draft-ietf-rats-ar4si-08 §2.3 (tiers and the trustworthiness vector).
// Errors: kLimitExceeded ear.size; kMalformed ear.token, ear.header, ear.claims; kUnsupported ear.algorithm,
//         ear.profile; kNotAuthentic ear.signature, ear.nonce, ear.status; kExpired ear.future, ear.age, ear.expired
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/model/claims.h"
#include "crypto/keys.h"

namespace gateway::attestation {

inline constexpr std::size_t kMaxEarSize = 256UZ * 1024;
inline constexpr std::size_t kMaxEarSubmods = 64;
// The clocks of verifier and relying party differ by less than this.
inline constexpr Duration kEarClockTolerance = std::chrono::minutes(1);

struct EarExpectations {
  Time at;
  Duration max_age;                  // of the appraisal, from `iat`
  std::optional<std::string> nonce;  // eat_nonce as the token has it; absent: not compared
};

struct EarSubmod {
  AppraisalStatus status = AppraisalStatus::kNone;
  std::map<std::string, int, std::less<>> vector;  // AR4SI's claims that are present
  std::optional<std::string> policy_id;
};

struct EarToken {
  Time issued_at;
  std::string developer;
  std::string build;
  std::vector<std::string> nonces;
  std::map<std::string, EarSubmod, std::less<>> submods;  // at least one
  std::string claims;                                     // the claims set, JSON as it was signed

  AppraisalStatus worst() const;  // of the submods: none counts as worse than affirming
};

// The algorithm follows from the key, never from the token: ES256 for P-256, ES384 for P-384.
Result<EarToken> verify_ear(std::string_view token, const crypto::PublicKey& key, const EarExpectations& expected);

// The tier of one value of the vector (AR4SI §2.3.2).
AppraisalStatus tier_of(int value);

}  // namespace gateway::attestation
