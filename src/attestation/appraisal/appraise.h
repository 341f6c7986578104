// Claims against a policy. The only maker of an AttestationResult.
//
// Input:  Claims, which only an authenticator makes; a policy; time and expectations as arguments.
// Output: Verdict: every check of the nearest entry; an AttestationResult when one accepts.
// Spec:   RFC 9334 §8.4 (appraisal of evidence), docs/policy.md.
// Errors: kPolicyRejected policy.{empty,platform,debug,config,report_data}, evidence.{nonce,report_data};
//         kUnavailable policy.config_unknown, policy.revocation_unknown; those of appraise_{nitro,snp,dcap,tcb}.cc.
//         policy.config_unnamed is a warning.
#pragma once

#include <optional>

#include "attestation/appraisal/policy.h"

namespace gateway::attestation {

// What the verifier knows beside the evidence. Absent fields are not "not checked": a policy that names `config`
// while config_digest is absent is undecided.
struct AppraisalContext {
  Time at;
  std::optional<ByteView> expected_nonce;        // compared with the document's nonce field
  std::optional<ByteView> expected_report_data;  // user_data on nitro and local, report_data elsewhere
  // A verifier's nonce of at most 64 bytes: Nitro's nonce field; elsewhere the report data, zeros behind it.
  std::optional<ByteView> challenge{};
  std::optional<ByteArray<48>> config_digest;  // from an authentic K (attestation/binding.h)
};

struct Verdict {
  std::optional<AttestationResult> result;  // present when affirmed (or warned)
  AppraisalStatus status = AppraisalStatus::kContraindicated;
  bool undecided = false;
  std::optional<Error> reason;  // the first failed check of the nearest entry
  std::vector<Check> checks;    // of authentication and of the nearest entry
};

// The comparisons with what the verifier itself knows, which need no policy: evidence.nonce, evidence.report_data.
Status check_statements(const Claims& claims, const AppraisalContext& context, CheckList& checks);

// The first entry that accepts decides. When none does, the nearest one (only something to decide it missing; then
// most checks held) gives the reason.
Verdict appraise(const Claims& claims, const Policy& policy, const AppraisalContext& context);

}  // namespace gateway::attestation
