// The X.509 extension of interoperable RA-TLS: CBOR tag 60000 with quote and claims, or a conceptual message wrapper.
//
// Input:  the extension's value and the certificate's public key, untrusted.
// Output: the evidence, and the report data that ties it to that key.
// Bounds: kMaxRaTlsExtension, kMaxRaTlsClaims.
// Spec:   CCC Attestation SIG, Interoperable RA-TLS; draft-ietf-rats-msg-wrap (CMW: JSON and CBOR records, CBOR tags);
//         RFC 8949. Definite lengths only.
// Errors: kMalformed carrier.ra_tls.encoding, .claims, carrier.cmw.encoding; kUnsupported carrier.ra_tls.tag, .hash,
//         carrier.cmw.collection, .type; kNotAuthentic carrier.ra_tls.public_key; kLimitExceeded carrier.ra_tls.size
#pragma once

#include "attestation/formats/carried.h"
#include "crypto/keys.h"

namespace gateway::attestation::formats {

inline constexpr std::size_t kMaxRaTlsExtension = 96UZ * 1024;  // evidence, in base64 within JSON
inline constexpr std::size_t kMaxRaTlsClaims = 4096;

Result<CarriedEvidence> parse_ra_tls(ByteView extension, const crypto::PublicKey& key);

}  // namespace gateway::attestation::formats
