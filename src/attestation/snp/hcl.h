// Azure's form of evidence: the paravisor (HCL, OpenHCL) asks for the report and puts it, with the runtime data whose
// hash is its report data, where a guest reads it from the vTPM (NV index 0x01400001).
//
// Input:  untrusted, from a peer.
// Output: HclEvidence: views into the input; report_data and runtime data belong together, nothing more.
// Bounds: at most kMaxHclSize bytes, every length inside them.
// Spec:   Microsoft OpenHCL, openhcl_attestation_protocol (igvm_attest: attestation report header, request data).
// Errors: kMalformed snp.hcl.{size,header,padding}; kUnsupported snp.hcl.{version,report_type,hash_type};
//         kNotAuthentic snp.hcl.runtime_data
#pragma once

#include "attestation/model/check.h"
#include "base/bytes.h"

namespace gateway::attestation::snp {

inline constexpr std::size_t kMaxHclSize = 64UZ * 1024;  // the NV index has 2600 bytes

struct HclEvidence {
  ByteView report;        // kReportSize bytes
  ByteView runtime_data;  // JSON, as it was hashed
};

// Begins as a header of the paravisor's that holds a report of SEV-SNP (TDX has the same header).
bool looks_like_hcl(ByteView input);

Result<HclEvidence> parse_hcl(ByteView input, CheckList& checks);

}  // namespace gateway::attestation::snp
