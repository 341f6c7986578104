// What authentic evidence says, and the verdict on it.
//
// Input:  made from untrusted bytes, but only by an authenticator: the constructor of Claims is closed.
// Output: Claims (only authenticate_… makes one) → AttestationResult (only appraise makes an affirming one).
// Spec:   RFC 9334 (Claims, Appraisal Policy, Attestation Result).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/model/check.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace gateway::attestation {

enum class Platform : std::uint8_t { kNitro, kLocal, kSnp, kTdx, kSgx };
std::string_view to_string(Platform platform);
std::optional<Platform> platform_from(std::string_view name);

// Fields of a Nitro document (platforms nitro and local).
struct NitroClaims {
  std::string module_id;
  Time timestamp;
  std::map<unsigned, Bytes> pcrs;
  std::optional<Bytes> user_data;
  std::optional<Bytes> nonce;
  std::optional<Bytes> public_key;
  std::optional<std::string> region;  // from the issuer names of an authenticated chain; absent on local
  ByteArray<32> root_sha256{};        // DER SHA-256 of the root that the chain ends in
};

// The further TEEs add their own struct here, one optional each; exactly one is set.
class Claims {
 public:
  Platform platform() const { return platform_; }
  bool debug() const { return debug_; }
  const TimeWindow& validity() const { return validity_; }  // intersection of all windows used
  const NitroClaims& nitro() const { return nitro_; }
  const std::vector<Check>& checks() const { return checks_; }

 private:
  friend class ClaimsBuilder;  // attestation/model/claims_builder.h: included by authenticators alone
  Claims() = default;
  Platform platform_{};
  bool debug_ = false;
  TimeWindow validity_;
  NitroClaims nitro_;
  std::vector<Check> checks_;
};

enum class AppraisalStatus : std::uint8_t { kNone, kAffirming, kWarning, kContraindicated };
std::string_view to_string(AppraisalStatus status);  // AR4SI's words

// Affirming or warning: may be trusted as the policy says. Only appraise() makes one, so that a function which takes
// an AttestationResult cannot be reached with unverified evidence.
class AttestationResult {
 public:
  const Claims& claims() const { return claims_; }
  AppraisalStatus status() const { return status_; }
  const TimeWindow& validity() const { return validity_; }
  const std::vector<Check>& checks() const { return checks_; }
  Duration max_age() const { return max_age_; }               // of the accepting policy entry
  std::size_t policy_entry() const { return policy_entry_; }  // which [[accept]], from 0

 private:
  friend class AppraisalBuilder;  // attestation/appraisal/appraise.cc
  explicit AttestationResult(Claims claims) : claims_(std::move(claims)) {}
  Claims claims_;
  AppraisalStatus status_ = AppraisalStatus::kNone;
  TimeWindow validity_;
  std::vector<Check> checks_;
  Duration max_age_{};
  std::size_t policy_entry_ = 0;
};

}  // namespace gateway::attestation
