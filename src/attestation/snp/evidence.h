// SEV-SNP evidence in the forms in which it arrives: a report alone, a report with the host's certificate table,
// Azure's paravisor's report, or that with the vTPM's quote in JSON.
//
// Input:  untrusted, from a peer.
// Output: UnverifiedEvidence: what the bytes say, nothing more. Views into the input, or into `decoded`.
// Bounds: kMaxEvidenceSize bytes; the parts have limits of their own.
// Spec:   AMD 56860 (ATTESTATION_REPORT), AMD 56421 (GHCB: extended guest request).
// Errors: kMalformed snp.evidence.empty; kLimitExceeded snp.evidence.size; those of report.h, cert_table.h, hcl.h,
//         az_vtpm.h
#pragma once

#include <memory>
#include <string_view>

#include "attestation/snp/az_vtpm.h"
#include "attestation/snp/cert_table.h"
#include "attestation/snp/hcl.h"
#include "attestation/snp/report.h"

namespace gateway::attestation::snp {

inline constexpr std::size_t kMaxEvidenceSize = kReportSize + kMaxTableSize;

struct UnverifiedEvidence {
  std::string_view format;  // "snp.report", "snp.report_with_certificates", "snp.hcl", "snp.az_vtpm"
  UnverifiedReport report;
  CertificateTable certificates;
  std::optional<ByteView> runtime_data;  // Azure's forms
  std::optional<SnpVtpm> vtpm;
  std::shared_ptr<const AzureVtpm> decoded;  // keeps alive what the views of the JSON form point into
};

// Whether to read the bytes as SEV-SNP evidence when nobody says what they are.
bool looks_like_snp(ByteView input);

// Leaves one line per rule in `checks`, when given.
Result<UnverifiedEvidence> parse_evidence(ByteView input, CheckList* checks = nullptr);

}  // namespace gateway::attestation::snp
