// Asymmetric keys: P-256, P-384, P-521 and RSA to verify; P-256 and P-384 to sign.
//
// Spec:   FIPS 186-5, SEC 1, RFC 5480 (SPKI), RFC 5958 (PKCS #8).
// Errors: kMalformed crypto.key.parse; kUnsupported crypto.key.algorithm; kNotAuthentic crypto.signature;
//         kMalformed crypto.signature.der
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/hash.h"

namespace gateway::crypto {

enum class KeyType : std::uint8_t { kP256, kP384, kP521, kRsa };
enum class SignatureFormat : std::uint8_t { kDer, kRaw };  // ECDSA: DER SEQUENCE, or r ‖ s of fixed width

// An ECDSA signature in DER, as OpenSSL and most hardware modules give it, as r ‖ s of `width` bytes each.
// Errors: kMalformed crypto.signature.der
Result<Bytes> raw_ecdsa_signature(ByteView der, std::size_t width);

class PublicKey {
 public:
  static Result<PublicKey> from_spki(ByteView der);  // points are checked to be on the curve; trailing bytes refused
  static Result<PublicKey> from_pem(std::string_view pem);
  KeyType type() const;
  const Bytes& spki() const;  // the DER as received or as exported
  Status verify(HashAlgorithm hash, SignatureFormat format, ByteView message, ByteView signature) const;  // ECDSA
  Status verify_digest(SignatureFormat format, ByteView digest, ByteView signature) const;                // ECDSA
  Status verify_rsa_pss(HashAlgorithm hash, ByteView message, ByteView signature) const;  // salt length = hash length
  // RSASSA-PKCS1-v1_5: what TPMs sign quotes with. Nothing else is trusted by it, certificates least of all.
  Status verify_rsa_pkcs1(HashAlgorithm hash, ByteView message, ByteView signature) const;
  Result<std::string> to_pem() const;

  struct Impl;
  explicit PublicKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

class PrivateKey {
 public:
  static Result<PrivateKey> generate(KeyType type);       // kP256, kP384
  static Result<PrivateKey> from_pem(const Secret& pem);  // unencrypted PKCS #8 or SEC 1
  Result<Secret> to_pem() const;                          // PKCS #8
  KeyType type() const;
  PublicKey public_key() const;
  Result<Bytes> sign(HashAlgorithm hash, SignatureFormat format, ByteView message) const;  // ECDSA

  struct Impl;
  explicit PrivateKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace gateway::crypto
