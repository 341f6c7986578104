#include "crypto/keys.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "crypto/key_impl.h"
#include "crypto/openssl.h"

namespace gateway::crypto {
namespace {

constexpr std::size_t kMaxKeySize = 4096;  // bytes of DER; an RSA-4096 SPKI has 550

std::unexpected<Error> bad_key(std::string_view detail) {
  return fail(ErrorCode::kMalformed, "crypto.key.parse", std::string(detail));
}
std::unexpected<Error> bad_signature() {
  return fail(ErrorCode::kNotAuthentic, "crypto.signature", "the signature does not verify");
}

std::size_t field_size(KeyType type) {
  switch (type) {
    case KeyType::kP256: return 32;
    case KeyType::kP384: return 48;
    case KeyType::kP521: return 66;
    case KeyType::kRsa: return 0;
  }
  return 0;
}

const char* curve_name(KeyType type) {
  switch (type) {
    case KeyType::kP256: return "P-256";
    case KeyType::kP384: return "P-384";
    case KeyType::kP521: return "P-521";
    case KeyType::kRsa: return "";
  }
  return "";
}

Result<KeyType> type_of(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits < 2048 || bits > 8192) {
      return fail(ErrorCode::kUnsupported, "crypto.key.algorithm", "an RSA key of " + std::to_string(bits) + " bits");
    }
    return KeyType::kRsa;
  }
  char name[32] = {};
  std::size_t length = 0;
  if (EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, name, sizeof name, &length) == 1) {
    const std::string_view group(name, length);
    if (group == "prime256v1" || group == "P-256") return KeyType::kP256;
    if (group == "secp384r1" || group == "P-384") return KeyType::kP384;
    if (group == "secp521r1" || group == "P-521") return KeyType::kP521;
  }
  return fail(ErrorCode::kUnsupported, "crypto.key.algorithm", "the key is neither RSA nor on P-256, P-384 or P-521");
}

Bytes export_spki(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) broken("encode a public key");
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

// r ‖ s of fixed width → the DER SEQUENCE that OpenSSL verifies.
Result<Bytes> der_from_raw(ByteView raw, std::size_t width) {
  if (raw.size() != 2 * width) return bad_signature();
  const auto integer = [](ByteWriter& out, ByteView value) {
    while (value.size() > 1 && value.front() == 0) value = value.subspan(1);
    const bool pad = (value.front() & 0x80U) != 0;
    out.u8(0x02);
    out.u8(static_cast<std::uint8_t>(value.size() + (pad ? 1 : 0)));
    if (pad) out.u8(0);
    out.put(value);
  };
  ByteWriter body;
  integer(body, raw.first(width));
  integer(body, raw.last(width));
  ByteWriter der;
  der.u8(0x30);
  if (body.bytes().size() >= 0x80) der.u8(0x81);
  der.u8(static_cast<std::uint8_t>(body.bytes().size()));
  der.put(body.bytes());
  return std::move(der).take();
}

Bytes raw_from_der(ByteView der, std::size_t width) {
  const unsigned char* at = der.data();
  const std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>> signature(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  Bytes raw(2 * width);
  if (signature == nullptr ||
      BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), static_cast<int>(width)) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + width, static_cast<int>(width)) < 0) {
    broken("encode a signature");
  }
  return raw;
}

template <std::size_t N>
Bytes to_vector(const ByteArray<N>& digest) {
  return {digest.begin(), digest.end()};
}

Bytes digest_bytes(HashAlgorithm hash, ByteView message) {
  switch (hash) {
    case HashAlgorithm::kSha256: return to_vector(sha256(message));
    case HashAlgorithm::kSha384: return to_vector(sha384(message));
    case HashAlgorithm::kSha512: return to_vector(sha512(message));
  }
  return {};
}

std::string read_all(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

}  // namespace

Result<PublicKey> public_key_from(UniqueKey key, Bytes spki) {
  GATEWAY_ASSIGN(const KeyType type, type_of(key.get()));
  return PublicKey(std::make_shared<const PublicKey::Impl>(std::move(key), type, std::move(spki)));
}

