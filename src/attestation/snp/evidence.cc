#include "attestation/snp/evidence.h"

#include <algorithm>

namespace gateway::attestation::snp {
namespace {

// Versions are small numbers; the other quotes' first four bytes are not.
constexpr std::uint32_t kPlausibleVersion = 63;
constexpr std::size_t kSignatureAlgoEnd = 0x38;

Status read_hcl(ByteView input, UnverifiedEvidence& evidence, CheckList& checks) {
  GATEWAY_ASSIGN(const HclEvidence hcl, parse_hcl(input, checks));
  evidence.runtime_data = hcl.runtime_data;
  GATEWAY_ASSIGN(evidence.report, parse_report(hcl.report, &checks));
  return {};
}

Status read_azure_vtpm(ByteView input, UnverifiedEvidence& evidence, CheckList& checks) {
  GATEWAY_ASSIGN(AzureVtpm parts, parse_azure_vtpm(input, checks));
  evidence.decoded = std::make_shared<const AzureVtpm>(std::move(parts));
  GATEWAY_TRY(read_hcl(evidence.decoded->hcl_report, evidence, checks));
  GATEWAY_ASSIGN(evidence.vtpm, bind_azure_vtpm(*evidence.decoded, *evidence.runtime_data, checks));
  if (evidence.decoded->vcek) evidence.certificates.vcek = *evidence.decoded->vcek;
  return {};
}

}  // namespace

bool looks_like_snp(ByteView input) {
  if (looks_like_hcl(input) || looks_like_azure_vtpm(input)) return true;
  if (input.size() < kSignatureAlgoEnd) return false;
  ByteReader reader(input, "snp.report.size");
  const auto version = reader.u32le();
  return version && *version >= 1 && *version <= kPlausibleVersion;
}

Result<UnverifiedEvidence> parse_evidence(ByteView input, CheckList* given) {
  CheckList own;
  CheckList& checks = given != nullptr ? *given : own;
  if (input.empty()) {
    return checks.refused(ErrorCode::kMalformed, "snp.evidence.empty", "a report", "0 bytes",
                          "ask the sender for the report's raw bytes");
  }
  GATEWAY_TRY(checks.require(input.size() <= kMaxEvidenceSize, ErrorCode::kLimitExceeded, "snp.evidence.size",
                             "at most " + std::to_string(kMaxEvidenceSize) + " bytes",
                             std::to_string(input.size()) + " bytes", "ask for the report and its certificates alone"));
  UnverifiedEvidence evidence;
  if (looks_like_azure_vtpm(input)) {
    evidence.format = "snp.az_vtpm";
    GATEWAY_TRY(read_azure_vtpm(input, evidence, checks));
    return evidence;
  }
  if (looks_like_hcl(input)) {
    evidence.format = "snp.hcl";
    GATEWAY_TRY(read_hcl(input, evidence, checks));
    return evidence;
  }
  const bool with_table = input.size() > kReportSize;
  evidence.format = with_table ? "snp.report_with_certificates" : "snp.report";
  GATEWAY_ASSIGN(evidence.report, parse_report(input.first(std::min(input.size(), kReportSize)), &checks));
  if (with_table) {
    GATEWAY_ASSIGN(evidence.certificates, parse_certificate_table(input.subspan(kReportSize), checks));
  }
  return evidence;
}

}  // namespace gateway::attestation::snp
