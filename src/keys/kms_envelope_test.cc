#include "keys/kms_envelope.h"

#include <gtest/gtest.h>
#include <openssl/cms.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>

#include "codec/der.h"

namespace gateway::keys {
namespace {

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return to_bytes(std::string((std::istreambuf_iterator<char>(file)), {}));
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};

// KMS's side, by OpenSSL's CMS: `streamed` gives BER of indefinite lengths with the ciphertext in pieces.
Bytes envelope_for(const crypto::EnvelopeKey& key, std::string_view plaintext, bool streamed,
                   const EVP_CIPHER* cipher = EVP_aes_256_cbc(), const EVP_MD* digest = EVP_sha256()) {
  const unsigned char* at = key.spki().data();
  EVP_PKEY* const spki = d2i_PUBKEY(nullptr, &at, static_cast<long>(key.spki().size()));
  // CMS wants a certificate; what of it goes into the envelope is the key identifier alone.
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  X509_set_pubkey(certificate, spki);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  ASN1_OCTET_STRING* const identifier = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(identifier, key.spki().data(), 32);
  X509_add1_ext_i2d(certificate, NID_subject_key_identifier, identifier, 0, 0);
  ASN1_OCTET_STRING_free(identifier);
  EVP_PKEY* const signer = EVP_EC_gen("P-256");  // anybody: nothing of the signature goes anywhere
  X509_sign(certificate, signer, EVP_sha256());
  EVP_PKEY_free(signer);
  const unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_USE_KEYID | CMS_KEY_PARAM;
  CMS_ContentInfo* const cms = CMS_encrypt(nullptr, nullptr, cipher, flags);
  CMS_RecipientInfo* const recipient = CMS_add1_recipient_cert(cms, certificate, flags);
  EVP_PKEY_CTX* const context = CMS_RecipientInfo_get0_pkey_ctx(recipient);
  EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING);
  EVP_PKEY_CTX_set_rsa_oaep_md(context, digest);
  EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest);
  const std::unique_ptr<BIO, BioFree> data(BIO_new_mem_buf(plaintext.data(), static_cast<int>(plaintext.size())));
  const std::unique_ptr<BIO, BioFree> out(BIO_new(BIO_s_mem()));
  if (streamed) {
    i2d_CMS_bio_stream(out.get(), cms, data.get(), CMS_STREAM | CMS_BINARY);
  } else {
    CMS_final(cms, data.get(), nullptr, CMS_BINARY);
    i2d_CMS_bio(out.get(), cms);
  }
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  Bytes made = to_bytes(std::string_view(bytes, static_cast<std::size_t>(size)));
  CMS_ContentInfo_free(cms);
  X509_free(certificate);
  EVP_PKEY_free(spki);
  return made;
}

const crypto::EnvelopeKey& key() {
  static const crypto::EnvelopeKey one = *crypto::EnvelopeKey::generate();
  return one;
}

std::string id_of(const Result<Secret>& result) { return result ? "opened" : std::string(result.error().id()); }

TEST(KmsEnvelope, OpensWhatIsEncryptedToItsKey) {
  for (const bool streamed : {false, true}) {
    for (const std::size_t size : {0UZ, 1UZ, 15UZ, 16UZ, 32UZ, 4096UZ}) {
      const std::string plaintext(size, 'k');
      const auto opened = open_kms_envelope(envelope_for(key(), plaintext, streamed), key());
      ASSERT_TRUE(opened) << opened.error().message();
      EXPECT_EQ(as_text(opened->reveal()), plaintext);
    }
  }
}

