// HPKE base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and the three AEADs.
//
// Input:  enc, public keys and ciphertexts are untrusted.
// Bounds: 2^64 - 1 messages a context.
// Spec:   RFC 9180; RFC 9458 §3.1 for the key configuration.
// Errors: kMalformed hpke.public_key, hpke.enc; kNotAuthentic hpke.open; kLimitExceeded hpke.sequence
#pragma once

#include "crypto/aead.h"

namespace gateway::crypto {

struct HpkeSuite {
  AeadAlgorithm aead = AeadAlgorithm::kAes256Gcm;
};

inline constexpr std::size_t kHpkePublicKeySize = 32;

struct HpkeKeyPair {
  ByteArray<32> public_key{};
  Secret private_key;
  static Result<HpkeKeyPair> generate();
  static Result<HpkeKeyPair> derive(const Secret& ikm);  // DeriveKeyPair, §7.1.3
};

class HpkeContext {
 public:
  Result<Bytes> seal(ByteView aad, ByteView plaintext);   // sender
  Result<Bytes> open(ByteView aad, ByteView ciphertext);  // recipient; the sequence number moves only on success
  Result<Secret> export_secret(ByteView exporter_context, std::size_t size) const;

 private:
  friend struct HpkeSetup;
  friend struct HpkeTestPeer;  // sets the sequence number near its end
  HpkeContext() = default;
  HpkeSuite suite_;
  Secret key_;
  Secret exporter_secret_;
  ByteArray<12> base_nonce_{};
  std::uint64_t sequence_ = 0;
};

struct HpkeSender {
  Bytes enc;
  HpkeContext context;
};
Result<HpkeSender> hpke_setup_sender(const HpkeSuite& suite, ByteView recipient_public_key, ByteView info);
Result<HpkeContext> hpke_setup_recipient(const HpkeSuite& suite, const HpkeKeyPair& key, ByteView enc, ByteView info);

// RFC 9458 §3.1 key configuration (one key, KEM X25519, HKDF-SHA256 with AES-256-GCM and ChaCha20-Poly1305).
Bytes ohttp_key_config(std::uint8_t key_id, ByteView public_key);

}  // namespace gateway::crypto
