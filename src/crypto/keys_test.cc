#include "crypto/keys.h"

#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "codec/der.h"
#include "codec/pem.h"
#include "crypto/openssl.h"

namespace gateway::crypto {
namespace {

using codec::der;
using ::testing::HasSubstr;
namespace tag = codec::der_tag;

constexpr HashAlgorithm kHashes[] = {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512};
constexpr SignatureFormat kFormats[] = {SignatureFormat::kDer, SignatureFormat::kRaw};

const PrivateKey& p256() {
  static const PrivateKey key = PrivateKey::generate(KeyType::kP256).value();
  return key;
}
const PrivateKey& p384() {
  static const PrivateKey key = PrivateKey::generate(KeyType::kP384).value();
  return key;
}

Bytes spki_of(EVP_PKEY* key) {
  unsigned char* out = nullptr;
  const int size = i2d_PUBKEY(key, &out);
  Bytes bytes(out, out + size);
  OPENSSL_free(out);
  return bytes;
}

const UniqueKey& rsa() {
  static const UniqueKey key(EVP_RSA_gen(2048));
  return key;
}

Bytes sign_pss(const EVP_MD* md, int salt, std::string_view message) {
  const UniqueMdContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  EXPECT_EQ(EVP_DigestSignInit(context.get(), &options, md, nullptr, rsa().get()), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt), 1);
  Bytes signature(256);
  std::size_t size = signature.size();
  EXPECT_EQ(EVP_DigestSign(context.get(), signature.data(), &size, as_bytes(message).data(), message.size()), 1);
  return signature;
}

std::string refusal(ByteView spki) {
  const auto key = PublicKey::from_spki(spki);
  EXPECT_EQ(ERR_peek_error(), 0U) << "left an error in the queue";
  return key ? "accepted" : std::string(key.error().id());
}

TEST(Keys, ReadDerSignaturesAsTheirNumbers) {
  const auto key = PrivateKey::generate(KeyType::kP384);
  ASSERT_TRUE(key);
  const Bytes message = to_bytes("message");
  const auto der = key->sign(HashAlgorithm::kSha384, SignatureFormat::kDer, message);
  ASSERT_TRUE(der);
  const auto raw = raw_ecdsa_signature(*der, 48);
  ASSERT_TRUE(raw);
  EXPECT_TRUE(key->public_key().verify(HashAlgorithm::kSha384, SignatureFormat::kRaw, message, *raw));
  const auto id = [](ByteView bytes, std::size_t width) {
    const auto read = raw_ecdsa_signature(bytes, width);
    return read ? std::string("read") : std::string(read.error().id());
  };
  EXPECT_EQ(id(*der, 32), "crypto.signature.der") << "another curve's";
  Bytes trailing = *der;
  trailing.push_back(0);
  EXPECT_EQ(id(trailing, 48), "crypto.signature.der");
  for (std::size_t size = 0; size < der->size(); ++size) {
    EXPECT_EQ(id(ByteView(*der).first(size), 48), "crypto.signature.der") << size;
  }
}

TEST(Keys, SignaturesVerifyInBothFormatsAndAllHashes) {
  for (const PrivateKey* key : {&p256(), &p384()}) {
    for (const HashAlgorithm hash : kHashes) {
      for (const SignatureFormat format : kFormats) {
        const Bytes signature = key->sign(hash, format, as_bytes("message")).value();
        EXPECT_TRUE(key->public_key().verify(hash, format, as_bytes("message"), signature));
        EXPECT_EQ(key->public_key().verify(hash, format, as_bytes("Message"), signature).error().id(),
                  "crypto.signature");
      }
    }
  }
}

TEST(Keys, RefusesASignatureWithAnyBitChanged) {
  for (const SignatureFormat format : kFormats) {
    const Bytes signature = p256().sign(HashAlgorithm::kSha256, format, as_bytes("m")).value();
    for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
      Bytes changed = signature;
      changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      EXPECT_FALSE(p256().public_key().verify(HashAlgorithm::kSha256, format, as_bytes("m"), changed)) << bit;
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Keys, RawSignaturesHaveExactlyTwoNumbersOfTheCurvesWidth) {
  const PublicKey key = p384().public_key();
  const Bytes raw = p384().sign(HashAlgorithm::kSha384, SignatureFormat::kRaw, as_bytes("m")).value();
  ASSERT_EQ(raw.size(), 96U);
  const auto verify = [&](ByteView signature) {
    return key.verify(HashAlgorithm::kSha384, SignatureFormat::kRaw, as_bytes("m"), signature).has_value();
  };
  EXPECT_TRUE(verify(raw));
  EXPECT_FALSE(verify(ByteView(raw).first(95)));
  Bytes longer = raw;
  longer.push_back(0);
  EXPECT_FALSE(verify(longer));
  Bytes padded(1);
  append(padded, ByteView(raw).first(48));
  padded.push_back(0);
  append(padded, ByteView(raw).last(48));
  EXPECT_FALSE(verify(padded));
  EXPECT_FALSE(verify({}));
  EXPECT_FALSE(verify(Bytes(96)));
  EXPECT_FALSE(verify(Bytes(96, 0xff)));
}

TEST(Keys, DerSignaturesAreDer) {
  const PublicKey key = p256().public_key();
  const Bytes raw = p256().sign(HashAlgorithm::kSha256, SignatureFormat::kRaw, as_bytes("m")).value();
  const Bytes r = codec::der_unsigned(ByteView(raw).first(32));
  const Bytes s = codec::der_unsigned(ByteView(raw).last(32));
  const auto verify = [&](ByteView signature) {
    return key.verify(HashAlgorithm::kSha256, SignatureFormat::kDer, as_bytes("m"), signature).has_value();
  };
  EXPECT_TRUE(verify(der(tag::kSequence, {r, s})));
  Bytes trailing = der(tag::kSequence, {r, s});
  trailing.push_back(0);
  EXPECT_FALSE(verify(trailing));
  EXPECT_FALSE(verify(der(tag::kSequence, {r, s, codec::der_unsigned({})})));
  Bytes padded_r = der(tag::kInteger, {Bytes(3), ByteView(raw).first(32)});
  EXPECT_FALSE(verify(der(tag::kSequence, {padded_r, s})));
  EXPECT_FALSE(verify(raw));
}

TEST(Keys, RefusesDigestsThatAreNone) {
  const Bytes signature = p256().sign(HashAlgorithm::kSha256, SignatureFormat::kDer, as_bytes("m")).value();
  const PublicKey key = p256().public_key();
  EXPECT_TRUE(key.verify_digest(SignatureFormat::kDer, sha256(as_bytes("m")), signature));
  EXPECT_EQ(key.verify_digest(SignatureFormat::kDer, {}, signature).error().id(), "crypto.signature");
  EXPECT_EQ(key.verify_digest(SignatureFormat::kDer, as_bytes("m"), signature).error().id(), "crypto.signature");
}

TEST(Keys, VerifiesOnP521) {
  const UniqueKey key(EVP_EC_gen("P-521"));
  const auto read = PublicKey::from_spki(spki_of(key.get()));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->type(), KeyType::kP521);
  const UniqueMdContext context(EVP_MD_CTX_new());
  ASSERT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha512(), nullptr, key.get()), 1);
  Bytes signature(200);
  std::size_t size = signature.size();
  ASSERT_EQ(EVP_DigestSign(context.get(), signature.data(), &size, as_bytes("m").data(), 1), 1);
  signature.resize(size);
  EXPECT_TRUE(read->verify(HashAlgorithm::kSha512, SignatureFormat::kDer, as_bytes("m"), signature));
}

