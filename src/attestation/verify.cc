#include "attestation/verify.h"

#include <algorithm>
#include <array>

#include "attestation/dcap/adapter.h"
#include "attestation/nitro/adapter.h"
#include "attestation/snp/adapter.h"

namespace gateway::attestation {
namespace {

// Every TEE. A new one is a folder with an adapter, and a line here.
constexpr std::array kAdapters{&nitro::kAdapter, &snp::kAdapter, &dcap::kAdapter};

// The inputs with every root that may speak for this call: those given, and those that the policy itself pins.
VerifyInputs with_pinned_roots(const Policy* policy, VerifyInputs inputs) {
  static const Collateral kNone;
  if (inputs.collateral == nullptr) inputs.collateral = &kNone;
  if (policy == nullptr) return inputs;
  for (const PolicyEntry& entry : policy->accept) {
    if (entry.platform == Platform::kLocal && entry.root_sha256)
      inputs.nitro.local_root_sha256.push_back(*entry.root_sha256);
  }
  return inputs;
}

const Adapter* adapter_for(ByteView evidence, std::optional<Platform> named) {
  const auto fits = [&](const Adapter* adapter) {
    if (!named) return adapter->looks_like(evidence);
    return std::ranges::find(adapter->platforms, *named) != adapter->platforms.end();
  };
  const auto found = std::ranges::find_if(kAdapters, fits);
  return found == kAdapters.end() ? nullptr : *found;
}

std::string all_evidence() {
  std::string all;
  for (const Adapter* adapter : kAdapters) {
    if (!all.empty()) all += adapter == kAdapters.back() ? " or " : ", ";
    all += adapter->evidence;
  }
  return all;
}

Result<Claims> authenticate(ByteView evidence, const VerifyInputs& inputs, Recognised& recognised, CheckList& checks) {
  GATEWAY_TRY(
      checks.require(evidence.size() <= kMaxEvidenceSize, ErrorCode::kLimitExceeded, "evidence.size",
                     "at most " + std::to_string(kMaxEvidenceSize) + " bytes",
                     evidence.size() <= kMaxEvidenceSize ? std::to_string(evidence.size()) : std::string("more"),
                     "give the evidence alone; no evidence of any platform is that large"));
  recognised.platform = inputs.platform;
  const Adapter* const adapter = adapter_for(evidence, inputs.platform);
  if (adapter == nullptr) {
    return checks.refused(ErrorCode::kMalformed, "evidence.unrecognised", all_evidence(),
                          std::to_string(evidence.size()) + " bytes of something else",
                          "give the raw bytes of the evidence, neither base64 nor hexadecimal");
  }
  GATEWAY_ASSIGN(Claims claims, adapter->authenticate(evidence, inputs, recognised, checks));
  if (inputs.platform && claims.platform() != *inputs.platform) {
    return checks.refused(ErrorCode::kNotAuthentic, "evidence.platform", std::string(to_string(*inputs.platform)),
                          std::string(to_string(claims.platform())),
                          "this evidence is of another platform than you named");
  }
  return claims;
}

}  // namespace

bool is_undecided(const Error& error) { return error.code() == ErrorCode::kUnavailable; }

Caches make_caches() {
  return {.nitro = nitro::make_chain_cache(), .snp = snp::make_chain_cache(), .dcap = dcap::make_cache()};
}

Verification verify(ByteView evidence, const Policy* policy, const VerifyInputs& inputs) {
  Verification verification;
  CheckList checks;
  Recognised recognised;
  auto claims = authenticate(evidence, with_pinned_roots(policy, inputs), recognised, checks);
  verification.platform = recognised.platform;
  verification.format = std::move(recognised.format);
  if (claims || !is_undecided(claims.error())) verification.authentic = claims.has_value();
  if (!claims) {
    verification.reason = std::move(claims).error();
    verification.checks = std::move(checks).take();
    if (policy != nullptr && verification.authentic) verification.appraisal = AppraisalStatus::kContraindicated;
    return verification;
  }
  verification.platform = claims->platform();
  const AppraisalContext context{.at = inputs.at,
                                 .expected_nonce = inputs.expected_nonce,
                                 .expected_report_data = inputs.expected_report_data,
                                 .challenge = inputs.challenge,
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
