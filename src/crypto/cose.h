// COSE_Sign1 (RFC 9052 §4.2), detached from what the payload means.
//
// Input:  untrusted. Tag 18 or untagged; the protected header holds alg and nothing that is critical and unknown.
// Errors: kMalformed cose.structure, cose.header; kUnsupported cose.algorithm; kNotAuthentic cose.signature
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
// Verifies over the Sig_structure built from the bytes as received. The key's curve must match the algorithm
// unless RFC 9053 allows otherwise (ES512 with P-256 in the examples).
Status verify_cose_sign1(const CoseSign1& message, const PublicKey& key, ByteView external_aad = {});
// Untagged, protected header {1: alg}, empty unprotected header.
Result<Bytes> sign_cose_sign1(ByteView payload, const PrivateKey& key, CoseAlgorithm algorithm);

}  // namespace gateway::crypto
