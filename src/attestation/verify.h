// The one entry for relying parties: evidence of any platform, authenticated and appraised, with every check listed.
// Pure: no I/O, no clock. The command line, libgateway and brokers all come through here.
//
// Input:  untrusted bytes of any size and kind.
// Output: Verification. `result` is present only when a policy was given and accepts.
// Spec:   RFC 9334 §4 (roles of a Verifier); docs/cli.md, "verify".
// Errors: those of the platform, of appraise(), and kLimitExceeded evidence.size, kMalformed evidence.unrecognised,
//         kNotAuthentic evidence.platform; kUnavailable of a platform leaves authenticity undecided: an endorsement is
//         missing
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "attestation/appraisal/appraise.h"
#include "attestation/binding.h"
#include "attestation/collateral/collateral.h"
#include "attestation/dcap/authenticate.h"
#include "attestation/nitro/authenticate.h"
#include "attestation/snp/authenticate.h"

namespace gateway::attestation {

// What verified once, of each TEE: chains, revocation lists, Intel's collateral. Each is bounded and safe for
// concurrent use; dates, roots and revocation are judged on every use. Absent members are not used.
struct Caches {
  std::shared_ptr<nitro::ChainCache> nitro;
  std::shared_ptr<snp::ChainCache> snp;
  std::shared_ptr<dcap::Cache> dcap;
};
Caches make_caches();

struct VerifyInputs {
  Time at;
  std::optional<Platform> platform;        // absent: recognised from the bytes
  nitro::Anchors nitro;                    // the policy's own local roots are added to these
  const Collateral* collateral = nullptr;  // recognised once by the caller; none: nullptr
  std::optional<ByteView> expected_nonce;
  std::optional<ByteView> expected_report_data;
  std::optional<ByteView> challenge{};  // a verifier's nonce, wherever the platform carries one (AppraisalContext)
  std::optional<ByteArray<48>> config_digest;
  const Caches* caches = nullptr;
};

// Neither yes nor no: something that the verdict needs (collateral, a configuration) is missing.
bool is_undecided(const Error& error);

struct Verification {
  std::optional<Platform> platform;
  std::string format;             // "nitro.document"; empty when it was not recognised
  std::optional<bool> authentic;  // nullopt: undecided
  std::optional<Claims> claims;   // when authentic
  std::optional<AttestationResult> result;
  AppraisalStatus appraisal = AppraisalStatus::kNone;
  std::optional<Error> reason;  // the first failed check
  std::vector<Check> checks;
};

// With a policy: authenticate, then appraise. Without: authenticity (and the expected nonce and report data) alone.
// Evidence that is not authentic is contraindicated under a policy, and `none` without one or while that is undecided.
Verification verify(ByteView evidence, const Policy* policy, const VerifyInputs& inputs);

}  // namespace gateway::attestation
