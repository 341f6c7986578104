#include "crypto/keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "codec/der.h"
#include "codec/pem.h"
#include "crypto/key_impl.h"

namespace gateway::crypto {
namespace {

using codec::der;
using codec::DerReader;
namespace tag = codec::der_tag;

constexpr std::size_t kMaxKeySize = 4096;  // bytes of DER; an RSA-8192 SPKI has 1062

constexpr ByteArray<7> kEcPublicKey{{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}};
constexpr ByteArray<9> kRsaEncryption{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}};
constexpr ByteArray<8> kPrime256v1{{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}};
constexpr ByteArray<5> kSecp384r1{{0x2b, 0x81, 0x04, 0x00, 0x22}};
constexpr ByteArray<5> kSecp521r1{{0x2b, 0x81, 0x04, 0x00, 0x23}};
constexpr std::uint8_t kUncompressed = 0x04;  // SEC 1 §2.3.3

std::unexpected<Error> bad_key(std::string_view detail) {
  return fail(ErrorCode::kMalformed, "crypto.key.parse", std::string(detail));
}
std::unexpected<Error> unsupported_key(std::string_view detail) {
  return fail(ErrorCode::kUnsupported, "crypto.key.algorithm", std::string(detail));
}
std::unexpected<Error> bad_signature() {
  return fail(ErrorCode::kNotAuthentic, "crypto.signature", "the signature does not verify");
}

struct Curve {
  KeyType type;
  const char* name;
  ByteView oid;
  std::size_t width;  // bytes of a coordinate, and of r and s
};
constexpr std::size_t kCurves = 3;
const std::array<Curve, kCurves>& curves() {
  static const std::array<Curve, kCurves> all{{{KeyType::kP256, "P-256", kPrime256v1, 32},
                                               {KeyType::kP384, "P-384", kSecp384r1, 48},
                                               {KeyType::kP521, "P-521", kSecp521r1, 66}}};
  return all;
}

const Curve* curve_of(KeyType type) {
  const auto found = std::ranges::find(curves(), type, &Curve::type);
  return found == curves().end() ? nullptr : &*found;
}

// A key of the curve's parameters alone. Copying it and setting the point costs a third of making a key by name.
const EVP_PKEY* parameters_of(const Curve& curve) {
  static const auto all = [] {
    std::array<UniqueKey, kCurves> made;
    for (std::size_t i = 0; i < kCurves; ++i) {
      const UniqueKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
      OSSL_PARAM params[] = {
          OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(curves()[i].name), 0),
          OSSL_PARAM_construct_end()};
      EVP_PKEY* key = nullptr;
      if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
          EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEY_PARAMETERS, params) != 1) {
        broken("provide the NIST curves");
      }
      made.at(i).reset(key);
    }
    return made;
  }();
  return all.at(static_cast<std::size_t>(&curve - curves().data())).get();
}

Bytes ec_spki(const Curve& curve, ByteView point) {
  return der(tag::kSequence, {der(tag::kSequence, {der(tag::kOid, {kEcPublicKey}), der(tag::kOid, {curve.oid})}),
                              codec::der_bit_string(point)});
}

struct Decoded {
  UniqueKey key;
  KeyType type{};
};

Result<Decoded> decode_ec(DerReader algorithm, ByteView point) {
  if (!algorithm.next_is(tag::kOid)) return unsupported_key("expected a named curve, found its parameters written out");
  GATEWAY_ASSIGN(const ByteView curve_id, algorithm.oid());
  GATEWAY_TRY(algorithm.finish());
  const auto curve = std::ranges::find_if(curves(), [&](const Curve& known) { return equal(known.oid, curve_id); });
  if (curve == curves().end()) return unsupported_key("expected a key on P-256, P-384 or P-521, found another curve");
  if (point.size() != 1 + 2 * curve->width || point[0] != kUncompressed) {
    return unsupported_key("expected an uncompressed point of the curve's size");
  }
  UniqueKey key(EVP_PKEY_dup(const_cast<EVP_PKEY*>(parameters_of(*curve))));
  if (key == nullptr) broken("copy a curve");
  // Refuses a point that is not on the curve; the cofactor is 1, so that is the whole of SEC 1 §3.2.2.1.
  if (EVP_PKEY_set1_encoded_public_key(key.get(), point.data(), point.size()) != 1) {
    return bad_key("the point is not on its curve");
  }
  return Decoded{std::move(key), curve->type};
}