Result<PublicKey> PublicKey::from_spki(ByteView der) {
  if (der.empty() || der.size() > kMaxKeySize) return bad_key("not a public key of an accepted size");
  const unsigned char* at = der.data();
  UniqueKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (key == nullptr || at != der.data() + der.size()) return bad_key("not one DER SubjectPublicKeyInfo");
  GATEWAY_ASSIGN(const KeyType type, type_of(key.get()));
  if (type != KeyType::kRsa) {
    // A point off the curve does not decode; the check for the point at infinity and the subgroup is this one.
    const UniqueKeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
    if (context == nullptr || EVP_PKEY_public_check_quick(context.get()) != 1) {
      return bad_key("not a point of its curve");
    }
  }
  return PublicKey(std::make_shared<const Impl>(std::move(key), type, to_bytes(der)));
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  if (pem.size() > 4 * kMaxKeySize) return bad_key("the PEM is too large");
  const UniqueBio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const UniqueKey key(bio == nullptr ? nullptr : PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return bad_key("not a PEM public key");
  return from_spki(export_spki(key.get()));
}

KeyType PublicKey::type() const { return impl_->type; }
const Bytes& PublicKey::spki() const { return impl_->spki; }

Result<std::string> PublicKey::to_pem() const {
  const UniqueBio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_PUBKEY(bio.get(), impl_->key.get()) != 1) broken("write a public key");
  return read_all(bio.get());
}

Status PublicKey::verify_digest(SignatureFormat format, ByteView digest, ByteView signature) const {
  if (type() == KeyType::kRsa) {
    return fail(ErrorCode::kUnsupported, "crypto.key.algorithm", "an ECDSA signature needs an EC key");
  }
  Bytes der;
  if (format == SignatureFormat::kRaw) {
    GATEWAY_ASSIGN(der, der_from_raw(signature, field_size(type())));
    signature = der;
  }
  const UniqueKeyContext context(EVP_PKEY_CTX_new(impl_->key.get(), nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1) broken("start a verification");
  if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) != 1) {
    return bad_signature();
  }
  return {};
}

Status PublicKey::verify(HashAlgorithm hash, SignatureFormat format, ByteView message, ByteView signature) const {
  return verify_digest(format, digest_bytes(hash, message), signature);
}

Status PublicKey::verify_rsa_pss(HashAlgorithm hash, ByteView message, ByteView signature) const {
  if (type() != KeyType::kRsa) {
    return fail(ErrorCode::kUnsupported, "crypto.key.algorithm", "an RSA-PSS signature needs an RSA key");
  }
  const Bytes digest = digest_bytes(hash, message);
  const UniqueKeyContext context(EVP_PKEY_CTX_new(impl_->key.get(), nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), digest_of(hash)) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), digest_of(hash)) != 1 ||
      EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) != 1) {
    broken("start a verification");
  }
  if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) != 1) {
    return bad_signature();
  }
  return {};
}

Result<PrivateKey> PrivateKey::generate(KeyType type) {
  if (type != KeyType::kP256 && type != KeyType::kP384) {
    return fail(ErrorCode::kUnsupported, "crypto.key.algorithm", "keys are made on P-256 and P-384 alone");
  }
  UniqueKey key(EVP_EC_gen(curve_name(type)));
  if (key == nullptr) broken("make a key");
  return PrivateKey(std::make_shared<const Impl>(std::move(key), type));
}

Result<PrivateKey> PrivateKey::from_pem(const Secret& pem) {
  if (pem.size() > 4 * kMaxKeySize) return bad_key("the PEM is too large");
  const UniqueBio bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
  // A pass phrase is never asked for: an encrypted key is refused.
  const auto no_pass_phrase = [](char*, int, int, void*) { return -1; };
  UniqueKey key(bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (key == nullptr) return bad_key("not an unencrypted PEM private key");
  GATEWAY_ASSIGN(const KeyType type, type_of(key.get()));
  if (type != KeyType::kP256 && type != KeyType::kP384) {
    return fail(ErrorCode::kUnsupported, "crypto.key.algorithm", "private keys are on P-256 or P-384");
  }
  return PrivateKey(std::make_shared<const Impl>(std::move(key), type));
}

Result<Secret> PrivateKey::to_pem() const {
  const UniqueBio bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    broken("write a private key");
  }
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  Secret out(as_bytes(std::string_view(bytes, static_cast<std::size_t>(size))));
  OPENSSL_cleanse(bytes, static_cast<std::size_t>(size));
  return out;
}

KeyType PrivateKey::type() const { return impl_->type; }

PublicKey PrivateKey::public_key() const {
  auto key = PublicKey::from_spki(export_spki(impl_->key.get()));
  if (!key) broken("read its own public key");
  return *std::move(key);
}

Result<Bytes> PrivateKey::sign(HashAlgorithm hash, SignatureFormat format, ByteView message) const {
  const Bytes digest = digest_bytes(hash, message);
  const UniqueKeyContext context(EVP_PKEY_CTX_new(impl_->key.get(), nullptr));
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(impl_->key.get())));
  std::size_t size = signature.size();
  if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
    broken("sign");
  }
  signature.resize(size);
  if (format == SignatureFormat::kRaw) return raw_from_der(signature, field_size(type()));
  return signature;
}

}  // namespace gateway::crypto
