// CiphertextForRecipient: what AWS KMS answers to a request with an attestation document, encrypted to the RSA key that
// the document names. CMS EnvelopedData in BER: version 2, one recipient of version 2 by subjectKeyIdentifier,
// RSAES-OAEP with SHA-256, content AES-256-CBC, its octets in one piece or several.
//
// Input:  untrusted, at most kMaxEnvelope bytes: from KMS through a host that may put anything in its place.
// Output: the plaintext. The envelope says nothing of its sender: that is TLS's and the request's.
// Spec:   RFC 5652 §6, RFC 4055 §4.1 (both ways to write SHA-256's parameters), RFC 3565.
// Errors: kMalformed kms.envelope; kNotAuthentic crypto.envelope
#pragma once

#include "crypto/oaep.h"

namespace gateway::keys {

inline constexpr std::size_t kMaxEnvelope = 16UZ * 1024;

struct KmsEnvelope {
  Bytes encrypted_key;
  Bytes iv;
  Bytes ciphertext;
};
Result<KmsEnvelope> parse_kms_envelope(ByteView ber);

Result<Secret> open_kms_envelope(ByteView ber, const crypto::EnvelopeKey& key);

}  // namespace gateway::keys
