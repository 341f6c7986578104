// The JSON in which Azure's guests send their evidence (Confidential Containers' az-snp-vtpm): the paravisor's report,
// the vTPM's quote and its registers, and the VCEK that Azure's host hands out.
//
// Input:  untrusted, from a peer.
// Output: AzureVtpm: the parts, decoded; that they belong together, once bind_azure_vtpm() said so.
// Bounds: kMaxAzureSize bytes of JSON, 8 levels, 20,000 values; each part by its own limit.
// Spec:   Confidential Containers trustee, az-snp-vtpm evidence (without a version: arrays of numbers and a VCEK in
// PEM;
//         versions 1 and 2: hex and base64url); RFC 7517 for the key HCLAkPub in the runtime data.
// Errors: kMalformed snp.vtpm.{json,member,key}; kUnsupported snp.vtpm.version; those of tpm_quote.h
#pragma once

#include <optional>
#include <vector>

#include "attestation/model/check.h"
#include "attestation/model/snp_claims.h"

namespace gateway::attestation::snp {

inline constexpr std::size_t kMaxAzureSize = 64UZ * 1024;

struct AzureVtpm {
  Bytes hcl_report;
  Bytes quote_message;
  Bytes quote_signature;
  std::vector<Bytes> pcrs;
  std::optional<Bytes> vcek;  // DER
};

// JSON with the members of this form. Says nothing about their values.
bool looks_like_azure_vtpm(ByteView input);

Result<AzureVtpm> parse_azure_vtpm(ByteView input, CheckList& checks);

// The quote was signed by the key that the runtime data names, whose hash is the report's data.
Result<SnpVtpm> bind_azure_vtpm(const AzureVtpm& evidence, ByteView runtime_data, CheckList& checks);

}  // namespace gateway::attestation::snp
