// Evidence in X.509 certificates, as attested TLS endpoints of several makers have it.
//
// Input:  a certificate from a peer, DER or PEM (the first one of a chain).
// Output: the evidence, and what ties it to the certificate's public key. The certificate itself is judged in no way:
//         who signed it, its names and its dates are nothing that the evidence vouches for.
// Bounds: kMaxCarrierCertificate.
// Spec:   docs/evidence-formats.md. When a certificate has more than one form, the first of this order counts:
//         interoperable RA-TLS, CMW, Open Enclave's evidence, Open Enclave's report, dstack, Gramine legacy, Evervault.
// Errors: kUnsupported carrier.none; kMalformed carrier.certificate, carrier.dstack.encoding; kLimitExceeded
//         carrier.certificate_size; those of parse_ra_tls() and carried_open_enclave()
#pragma once

#include "attestation/formats/carried.h"
#include "crypto/x509.h"

namespace gateway::attestation::formats {

inline constexpr std::size_t kMaxCarrierCertificate = 128UZ * 1024;

Result<CarriedEvidence> evidence_in(const crypto::Certificate& certificate);
Result<CarriedEvidence> evidence_in_certificate(ByteView der_or_pem);

}  // namespace gateway::attestation::formats