TEST(Keys, VerifiesRsaPssWithASaltOfTheHashsLengthOnly) {
  const auto key = PublicKey::from_spki(spki_of(rsa().get()));
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_EQ(key->type(), KeyType::kRsa);
  const auto verify = [&](HashAlgorithm hash, ByteView signature) {
    return key->verify_rsa_pss(hash, as_bytes("m"), signature).has_value();
  };
  EXPECT_TRUE(verify(HashAlgorithm::kSha256, sign_pss(EVP_sha256(), 32, "m")));
  EXPECT_TRUE(verify(HashAlgorithm::kSha384, sign_pss(EVP_sha384(), 48, "m")));
  EXPECT_TRUE(verify(HashAlgorithm::kSha512, sign_pss(EVP_sha512(), 64, "m")));
  EXPECT_FALSE(verify(HashAlgorithm::kSha256, sign_pss(EVP_sha256(), 20, "m")));
  EXPECT_FALSE(verify(HashAlgorithm::kSha256, sign_pss(EVP_sha256(), 32, "n")));
  EXPECT_FALSE(verify(HashAlgorithm::kSha384, sign_pss(EVP_sha256(), 32, "m")));
  EXPECT_FALSE(verify(HashAlgorithm::kSha256, {}));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Keys, VerifiesRsaPkcs1) {
  const auto key = PublicKey::from_spki(spki_of(rsa().get()));
  const UniqueMdContext context(EVP_MD_CTX_new());
  Bytes signature(512);
  std::size_t size = signature.size();
  ASSERT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, rsa().get()), 1);
  ASSERT_EQ(EVP_DigestSign(context.get(), signature.data(), &size, as_bytes("m").data(), 1), 1);
  signature.resize(size);
  const auto verify = [&](HashAlgorithm hash, std::string_view message, ByteView bytes) {
    return key->verify_rsa_pkcs1(hash, as_bytes(message), bytes).has_value();
  };
  EXPECT_TRUE(verify(HashAlgorithm::kSha256, "m", signature));
  EXPECT_FALSE(verify(HashAlgorithm::kSha256, "n", signature));
  EXPECT_FALSE(verify(HashAlgorithm::kSha384, "m", signature));
  EXPECT_FALSE(verify(HashAlgorithm::kSha256, "m", {}));
  EXPECT_FALSE(verify(HashAlgorithm::kSha256, "m", sign_pss(EVP_sha256(), 32, "m")));
  EXPECT_FALSE(key->verify_rsa_pss(HashAlgorithm::kSha256, as_bytes("m"), signature));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Keys, KeepsEcdsaAndRsaApart) {
  const auto key = PublicKey::from_spki(spki_of(rsa().get()));
  EXPECT_EQ(key->verify(HashAlgorithm::kSha256, SignatureFormat::kDer, as_bytes("m"), Bytes(256)).error().id(),
            "crypto.key.algorithm");
  EXPECT_EQ(p256().public_key().verify_rsa_pss(HashAlgorithm::kSha256, as_bytes("m"), Bytes(256)).error().id(),
            "crypto.key.algorithm");
  EXPECT_EQ(p256().public_key().verify_rsa_pkcs1(HashAlgorithm::kSha256, as_bytes("m"), Bytes(256)).error().id(),
            "crypto.key.algorithm");
}

