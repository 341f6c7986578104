// A policy drafted from authentic evidence that a person holds in their hands: TOML with comments, to be read and kept.
//
// The draft accepts the evidence that it was made from, as far as a policy can: what no policy accepts (a revoked TCB,
// missing revocation lists) stays refused or undecided. It pins everything that the vendor measures or the owner chose
// at launch, takes the lowest TCB among evidence of one kind, and turns "out of date" into a grace window.
//
// Spec:   docs/policy.md.
// Errors: kPolicyRejected policy.draft_debug; kUnavailable policy.tcb_unknown; kInvalidArgument policy.draft_empty
#pragma once

#include <span>
#include <string>

#include "attestation/appraisal/policy.h"

namespace gateway::attestation {

struct DraftEvidence {
  Claims claims;
  Time at;  // it is judged as of this time: a stored document needs a policy that accepts its age
};

struct DraftOptions {
  Time at;                                 // of the draft: grace windows count from here
  Duration grace = std::chrono::days(30);  // for a TCB that is out of date
  bool insecure_allow_debug = false;       // otherwise evidence in debug mode is refused
};

Result<std::string> draft_policy(std::span<const DraftEvidence> evidence, const DraftOptions& options);

}  // namespace gateway::attestation
