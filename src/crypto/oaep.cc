#include "crypto/oaep.h"

#include <openssl/rsa.h>

#include "crypto/openssl.h"
#include "crypto/random.h"

namespace gateway::crypto {
namespace {

constexpr unsigned kBits = 2048;
constexpr std::size_t kContentKey = 32;
constexpr std::size_t kBlock = 16;

std::unexpected<Error> closed() {
  return fail(ErrorCode::kNotAuthentic, "crypto.envelope", "the envelope does not open");
}

// Writes the content key; false when there is none, and then the key is random.
bool decrypt_key(EVP_PKEY* key, ByteView encrypted, Secret& content_key) {
  const UniqueKeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  if (!context || EVP_PKEY_decrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_sha256()) != 1) {
    broken("set up OAEP");
  }
  Secret plain(kBits / 8);
  std::size_t size = plain.size();
  const int done =
      EVP_PKEY_decrypt(context.get(), plain.reveal_mutable().data(), &size, encrypted.data(), encrypted.size());
  const bool good = done == 1 && size == kContentKey;
  content_key = Secret(good ? plain.reveal().first(kContentKey) : ByteView(random_bytes(kContentKey)));
  return good;
}

}  // namespace

struct EnvelopeKey::Impl {
  UniqueKey key;
  Bytes spki;
};

EnvelopeKey::EnvelopeKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EnvelopeKey::EnvelopeKey(EnvelopeKey&&) noexcept = default;
EnvelopeKey& EnvelopeKey::operator=(EnvelopeKey&&) noexcept = default;
EnvelopeKey::~EnvelopeKey() = default;

Result<EnvelopeKey> EnvelopeKey::generate() {
  auto impl = std::make_unique<Impl>();
  impl->key = UniqueKey(EVP_RSA_gen(kBits));
  unsigned char* der = nullptr;
  const int size = impl->key ? i2d_PUBKEY(impl->key.get(), &der) : -1;
  if (size <= 0) broken("make an RSA key");
  impl->spki.assign(der, der + size);
  OPENSSL_free(der);
  return EnvelopeKey(std::move(impl));
}

const Bytes& EnvelopeKey::spki() const { return impl_->spki; }

Result<Secret> EnvelopeKey::open(ByteView encrypted_key, ByteView iv, ByteView ciphertext) const {
  const ErrorScope errors;
  if (iv.size() != kBlock || ciphertext.empty() || ciphertext.size() % kBlock != 0 ||
      ciphertext.size() > static_cast<std::size_t>(INT_MAX)) {
    return closed();
  }
  Secret content_key;
  const bool good_key = decrypt_key(impl_->key.get(), encrypted_key, content_key);
  const UniqueCipherContext context(EVP_CIPHER_CTX_new());
  Secret plain(ciphertext.size());
  int size = 0;
  if (!context ||
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_cbc(), nullptr, content_key.reveal().data(), iv.data()) != 1 ||
      EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1 ||
      EVP_DecryptUpdate(context.get(), plain.reveal_mutable().data(), &size, ciphertext.data(),
                        static_cast<int>(ciphertext.size())) != 1) {
    broken("decrypt with AES-256-CBC");
  }
  // PKCS #7: n bytes of n, 1 to 16, looked at without a branch on what they are.
  const ByteView text = plain.reveal();
  const unsigned last = text.back();
  unsigned bad = static_cast<unsigned>(last == 0) | static_cast<unsigned>(last > kBlock);
  for (unsigned i = 0; i < kBlock; ++i) {
    const unsigned inside = static_cast<unsigned>(i < last);
    bad |= inside & static_cast<unsigned>(text[text.size() - 1 - i] != last);
  }
  if ((bad | static_cast<unsigned>(!good_key)) != 0) return closed();
  return Secret(text.first(text.size() - last));
}

}  // namespace gateway::crypto