TEST(Keys, ReadsPublicKeysThatOpenSslWrites) {
  for (const char* curve : {"P-256", "P-384", "P-521"}) {
    const UniqueKey key(EVP_EC_gen(curve));
    const Bytes spki = spki_of(key.get());
    EXPECT_EQ(refusal(spki), "accepted") << curve;
    EXPECT_EQ(PublicKey::from_spki(spki)->spki(), spki);
  }
}

// An EC SPKI with parts of the caller's choice.
Bytes ec_spki(std::string_view curve_oid, ByteView point) {
  return der(tag::kSequence,
             {der(tag::kSequence, {codec::der_oid("1.2.840.10045.2.1").value(), codec::der_oid(curve_oid).value()}),
              codec::der_bit_string(point)});
}

TEST(Keys, RefusesPointsThatAreNotOnTheirCurve) {
  constexpr std::string_view kP256 = "1.2.840.10045.3.1.7";
  const Bytes good = p256().public_key().spki();
  Bytes point(good.end() - 65, good.end());
  EXPECT_EQ(refusal(ec_spki(kP256, point)), "accepted");
  Bytes moved = point;
  moved[64] ^= 1;
  EXPECT_EQ(refusal(ec_spki(kP256, moved)), "crypto.key.parse");
  Bytes zero(65);
  zero[0] = 0x04;
  EXPECT_EQ(refusal(ec_spki(kP256, zero)), "crypto.key.parse");
  Bytes beyond(65, 0xff);
  beyond[0] = 0x04;
  EXPECT_EQ(refusal(ec_spki(kP256, beyond)), "crypto.key.parse");
  EXPECT_EQ(refusal(ec_spki("1.3.132.0.34", point)), "crypto.key.algorithm");  // the size is another curve's
}

