// SEV-SNP evidence in the forms in which it arrives: a report alone, a report with the host's certificate table, or
// Azure's form.
//
// Input:  untrusted, from a peer.
// Output: UnverifiedEvidence: what the bytes say, nothing more. Views into the input.
// Bounds: kMaxEvidenceSize bytes; the parts have limits of their own.
// Spec:   AMD 56860 (ATTESTATION_REPORT), AMD 56421 (GHCB: extended guest request).
// Errors: kMalformed snp.evidence.empty; kLimitExceeded snp.evidence.size; those of report.h, cert_table.h, hcl.h
#pragma once

#include <string_view>

#include "attestation/snp/cert_table.h"
#include "attestation/snp/hcl.h"
#include "attestation/snp/report.h"

namespace gateway::attestation::snp {

inline constexpr std::size_t kMaxEvidenceSize = kReportSize + kMaxTableSize;

struct UnverifiedEvidence {
  std::string_view format;  // "snp.report", "snp.report_with_certificates", "snp.hcl"
  UnverifiedReport report;
  CertificateTable certificates;
  std::optional<ByteView> runtime_data;  // Azure's form
};

// Whether to read the bytes as SEV-SNP evidence when nobody says what they are.
bool looks_like_snp(ByteView input);

// Leaves one line per rule in `checks`, when given.
Result<UnverifiedEvidence> parse_evidence(ByteView input, CheckList* checks = nullptr);

}  // namespace gateway::attestation::snp
