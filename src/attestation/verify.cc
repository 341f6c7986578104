#include "attestation/verify.h"

namespace gateway::attestation {
namespace {

// A Nitro document is a COSE_Sign1: a CBOR array, or tag 18 around one (in any of the tag's encodings).
bool looks_like_cose(ByteView evidence) {
  if (evidence.empty()) return false;
  const unsigned major = evidence.front() >> 5U;
  return major == 4 || major == 6;
}

bool of_nitro_format(Platform platform) { return platform == Platform::kNitro || platform == Platform::kLocal; }

// The roots that may speak for this call: those given, and those that the policy itself pins.
nitro::Anchors anchors_for(const Policy* policy, const VerifyInputs& inputs) {
  if (inputs.platform == Platform::kNitro) return {};  // AWS's alone
  nitro::Anchors anchors = inputs.nitro;
  if (policy != nullptr) {
    for (const PolicyEntry& entry : policy->accept) {
      if (entry.platform == Platform::kLocal && entry.root_sha256)
        anchors.local_root_sha256.push_back(*entry.root_sha256);
    }
  }
  return anchors;
}

Result<Claims> authenticate_document(ByteView evidence, const nitro::Anchors& anchors, const VerifyInputs& inputs,
                                     Verification& verification, CheckList& checks) {
  GATEWAY_ASSIGN(const auto document, nitro::parse_document(evidence, &checks));
  // What the document claims to be, until its chain has proved it: AWS's root, or at most a local one.
  const bool claims_aws = crypto::sha256(document.cabundle.front()) == nitro::kAwsRootSha256;
  verification.platform = claims_aws ? Platform::kNitro : Platform::kLocal;
  if (inputs.platform == Platform::kLocal && claims_aws) {
    return checks.refused(ErrorCode::kNotAuthentic, "evidence.platform", "local", "a chain that names AWS's root",
                          "this evidence is of another platform than you named");
  }
  return nitro::authenticate(document, anchors, inputs.at, inputs.chain_cache, &checks);
}

Result<Claims> authenticate(ByteView evidence, const nitro::Anchors& anchors, const VerifyInputs& inputs,
                            Verification& verification, CheckList& checks) {
  GATEWAY_TRY(
      checks.require(evidence.size() <= kMaxEvidenceSize, ErrorCode::kLimitExceeded, "evidence.size",
                     "at most " + std::to_string(kMaxEvidenceSize) + " bytes",
                     evidence.size() <= kMaxEvidenceSize ? std::to_string(evidence.size()) : std::string("more"),
                     "give the evidence alone; no evidence of any platform is that large"));
  if (inputs.platform && !of_nitro_format(*inputs.platform)) {
    verification.platform = inputs.platform;
    return checks.refused(ErrorCode::kUnsupported, "evidence.platform_unsupported", "platform nitro or local",
                          std::string(to_string(*inputs.platform)),
                          "use a version of Gateway that verifies this platform");
  }
  if (!inputs.platform && !evidence.empty() && !looks_like_cose(evidence)) {
    return checks.refused(ErrorCode::kMalformed, "evidence.unrecognised", "a Nitro document (COSE_Sign1)",
                          std::to_string(evidence.size()) + " bytes of something else",
                          "give the raw bytes of the evidence, neither base64 nor hexadecimal");
  }
  verification.platform = inputs.platform;
  verification.format = "nitro.document";
  return authenticate_document(evidence, anchors, inputs, verification, checks);
}

}  // namespace

Verification verify(ByteView evidence, const Policy* policy, const VerifyInputs& inputs) {
  Verification verification;
  CheckList checks;
  auto claims = authenticate(evidence, anchors_for(policy, inputs), inputs, verification, checks);
  verification.authentic = claims.has_value();
  if (!claims) {
    verification.reason = std::move(claims).error();
    verification.checks = std::move(checks).take();
    if (policy != nullptr) verification.appraisal = AppraisalStatus::kContraindicated;
    return verification;
  }
  verification.platform = claims->platform();
  const AppraisalContext context{.at = inputs.at,
                                 .expected_nonce = inputs.expected_nonce,
                                 .expected_report_data = inputs.expected_report_data,
                                 .config_digest = inputs.config_digest};
  if (policy == nullptr) {
    if (auto status = check_statements(*claims, context, checks); !status) {
      verification.reason = std::move(status).error();
    }
    verification.checks = std::move(checks).take();
  } else {
    Verdict verdict = appraise(*claims, *policy, context);
    verification.result = std::move(verdict.result);
    verification.appraisal = verdict.status;
    verification.reason = std::move(verdict.reason);
    verification.checks = std::move(verdict.checks);
  }
  verification.claims = std::move(*claims);
  return verification;
}

}  // namespace gateway::attestation