TEST(Keys, RefusesOtherFormsOfPoints) {
  constexpr std::string_view kP256 = "1.2.840.10045.3.1.7";
  const Bytes good = p256().public_key().spki();
  Bytes compressed(good.end() - 65, good.end() - 32);
  compressed[0] = 0x02;
  EXPECT_EQ(refusal(ec_spki(kP256, compressed)), "crypto.key.algorithm");
  Bytes hybrid(good.end() - 65, good.end());
  hybrid[0] = 0x06;
  EXPECT_EQ(refusal(ec_spki(kP256, hybrid)), "crypto.key.algorithm");
  EXPECT_EQ(refusal(ec_spki(kP256, Bytes(1))), "crypto.key.algorithm");  // infinity
  EXPECT_EQ(refusal(ec_spki(kP256, {})), "crypto.key.algorithm");
}

TEST(Keys, RefusesBrokenAndForeignSpki) {
  const Bytes good = p256().public_key().spki();
  Bytes trailing = good;
  trailing.push_back(0);
  EXPECT_EQ(refusal(trailing), "crypto.key.parse");
  EXPECT_EQ(refusal(ByteView(good).first(good.size() - 1)), "crypto.key.parse");
  EXPECT_EQ(refusal({}), "crypto.key.parse");
  EXPECT_EQ(refusal(Bytes(5000)), "crypto.key.parse");
  EXPECT_EQ(refusal(ec_spki("1.3.132.0.10", Bytes(65, 4))), "crypto.key.algorithm");  // secp256k1
  const UniqueKey ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_EQ(refusal(spki_of(ed25519.get())), "crypto.key.algorithm");
  const UniqueKey small(EVP_RSA_gen(1024));
  EXPECT_EQ(refusal(spki_of(small.get())), "crypto.key.algorithm");
  const Bytes modulus(8200 / 8, 0xff);  // 8200 bits
  const Bytes large = der(tag::kSequence, {codec::der_unsigned(modulus), codec::der_unsigned(Bytes{1, 0, 1})});
  EXPECT_EQ(refusal(der(tag::kSequence,
                        {der(tag::kSequence, {codec::der_oid("1.2.840.113549.1.1.1").value(), der(tag::kNull, {})}),
                         codec::der_bit_string(large)})),
            "crypto.key.algorithm");
  const Bytes rsa_spki = spki_of(rsa().get());
  EXPECT_EQ(refusal(rsa_spki), "accepted");
  EXPECT_EQ(refusal(ByteView(rsa_spki).first(rsa_spki.size() - 1)), "crypto.key.parse");
}

TEST(Keys, RefusesEveryTruncationOfAnSpkiWithoutCrashing) {
  for (const Bytes& good : {p384().public_key().spki(), spki_of(rsa().get())}) {
    for (std::size_t size = 0; size < good.size(); ++size) EXPECT_NE(refusal(ByteView(good).first(size)), "accepted");
  }
}

TEST(Keys, PublicKeysGoThroughPem) {
  const PublicKey key = p384().public_key();
  const std::string pem = key.to_pem().value();
  EXPECT_THAT(pem, ::testing::StartsWith("-----BEGIN PUBLIC KEY-----\n"));
  EXPECT_EQ(PublicKey::from_pem(pem)->spki(), key.spki());
  EXPECT_EQ(PublicKey::from_pem("").error().id(), "crypto.key.parse");
  EXPECT_EQ(PublicKey::from_pem(pem + pem).error().id(), "crypto.key.parse");
  EXPECT_EQ(PublicKey::from_pem(codec::write_pem("CERTIFICATE", key.spki())).error().id(), "crypto.key.parse");
}

