// Open Enclave's evidence: an SGX quote behind a header, or with its custom claims behind it.
//
// Input:  untrusted bytes.
// Output: the quote alone, and what its report data must be.
// Bounds: kMaxEvidenceSize, checked first; kMaxCustomClaims.
// Spec:   Open Enclave SDK: oe_report_header_t (version 1), oe_attestation_header_t (version 3), format
//         OE_FORMAT_UUID_SGX_ECDSA; little-endian, as its C structures lie in memory.
// Errors: kMalformed carrier.open_enclave.truncated, .size, .claims; kUnsupported carrier.open_enclave.type, .format;
//         kNotAuthentic carrier.open_enclave.public_key
#pragma once

#include "attestation/formats/carried.h"
#include "crypto/keys.h"

namespace gateway::attestation::formats {

inline constexpr std::size_t kMaxCustomClaims = 16UZ * 1024;

// The custom claims that the quote's report data vouches for; absent in a report.
struct OpenEnclaveEvidence {
  Carrier format{};
  ByteView quote;
  std::optional<ByteView> custom_claims;
};

// Whether the bytes begin with one of the headers, or are a quote whose report data is the hash of what follows it.
bool looks_like_open_enclave(ByteView bytes);
Result<OpenEnclaveEvidence> parse_open_enclave(ByteView bytes);

// On its own: bound to its custom claims, to no key.
Result<CarriedEvidence> carried_open_enclave(ByteView bytes);
// In a certificate: the public key in PEM is hashed in the report data, or is the custom claims.
Result<CarriedEvidence> carried_open_enclave(ByteView bytes, const crypto::PublicKey& key);

}  // namespace gateway::attestation::formats
