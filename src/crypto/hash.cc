#include "crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>

#include "crypto/openssl.h"

namespace gateway::crypto {

[[noreturn]] void broken(const char* what) {
  std::fprintf(stderr, "gateway: crypto.fault: OpenSSL could not %s\n", what);
  std::abort();
}

// Fetched once: an implicit fetch for every digest costs more than hashing a certificate.
const EVP_MD* digest_of(HashAlgorithm algorithm) {
  static EVP_MD* const sha256_md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static EVP_MD* const sha384_md = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  static EVP_MD* const sha512_md = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  const EVP_MD* md = nullptr;
  switch (algorithm) {
    case HashAlgorithm::kSha256: md = sha256_md; break;
    case HashAlgorithm::kSha384: md = sha384_md; break;
    case HashAlgorithm::kSha512: md = sha512_md; break;
  }
  if (md == nullptr) broken("provide SHA-2");
  return md;
}

namespace {

template <std::size_t N>
ByteArray<N> hash_parts(HashAlgorithm algorithm, std::initializer_list<ByteView> parts) {
  thread_local const UniqueMdContext context{EVP_MD_CTX_new()};
  ByteArray<N> digest;
  bool fine = context != nullptr && EVP_DigestInit_ex2(context.get(), digest_of(algorithm), nullptr) == 1;
  for (const ByteView part : parts) fine = fine && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  if (!fine || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) broken("hash");
  return digest;
}

}  // namespace

Sha256 sha256(std::initializer_list<ByteView> parts) { return hash_parts<32>(HashAlgorithm::kSha256, parts); }
Sha384 sha384(std::initializer_list<ByteView> parts) { return hash_parts<48>(HashAlgorithm::kSha384, parts); }
Sha512 sha512(std::initializer_list<ByteView> parts) { return hash_parts<64>(HashAlgorithm::kSha512, parts); }

struct Hasher::State {
  UniqueMdContext context{EVP_MD_CTX_new()};
};

Hasher::Hasher(HashAlgorithm algorithm) : state_(std::make_unique<State>()) {
  if (state_->context == nullptr || EVP_DigestInit_ex2(state_->context.get(), digest_of(algorithm), nullptr) != 1) {
    broken("start a hash");
  }
}
Hasher::Hasher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(ByteView bytes) {
  if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) broken("hash");
}

Bytes Hasher::finish() {
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size) != 1) broken("finish a hash");
  digest.resize(size);
  return digest;
}

Hasher Hasher::clone() const {
  auto copy = std::make_unique<State>();
  if (copy->context == nullptr || EVP_MD_CTX_copy_ex(copy->context.get(), state_->context.get()) != 1) {
    broken("copy a hash");
  }
  return Hasher(std::move(copy));
}

bool constant_time_equal(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace gateway::crypto
