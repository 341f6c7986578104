#include "crypto/aead.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

namespace gateway::crypto {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }
Secret secret(std::string_view text) { return Secret(ByteView(hex(text))); }

constexpr AeadAlgorithm kAll[] = {AeadAlgorithm::kAes128Gcm, AeadAlgorithm::kAes256Gcm,
                                  AeadAlgorithm::kChaCha20Poly1305};

TEST(Aead, AgreesWithTheGcmSpecificationsExamples) {
  const Bytes nonce(12);
  const Bytes block(16);
  const auto seal = [&](AeadAlgorithm algorithm, ByteView text) {
    return to_hex(aead_seal(algorithm, Secret(aead_key_size(algorithm)), nonce, {}, text).value());
  };
  EXPECT_EQ(seal(AeadAlgorithm::kAes128Gcm, {}), "58e2fccefa7e3061367f1d57a4e7455a");
  EXPECT_EQ(seal(AeadAlgorithm::kAes128Gcm, block), "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf");
  EXPECT_EQ(seal(AeadAlgorithm::kAes256Gcm, {}), "530f8afbc74536b9a963b4f1c4cb738b");
  EXPECT_EQ(seal(AeadAlgorithm::kAes256Gcm, block), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(Aead, AgreesWithRfc8439) {
  const Secret key = secret("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const std::string_view text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
      "it.";
  const Bytes sealed = aead_seal(AeadAlgorithm::kChaCha20Poly1305, key, hex("070000004041424344454647"),
                                 hex("50515253c0c1c2c3c4c5c6c7"), as_bytes(text))
                           .value();
  EXPECT_EQ(to_hex(ByteView(sealed).first(16)), "d31a8d34648e60db7b86afbc53ef7ec2");
  EXPECT_EQ(to_hex(ByteView(sealed).last(16)), "1ae10b594f09e26a7e902ecbd0600691");
}

TEST(Aead, OpensWhatItSealedAndNothingElse) {
  for (const AeadAlgorithm algorithm : kAll) {
    const Secret key(aead_key_size(algorithm));
    const Bytes nonce(12);
    for (const std::size_t size : {0UZ, 1UZ, 100UZ}) {
      const Bytes text(size, 0x42);
      const Bytes sealed = aead_seal(algorithm, key, nonce, as_bytes("aad"), text).value();
      EXPECT_EQ(sealed.size(), size + kAeadTagSize);
      EXPECT_EQ(aead_open(algorithm, key, nonce, as_bytes("aad"), sealed).value(), text);
      const auto refused = [&](ByteView n, ByteView aad, ByteView ciphertext) {
        const auto opened = aead_open(algorithm, key, n, aad, ciphertext);
        return !opened && opened.error().id() == "crypto.aead.open" &&
               opened.error().code() == ErrorCode::kNotAuthentic;
      };
      for (std::size_t i = 0; i < sealed.size(); ++i) {
        Bytes changed = sealed;
        changed[i] ^= 0x01;
        EXPECT_TRUE(refused(nonce, as_bytes("aad"), changed)) << i;
      }
      EXPECT_TRUE(refused(nonce, as_bytes("aae"), sealed));
      EXPECT_TRUE(refused(nonce, {}, sealed));
      EXPECT_TRUE(refused(hex("000000000000000000000001"), as_bytes("aad"), sealed));
      EXPECT_TRUE(refused(nonce, as_bytes("aad"), ByteView(sealed).first(sealed.size() - 1)));
      EXPECT_TRUE(refused(nonce, as_bytes("aad"), ByteView(sealed).first(15)));
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Aead, RefusesKeysAndNoncesOfOtherSizes) {
  const Bytes nonce(12);
  const Bytes sealed(20);
  for (const AeadAlgorithm algorithm : kAll) {
    const Secret key(aead_key_size(algorithm));
    const Secret other(aead_key_size(algorithm) - 1);
    EXPECT_EQ(aead_seal(algorithm, other, nonce, {}, {}).error().id(), "crypto.aead.parameters");
    EXPECT_EQ(aead_open(algorithm, other, nonce, {}, sealed).error().id(), "crypto.aead.parameters");
    EXPECT_EQ(aead_seal(algorithm, key, Bytes(8), {}, {}).error().id(), "crypto.aead.parameters");
    EXPECT_EQ(aead_open(algorithm, key, {}, {}, sealed).error().id(), "crypto.aead.parameters");
  }
}

TEST(Hmac, AgreesWithRfc4231) {
  const Bytes key(20, 0x0b);
  EXPECT_EQ(to_hex(hmac(HashAlgorithm::kSha256, key, as_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac(HashAlgorithm::kSha384, key, as_bytes("Hi There"))),
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6");
  EXPECT_EQ(to_hex(hmac(HashAlgorithm::kSha256, {}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hkdf, AgreesWithRfc5869) {
  const Secret first = hkdf_extract(HashAlgorithm::kSha256, hex("000102030405060708090a0b0c"), Bytes(22, 0x0b));
  EXPECT_EQ(to_hex(first.reveal()), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  EXPECT_EQ(to_hex(hkdf_expand(HashAlgorithm::kSha256, first, hex("f0f1f2f3f4f5f6f7f8f9"), 42)->reveal()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  const Secret third = hkdf_extract(HashAlgorithm::kSha256, {}, Bytes(22, 0x0b));
  EXPECT_EQ(to_hex(third.reveal()), "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04");
  EXPECT_EQ(to_hex(hkdf_expand(HashAlgorithm::kSha256, third, {}, 42)->reveal()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hkdf, ExtractIsHmacUnderTheSaltEvenWithoutInput) {
  for (const HashAlgorithm hash : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    EXPECT_TRUE(equal(hkdf_extract(hash, as_bytes("salt"), as_bytes("ikm")).reveal(),
                      hmac(hash, as_bytes("salt"), as_bytes("ikm"))));
    EXPECT_TRUE(equal(hkdf_extract(hash, as_bytes("salt"), {}).reveal(), hmac(hash, as_bytes("salt"), {})));
    EXPECT_TRUE(equal(hkdf_extract(hash, {}, {}).reveal(), hmac(hash, {}, {})));
  }
}

TEST(Hkdf, RefusesSizesItCannotExpandTo) {
  const Secret prk(32);
  EXPECT_EQ(hkdf_expand(HashAlgorithm::kSha256, prk, {}, 255 * 32)->size(), 255U * 32U);
  EXPECT_EQ(hkdf_expand(HashAlgorithm::kSha256, prk, {}, 255 * 32 + 1).error().id(), "crypto.aead.parameters");
  EXPECT_EQ(hkdf_expand(HashAlgorithm::kSha256, prk, {}, 0).error().id(), "crypto.aead.parameters");
  EXPECT_EQ(hkdf_expand(HashAlgorithm::kSha256, prk, Bytes(1025), 32).error().id(), "crypto.aead.parameters");
}

}  // namespace
}  // namespace gateway::crypto