TEST(Keys, PrivateKeysGoThroughPem) {
  for (const PrivateKey* key : {&p256(), &p384()}) {
    const Secret pem = key->to_pem().value();
    EXPECT_TRUE(as_text(pem.reveal()).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    const auto again = PrivateKey::from_pem(pem);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->type(), key->type());
    EXPECT_EQ(again->public_key().spki(), key->public_key().spki());
    const Bytes signature = again->sign(HashAlgorithm::kSha384, SignatureFormat::kRaw, as_bytes("m")).value();
    EXPECT_TRUE(key->public_key().verify(HashAlgorithm::kSha384, SignatureFormat::kRaw, as_bytes("m"), signature));
  }
}

std::string pem_of(EVP_PKEY* key, const EVP_CIPHER* cipher) {
  const UniqueBio bio(BIO_new(BIO_s_mem()));
  char pass[] = "pass";
  EXPECT_EQ(PEM_write_bio_PrivateKey(bio.get(), key, cipher, nullptr, 0, nullptr, cipher == nullptr ? nullptr : pass),
            1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string private_refusal(std::string_view pem) {
  const auto key = PrivateKey::from_pem(Secret(as_bytes(pem)));
  EXPECT_EQ(ERR_peek_error(), 0U) << "left an error in the queue";
  return key ? "accepted" : std::string(key.error().id());
}

TEST(Keys, RefusesPrivateKeysOfOtherKindsEncryptedOrBroken) {
  const UniqueKey ec(EVP_EC_gen("P-256"));
  EXPECT_EQ(private_refusal(pem_of(ec.get(), nullptr)), "accepted");
  EXPECT_EQ(private_refusal(pem_of(ec.get(), EVP_aes_128_cbc())), "crypto.key.parse");
  EXPECT_EQ(private_refusal(pem_of(rsa().get(), nullptr)), "crypto.key.algorithm");
  const UniqueKey p521(EVP_EC_gen("P-521"));
  EXPECT_EQ(private_refusal(pem_of(p521.get(), nullptr)), "crypto.key.algorithm");
  EXPECT_EQ(private_refusal(""), "crypto.key.parse");
  EXPECT_EQ(private_refusal("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "crypto.key.parse");
  EXPECT_EQ(private_refusal(std::string(20'000, 'x')), "crypto.key.parse");
}

// SEC 1 ECPrivateKey whose public key belongs to somebody else: signing with it could give the private key away.
TEST(Keys, RefusesAPrivateKeyThatDoesNotBelongToItsPublicKey) {
  const auto sec1 = [](ByteView scalar, ByteView point) {
    const ByteArray<1> one{{1}};
    const Bytes body =
        der(tag::kSequence, {codec::der_unsigned(one), der(tag::kOctetString, {scalar}),
                             der(tag::context_constructed(0), {codec::der_oid("1.2.840.10045.3.1.7").value()}),
                             der(tag::context_constructed(1), {codec::der_bit_string(point)})});
    return codec::write_pem("EC PRIVATE KEY", body);
  };
  Bytes scalar(32);
  scalar[31] = 1;  // its public key is the base point
  const Bytes base_point = from_hex(
                               "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                               "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
                               .value();
  EXPECT_EQ(private_refusal(sec1(scalar, base_point)), "accepted");
  scalar[31] = 2;
  EXPECT_EQ(private_refusal(sec1(scalar, base_point)), "crypto.key.parse");
}

TEST(Keys, GeneratesOnP256AndP384Only) {
  EXPECT_EQ(PrivateKey::generate(KeyType::kP521).error().id(), "crypto.key.algorithm");
  EXPECT_EQ(PrivateKey::generate(KeyType::kRsa).error().id(), "crypto.key.algorithm");
  EXPECT_NE(PrivateKey::generate(KeyType::kP256)->public_key().spki(), p256().public_key().spki());
}

}  // namespace
}  // namespace gateway::crypto