Result<Decoded> decode_rsa(ByteView spki) {
  const unsigned char* at = spki.data();
  UniqueKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (key == nullptr || at != spki.data() + spki.size()) return bad_key("not an RSA key in DER");
  unsigned char* encoded = nullptr;
  const int size = i2d_PUBKEY(key.get(), &encoded);
  if (size <= 0) broken("encode a public key");
  const bool canonical = equal({encoded, static_cast<std::size_t>(size)}, spki);
  OPENSSL_free(encoded);
  if (!canonical) return bad_key("not an RSA key in DER");
  const int bits = EVP_PKEY_get_bits(key.get());
  if (bits < 2048 || bits > 8192) {
    return unsupported_key("expected an RSA key of 2048 to 8192 bits, found " + std::to_string(bits));
  }
  return Decoded{std::move(key), KeyType::kRsa};
}

Result<Decoded> decode_spki(ByteView spki) {
  DerReader input(spki);
  GATEWAY_ASSIGN(DerReader fields, input.enter(tag::kSequence));
  GATEWAY_TRY(input.finish());
  GATEWAY_ASSIGN(DerReader algorithm, fields.enter(tag::kSequence));
  GATEWAY_ASSIGN(const ByteView bits, fields.bit_string());
  GATEWAY_TRY(fields.finish());
  GATEWAY_ASSIGN(const ByteView id, algorithm.oid());
  if (equal(id, kEcPublicKey)) return decode_ec(algorithm, bits);
  if (equal(id, kRsaEncryption)) return decode_rsa(spki);
  return unsupported_key("expected an EC or RSA key, found another kind");
}

// The point of a key that OpenSSL made or read, uncompressed.
Bytes point_of(const EVP_PKEY* key, const Curve& curve) {
  Bytes point(1 + 2 * curve.width);
  point[0] = kUncompressed;
  std::size_t at = 1;
  for (const char* coordinate : {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y}) {
    BIGNUM* read = nullptr;
    const bool got = EVP_PKEY_get_bn_param(key, coordinate, &read) == 1;
    const std::unique_ptr<BIGNUM, Freer<BN_free>> number(read);
    if (!got || BN_bn2binpad(read, point.data() + at, static_cast<int>(curve.width)) < 0) broken("encode a point");
    at += curve.width;
  }
  return point;
}

PublicKey public_half(const EVP_PKEY* key, const Curve& curve) {
  auto read = PublicKey::from_spki(ec_spki(curve, point_of(key, curve)));
  if (!read) broken("read its own public key");
  return *std::move(read);
}

// The DER SEQUENCE that OpenSSL verifies, of r ‖ s of fixed width: on the stack, since every verification passes here.
class DerSignature {
 public:
  static Result<DerSignature> from_raw(ByteView raw, std::size_t width) {
    if (raw.size() != 2 * width) return bad_signature();
    DerSignature made;
    // Written from its end to its beginning, so that lengths are known when they are put.
    made.put_integer(raw.last(width));
    made.put_integer(raw.first(width));
    const std::size_t content = made.bytes_.size() - made.at_;
    made.put(static_cast<std::uint8_t>(content));
    if (content >= 0x80) made.put(0x81);
    made.put(tag::kSequence);
    return made;
  }
  ByteView view() const { return ByteView(bytes_).subspan(at_); }

