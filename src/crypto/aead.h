// AEAD and key derivation. Spec: NIST SP 800-38D (AES-GCM), RFC 8439 (ChaCha20-Poly1305), RFC 5869 (HKDF).
// Errors: kNotAuthentic crypto.aead.open; kInvalidArgument crypto.aead.parameters
#pragma once

#include "base/secret.h"
#include "crypto/hash.h"

namespace gateway::crypto {

enum class AeadAlgorithm : std::uint8_t { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };

std::size_t aead_key_size(AeadAlgorithm algorithm);
inline constexpr std::size_t kAeadNonceSize = 12;
inline constexpr std::size_t kAeadTagSize = 16;

Result<Bytes> aead_seal(AeadAlgorithm, const Secret& key, ByteView nonce, ByteView aad, ByteView plaintext);
Result<Bytes> aead_open(AeadAlgorithm, const Secret& key, ByteView nonce, ByteView aad, ByteView ciphertext);

Bytes hmac(HashAlgorithm hash, ByteView key, ByteView message);
Secret hkdf_extract(HashAlgorithm hash, ByteView salt, ByteView input_key);
Result<Secret> hkdf_expand(HashAlgorithm hash, const Secret& pseudo_random_key, ByteView info, std::size_t size);

}  // namespace gateway::crypto
