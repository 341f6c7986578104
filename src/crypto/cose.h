// COSE_Sign1 (RFC 9052 §4.2), detached from what the payload means.
//
// Input:  untrusted. Tag 18 or untagged; alg in one of the headers, nothing critical in either. Whoever wants an exact
//         header compares protected_header (nitro does).
// Bounds: CborLimits; nothing is copied.
// Spec:   RFC 9052 §3, §4.2, §4.4; RFC 9053 §2.1.
// Errors: kMalformed cose.structure, cose.header, and codec/cbor.h's; kUnsupported cose.algorithm;
//         kNotAuthentic cose.signature
#pragma once

#include "codec/cbor.h"
#include "crypto/keys.h"

namespace gateway::crypto {

enum class CoseAlgorithm : std::int64_t { kEs256 = -7, kEs384 = -35, kEs512 = -36 };

struct CoseSign1 {  // views into the input
  CoseAlgorithm algorithm{};
  ByteView protected_header;  // the byte string's content as received
  ByteView payload;
  ByteView signature;
};

Result<CoseSign1> parse_cose_sign1(ByteView input, const codec::CborLimits& limits);
// Verifies over the Sig_structure built from the bytes as received. The hash may not be shorter than the key's curve
// (RFC 9053 ties neither to the other; its examples have ES512 with P-256).
Status verify_cose_sign1(const CoseSign1& message, const PublicKey& key, ByteView external_aad = {});
// Untagged, protected header {1: alg}, empty unprotected header.
Result<Bytes> sign_cose_sign1(ByteView payload, const PrivateKey& key, CoseAlgorithm algorithm);
// The same in two steps, for keys that live elsewhere: the bytes that such a key signs (the Sig_structure, not yet
// hashed), and the message that its signature (r ‖ s) makes.
Bytes cose_to_be_signed(ByteView payload, CoseAlgorithm algorithm);
Bytes make_cose_sign1(ByteView payload, CoseAlgorithm algorithm, ByteView signature);

}  // namespace gateway::crypto