 private:
  void put(std::uint8_t byte) { bytes_[--at_] = byte; }
  void put_integer(ByteView big_endian) {
    while (big_endian.size() > 1 && big_endian[0] == 0) big_endian = big_endian.subspan(1);
    at_ -= big_endian.size();
    std::ranges::copy(big_endian, bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
    const bool needs_zero = (big_endian[0] & 0x80U) != 0;
    if (needs_zero) put(0);
    put(static_cast<std::uint8_t>(big_endian.size() + (needs_zero ? 1 : 0)));
    put(tag::kInteger);
  }
  static constexpr std::size_t kWidest = 66;  // P-521
  ByteArray<3 + 2 * (3 + kWidest)> bytes_{};
  std::size_t at_ = 3 + 2 * (3 + kWidest);
};

// A digest of any of the algorithms, on the stack.
class Digest {
 public:
  Digest(HashAlgorithm hash, ByteView message) {
    switch (hash) {
      case HashAlgorithm::kSha256: keep(sha256(message)); break;
      case HashAlgorithm::kSha384: keep(sha384(message)); break;
      case HashAlgorithm::kSha512: keep(sha512(message)); break;
    }
  }
  ByteView view() const { return ByteView(bytes_).first(size_); }

 private:
  void keep(ByteView digest) {
    size_ = digest.size();
    std::ranges::copy(digest, bytes_.begin());
  }
  ByteArray<64> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace

Result<Bytes> raw_ecdsa_signature(ByteView der, std::size_t width) {
  Bytes raw(2 * width);
  DerReader reader(der);
  auto numbers = reader.enter(tag::kSequence);
  for (const std::size_t end : {width, 2 * width}) {
    const Result<ByteView> number = numbers ? numbers->unsigned_integer() : std::unexpected(numbers.error());
    if (!number || number->empty() || number->size() > width) {
      return fail(ErrorCode::kMalformed, "crypto.signature.der", "not an ECDSA signature of this curve in DER");
    }
    std::ranges::copy(*number, raw.begin() + static_cast<std::ptrdiff_t>(end - number->size()));
  }
  if (!numbers->empty() || !reader.empty()) {
    return fail(ErrorCode::kMalformed, "crypto.signature.der", "bytes follow the signature");
  }
  return raw;
}

Result<PublicKey> PublicKey::from_spki(ByteView spki) {
  const ErrorScope scope;
  if (spki.size() > kMaxKeySize) return bad_key("expected a public key of at most 4096 bytes");
  auto decoded = decode_spki(spki);
  if (!decoded && decoded.error().id().starts_with("der.")) return bad_key(decoded.error().detail());
  if (!decoded) return std::unexpected(std::move(decoded).error());
  return PublicKey(std::make_shared<const Impl>(std::move(decoded->key), decoded->type, to_bytes(spki)));
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  const auto blocks = codec::parse_pem(pem, 1);
  if (!blocks || blocks->empty() || blocks->front().label != "PUBLIC KEY") {
    return bad_key("expected one PUBLIC KEY block in PEM form");
  }
  return from_spki(blocks->front().bytes);
}

KeyType PublicKey::type() const { return impl_->type; }
const Bytes& PublicKey::spki() const { return impl_->spki; }
Result<std::string> PublicKey::to_pem() const { return codec::write_pem("PUBLIC KEY", impl_->spki); }

Status PublicKey::verify_digest(SignatureFormat format, ByteView digest, ByteView signature) const {
  const ErrorScope scope;
  const Curve* curve = curve_of(type());
  if (curve == nullptr) return unsupported_key("an ECDSA signature needs an EC key");
  if (digest.size() != 32 && digest.size() != 48 && digest.size() != 64) return bad_signature();
  std::optional<DerSignature> encoded;
  if (format == SignatureFormat::kRaw) {
    GATEWAY_ASSIGN(encoded, DerSignature::from_raw(signature, curve->width));
    signature = encoded->view();
  }
  const UniqueKeyContext context(EVP_PKEY_CTX_new(impl_->key.get(), nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1) broken("start a verification");
  if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) != 1) {
    return bad_signature();
  }
  return {};
}

Status PublicKey::verify(HashAlgorithm hash, SignatureFormat format, ByteView message, ByteView signature) const {
  return verify_digest(format, Digest(hash, message).view(), signature);
}

Status PublicKey::verify_rsa_pss(HashAlgorithm hash, ByteView message, ByteView signature) const {
  const ErrorScope scope;
  if (type() != KeyType::kRsa) return unsupported_key("an RSA-PSS signature needs an RSA key");
  const Digest digested(hash, message);
  const ByteView digest = digested.view();
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

Status PublicKey::verify_rsa_pkcs1(HashAlgorithm hash, ByteView message, ByteView signature) const {
  const ErrorScope scope;
  if (type() != KeyType::kRsa) return unsupported_key("an RSA signature needs an RSA key");
  const Digest digested(hash, message);
  const ByteView digest = digested.view();
  const UniqueKeyContext context(EVP_PKEY_CTX_new(impl_->key.get(), nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), digest_of(hash)) != 1) {
    broken("start a verification");
  }
  if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) != 1) {
    return bad_signature();
  }
  return {};
}

