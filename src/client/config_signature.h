// The access key's word for a deployment configuration, on its way from the operator to whoever writes a policy.
//
// file = ["gateway/config/v1", SHA-384 of the configuration's exact bytes, signature], deterministic CBOR; the
// signature is ECDSA-P256-SHA256 over the deterministic CBOR of the first two in an array of their own, raw r ‖ s. Its
// label is its own, so it never stands for a token list.
//
// Input:  an untrusted signature file, and the configuration whose access key is to have signed it.
// Errors: kMalformed config.signature.file; kNotAuthentic config.signature
#pragma once

#include "crypto/keys.h"

namespace gateway::client {

inline constexpr std::size_t kMaxConfigSignature = 1024;

Result<Bytes> sign_config(ByteView exact_bytes, const crypto::PrivateKey& access_key);
Status verify_config_signature(ByteView file, ByteView exact_bytes, const crypto::PublicKey& access_key);

}  // namespace gateway::client
