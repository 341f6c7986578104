// Decryption of what AWS KMS answers: RSAES-OAEP with SHA-256 (RFC 8017 §7.1) under a key of this process, and
// AES-256-CBC with PKCS #7 padding (RFC 5652 §6.3) under the key that it carries.
//
// The two are one function, because a failure of the one must not be told from a failure of the other (Bleichenbacher,
// Manger, Vaudenay): whatever is wrong is one id.
// Errors: kNotAuthentic crypto.envelope
#pragma once

#include <memory>

#include "base/secret.h"

namespace gateway::crypto {

class EnvelopeKey {
 public:
  static Result<EnvelopeKey> generate();  // RSA-2048
  EnvelopeKey(EnvelopeKey&&) noexcept;
  EnvelopeKey& operator=(EnvelopeKey&&) noexcept;
  ~EnvelopeKey();
  const Bytes& spki() const;  // DER
  Result<Secret> open(ByteView encrypted_key, ByteView iv, ByteView ciphertext) const;

 private:
  struct Impl;
  explicit EnvelopeKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::crypto