Result<PrivateKey> PrivateKey::generate(KeyType type) {
  if (type != KeyType::kP256 && type != KeyType::kP384)
    return unsupported_key("keys are made on P-256 and P-384 alone");
  const Curve& curve = *curve_of(type);
  UniqueKey key(EVP_EC_gen(curve.name));
  if (key == nullptr) broken("make a key");
  PublicKey half = public_half(key.get(), curve);
  return PrivateKey(std::make_shared<const Impl>(std::move(key), type, std::move(half)));
}

Result<PrivateKey> PrivateKey::from_pem(const Secret& pem) {
  const ErrorScope scope;
  if (pem.size() > 4 * kMaxKeySize) return bad_key("expected a PEM private key of at most 16 KiB");
  const UniqueBio bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
  // A pass phrase is never asked for: an encrypted key is refused.
  const auto no_pass_phrase = [](char*, int, int, void*) { return -1; };
  UniqueKey key(bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (key == nullptr) return bad_key("expected an unencrypted private key in PEM form");
  const auto is_of = [&](KeyType type) {
    std::array<char, 32> name{};
    std::array<char, 32> encoding{};
    std::size_t length = 0;
    if (EVP_PKEY_get_utf8_string_param(key.get(), OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size(), &length) != 1 ||
        EVP_PKEY_get_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING, encoding.data(), encoding.size(),
                                       &length) != 1) {
      return false;
    }
    const std::string_view group(name.data());
    const bool named = std::string_view(encoding.data()) == OSSL_PKEY_EC_ENCODING_GROUP;
    return named && (type == KeyType::kP256 ? group == "prime256v1" : group == "secp384r1");
  };
  const KeyType type = is_of(KeyType::kP256) ? KeyType::kP256 : KeyType::kP384;
  if (EVP_PKEY_is_a(key.get(), "EC") != 1 || !is_of(type)) return unsupported_key("expected a key on P-256 or P-384");
  const UniqueKeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
  if (context == nullptr || EVP_PKEY_pairwise_check(context.get()) != 1) {
    return bad_key("the private key does not belong to its public key");
  }
  PublicKey half = public_half(key.get(), *curve_of(type));
  return PrivateKey(std::make_shared<const Impl>(std::move(key), type, std::move(half)));
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

PublicKey PrivateKey::public_key() const { return impl_->public_half; }

Result<Bytes> PrivateKey::sign(HashAlgorithm hash, SignatureFormat format, ByteView message) const {
  const Digest digested(hash, message);
  const ByteView digest = digested.view();
  const UniqueKeyContext context(EVP_PKEY_CTX_new(impl_->key.get(), nullptr));
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(impl_->key.get())));
  std::size_t size = signature.size();
  if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
    broken("sign");
  }
  signature.resize(size);
  if (format == SignatureFormat::kRaw) return raw_ecdsa_signature(signature, curve_of(type())->width);
  return signature;
}

}  // namespace gateway::crypto
