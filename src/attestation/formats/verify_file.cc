#include "attestation/formats/verify_file.h"

#include "attestation/formats/unwrap.h"

namespace gateway::attestation::formats {
namespace {

// What cannot be opened is no evidence of anything.
Verification unopened(Error error, const Policy* policy) {
  Verification verification;
  verification.authentic = false;
  if (policy != nullptr) verification.appraisal = AppraisalStatus::kContraindicated;
  verification.checks.push_back({.id = error.id(),
                                 .outcome = Outcome::kRefused,
                                 .expected = "evidence, or a file that carries it",
                                 .actual = error.detail(),
                                 .remedy = error.remedy()});
  verification.reason = std::move(error);
  return verification;
}

void hold_to_carrier(const CarriedEvidence& carried, Verification& verification) {
  CheckList checks;
  const Status bound = check_binding(carried, *verification.claims, checks);
  for (const Check& line : checks.lines()) verification.checks.push_back(line);
  if (bound || verification.reason) return;
  verification.reason = bound.error();
  verification.appraisal = verification.result ? AppraisalStatus::kContraindicated : AppraisalStatus::kNone;
  verification.result.reset();
}

}  // namespace

Verification verify_file(ByteView file, const Policy* policy, const VerifyInputs& inputs) {
  if (file.size() > kMaxFileSize) {
    return unopened(Error(ErrorCode::kLimitExceeded, "evidence.file_size",
                          "expected at most " + std::to_string(kMaxFileSize) + " bytes, found more",
                          "no evidence, with all its collateral, is that large"),
                    policy);
  }
  const auto opened = unwrap(file);
  if (!opened) return unopened(opened.error(), policy);
  VerifyInputs all = inputs;
  Collateral collateral;
  const auto& carried = opened->carried();
  const bool more = carried && !carried->collateral.empty();
  if (opened->bundled() || more) {
    if (inputs.collateral != nullptr) collateral = *inputs.collateral;
    for (const ByteView each : opened->collateral()) collateral.add(each);
    if (more) {
      for (const Bytes& each : carried->collateral) collateral.add(each);
    }
    all.collateral = &collateral;
  }
  // Refused below unless the evidence vouches for it.
  if (carried && carried->config_digest && !all.config_digest) all.config_digest = carried->config_digest;
  Verification verification = verify(opened->evidence(), policy, all);
  // A certificate's whole claim is its key. Open Enclave's header alone claims none.
  const bool claims_key = carried && (!carried->public_key.empty() || !carried->binding.report_data.empty());
  if (claims_key && verification.claims) hold_to_carrier(*carried, verification);
  return verification;
}

}  // namespace gateway::attestation::formats
