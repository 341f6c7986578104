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
#include <variant>
#include <vector>

#include "attestation/model/check.h"
#include "attestation/model/dcap_claims.h"
#include "attestation/model/snp_claims.h"
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

// Whether certificates were held against revocation lists. Nitro has none: its leaves live for hours.
enum class Revocation : std::uint8_t { kNotApplicable, kUnknown, kChecked };

// The TEE's own fields stand behind nitro(), snp(), tdx() and sgx(): ask for those of platform() alone.
class Claims {
 public:
  Platform platform() const { return platform_; }
  bool debug() const { return debug_; }
  const TimeWindow& validity() const { return validity_; }  // intersection of all windows used
  const std::vector<Check>& checks() const { return checks_; }
  const NitroClaims& nitro() const { return std::get<NitroClaims>(fields_); }  // nitro and local
  const SnpClaims& snp() const { return std::get<SnpClaims>(fields_); }
  const TdxClaims& tdx() const { return std::get<TdxClaims>(fields_); }
  const SgxClaims& sgx() const { return std::get<SgxClaims>(fields_); }
  Revocation revocation() const { return revocation_; }
  const std::optional<TcbStatement>& tcb() const { return tcb_; }  // tdx and sgx

  // What every platform has, under one name. Nitro's report data is the document's user_data.
  std::optional<ByteView> report_data() const;
  bool of_nitro_format() const { return platform_ == Platform::kNitro || platform_ == Platform::kLocal; }

 private:
  friend class ClaimsBuilder;  // attestation/model/claims_builder.h: included by authenticators alone
  Claims() = default;
  Platform platform_{};
  bool debug_ = false;
  TimeWindow validity_;
  std::variant<NitroClaims, SnpClaims, TdxClaims, SgxClaims> fields_;
  Revocation revocation_ = Revocation::kNotApplicable;
  std::optional<TcbStatement> tcb_;
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
