// EAR: a verification's result as a signed JWT that other relying parties read.
//
// Input:  our own Verification; time, names and key as arguments.
// Output: a JWS in compact form, ES256 (P-256) or ES384 (P-384).
// Spec:   draft-ietf-rats-ear-04 (EAR), draft-ietf-rats-ar4si (trustworthiness vector), RFC 7515, RFC 7519.
// Errors: those of crypto::PrivateKey::sign
#pragma once

#include <optional>
#include <string>

#include "attestation/verify.h"
#include "crypto/keys.h"

namespace gateway::attestation {

struct EarContext {
  Time issued_at;
  std::string developer;  // ear.verifier-id
  std::string build;
  std::optional<std::string> policy_id;  // ear.appraisal-policy-id, for example the policy file's digest
  std::optional<Bytes> nonce{};          // the verifier's own challenge; absent: the evidence's nonce, if it has one
};

// The claims set before it is signed. Its ear.status equals the worst tier of the trustworthiness vector.
std::string ear_claims(const Verification& verification, const EarContext& context);
Result<std::string> sign_ear(const Verification& verification, const EarContext& context,
                             const crypto::PrivateKey& key);

}  // namespace gateway::attestation
