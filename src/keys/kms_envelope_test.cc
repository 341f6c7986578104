#include "keys/kms_envelope.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "codec/der.h"
#include "keys/kms_for_test.h"

namespace gateway::keys {
namespace {

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return to_bytes(std::string((std::istreambuf_iterator<char>(file)), {}));
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
      const auto opened = open_kms_envelope(envelope_for(key().spki(), plaintext, streamed), key());
      ASSERT_TRUE(opened) << opened.error().message();
      EXPECT_EQ(as_text(opened->reveal()), plaintext);
    }
  }
}

// Whatever is wrong with key, ciphertext or padding is one and the same thing to whoever sent it.
TEST(KmsEnvelope, SaysOneThingOfWhatDoesNotOpen) {
  const auto other = crypto::EnvelopeKey::generate();
  ASSERT_TRUE(other);
  const Bytes envelope = envelope_for(key().spki(), "a secret of some length", false);
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
  EXPECT_EQ(id_of(open_kms_envelope(envelope_for(key().spki(), "x", false, EVP_aes_128_cbc()), key())), "kms.envelope");
  EXPECT_EQ(id_of(open_kms_envelope(envelope_for(key().spki(), "x", false, EVP_aes_256_cbc(), EVP_sha384()), key())),
            "kms.envelope");
}

TEST(KmsEnvelope, RefusesEveryTruncationAndTrailingBytes) {
  for (const bool streamed : {false, true}) {
    Bytes envelope = envelope_for(key().spki(), "secret", streamed);
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