// Whatever is wrong with key, ciphertext or padding is one and the same thing to whoever sent it.
TEST(KmsEnvelope, SaysOneThingOfWhatDoesNotOpen) {
  const auto other = crypto::EnvelopeKey::generate();
  ASSERT_TRUE(other);
  const Bytes envelope = envelope_for(key(), "a secret of some length", false);
  EXPECT_EQ(id_of(open_kms_envelope(envelope, *other)), "crypto.envelope");
  const auto parts = parse_kms_envelope(envelope);
  ASSERT_TRUE(parts);
  for (const std::size_t at : {0UZ, parts->encrypted_key.size() - 1}) {
    Bytes changed = parts->encrypted_key;
    changed[at] ^= 1U;
    EXPECT_EQ(id_of(key().open(changed, parts->iv, parts->ciphertext)), "crypto.envelope");
  }
  Bytes changed = parts->ciphertext;
  changed.back() ^= 0x80U;
  EXPECT_EQ(id_of(key().open(parts->encrypted_key, parts->iv, changed)), "crypto.envelope");
  EXPECT_EQ(id_of(key().open(parts->encrypted_key, parts->iv, ByteView(changed).first(15))), "crypto.envelope");
  EXPECT_EQ(id_of(key().open(parts->encrypted_key, ByteView(parts->iv).first(8), parts->ciphertext)),
            "crypto.envelope");
  EXPECT_EQ(id_of(key().open(parts->encrypted_key, parts->iv, {})), "crypto.envelope");
  EXPECT_EQ(id_of(key().open({}, parts->iv, parts->ciphertext)), "crypto.envelope");
}

TEST(KmsEnvelope, RefusesOtherAlgorithms) {
  EXPECT_EQ(id_of(open_kms_envelope(envelope_for(key(), "x", false, EVP_aes_128_cbc()), key())), "kms.envelope");
  EXPECT_EQ(id_of(open_kms_envelope(envelope_for(key(), "x", false, EVP_aes_256_cbc(), EVP_sha384()), key())),
            "kms.envelope");
}

TEST(KmsEnvelope, RefusesEveryTruncationAndTrailingBytes) {
  for (const bool streamed : {false, true}) {
    Bytes envelope = envelope_for(key(), "secret", streamed);
    for (std::size_t size = 0; size < envelope.size(); ++size) {
      EXPECT_FALSE(parse_kms_envelope(ByteView(envelope).first(size))) << size;
    }
    envelope.push_back(0);
    EXPECT_FALSE(parse_kms_envelope(envelope));
  }
  EXPECT_EQ(parse_kms_envelope(Bytes(kMaxEnvelope + 1)).error().id(), "kms.envelope");
}

// Answers of AWS's own, whose keys nobody has: their parts are where they belong.
TEST(KmsEnvelope, ReadsAnswersOfAws) {
  const char* folder = std::getenv("GATEWAY_VECTORS");
  if (folder == nullptr) {
    std::cerr << "SKIPPED: GATEWAY_VECTORS names no real answers\n";
    GTEST_SKIP();
  }
  const auto constructed = parse_kms_envelope(read_file(std::string(folder) + "/kms/kms2_constructed.der"));
  ASSERT_TRUE(constructed) << constructed.error().message();
  EXPECT_EQ(constructed->encrypted_key.size(), 256U);
  EXPECT_EQ(to_hex(constructed->iv), "688c6d5f7f31b0fecedf09f2e7c99ac9");
  EXPECT_EQ(to_hex(constructed->ciphertext),
            "70e5caaffd49ad24efe15bf903be9d19895b777d269b57b025f6f67e7ef93f94464515f2ebe034ea0b7621a1ff19292e");
  const auto primitive = parse_kms_envelope(read_file(std::string(folder) + "/kms/kms3_primitive_ctx.der"));
  ASSERT_TRUE(primitive) << primitive.error().message();
  EXPECT_EQ(primitive->encrypted_key.size(), 256U);
  EXPECT_EQ(to_hex(primitive->iv), "e66c1172aee0f2f7be34e3afc6b0e4fe");
  EXPECT_EQ(to_hex(primitive->ciphertext), "1f943eb0105c1b0644df4f7130448a28");
}

}  // namespace
}  // namespace gateway::keys
