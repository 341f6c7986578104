#include "crypto/aead.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>

#include <algorithm>
#include <climits>

#include "crypto/openssl.h"

namespace gateway::crypto {
namespace {

const EVP_CIPHER* cipher_of(AeadAlgorithm algorithm) {
  static EVP_CIPHER* const aes128 = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  static EVP_CIPHER* const aes256 = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  static EVP_CIPHER* const chacha = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  const EVP_CIPHER* cipher = nullptr;
  switch (algorithm) {
    case AeadAlgorithm::kAes128Gcm: cipher = aes128; break;
    case AeadAlgorithm::kAes256Gcm: cipher = aes256; break;
    case AeadAlgorithm::kChaCha20Poly1305: cipher = chacha; break;
  }
  if (cipher == nullptr) broken("provide an AEAD");
  return cipher;
}

const char* digest_name(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha256: return "SHA256";
    case HashAlgorithm::kSha384: return "SHA384";
    case HashAlgorithm::kSha512: return "SHA512";
  }
  return "SHA256";
}

std::size_t digest_size(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha256: return 32;
    case HashAlgorithm::kSha384: return 48;
    case HashAlgorithm::kSha512: return 64;
  }
  return 32;
}

std::unexpected<Error> bad_parameters(std::string detail) {
  return fail(ErrorCode::kInvalidArgument, "crypto.aead.parameters", std::move(detail));
}

Status check_parameters(AeadAlgorithm algorithm, const Secret& key, ByteView nonce, std::size_t text, std::size_t aad) {
  if (key.size() != aead_key_size(algorithm)) return bad_parameters("the key has the wrong size");
  if (nonce.size() != kAeadNonceSize) return bad_parameters("the nonce has the wrong size");
  if (text > INT_MAX - kAeadTagSize || aad > INT_MAX) return bad_parameters("the text is too large for one message");
  return {};
}

Secret derive(const char* mode, HashAlgorithm hash, ByteView key, ByteView salt, ByteView info, std::size_t size) {
  static EVP_KDF* const hkdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  const std::unique_ptr<EVP_KDF_CTX, Freer<EVP_KDF_CTX_free>> context(EVP_KDF_CTX_new(hkdf));
  // OpenSSL takes non-const pointers and does not write through them; a null pointer would mean "not given".
  static std::uint8_t nothing = 0;
  const auto pointer = [](ByteView view) {
    return view.empty() ? static_cast<void*>(&nothing) : static_cast<void*>(const_cast<std::uint8_t*>(view.data()));
  };
  std::vector<OSSL_PARAM> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, const_cast<char*>(mode), 0),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(digest_name(hash)), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, pointer(key), key.size())};
  // An absent salt and an empty one are both zeros of the hash's length (RFC 5869 §2.2).
  if (!salt.empty()) {
    parameters.push_back(OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, pointer(salt), salt.size()));
  }
  if (!info.empty()) {
    parameters.push_back(OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, pointer(info), info.size()));
  }
  parameters.push_back(OSSL_PARAM_construct_end());
  Secret out(size);
  if (context == nullptr || EVP_KDF_derive(context.get(), out.reveal_mutable().data(), size, parameters.data()) != 1) {
    broken("derive a key");
  }
  return out;
}

}  // namespace

std::size_t aead_key_size(AeadAlgorithm algorithm) { return algorithm == AeadAlgorithm::kAes128Gcm ? 16 : 32; }

Result<Bytes> aead_seal(AeadAlgorithm algorithm, const Secret& key, ByteView nonce, ByteView aad, ByteView plaintext) {
  GATEWAY_TRY(check_parameters(algorithm, key, nonce, plaintext.size(), aad.size()));
  const UniqueCipherContext context(EVP_CIPHER_CTX_new());
  Bytes out(plaintext.size() + kAeadTagSize);
  int length = 0;
  bool fine = context != nullptr &&
              EVP_EncryptInit_ex2(context.get(), cipher_of(algorithm), key.reveal().data(), nonce.data(), nullptr) == 1;
  if (!aad.empty()) {
    fine = fine && EVP_EncryptUpdate(context.get(), nullptr, &length, aad.data(), static_cast<int>(aad.size())) == 1;
  }
  int written = 0;
  if (!plaintext.empty()) {
    fine = fine && EVP_EncryptUpdate(context.get(), out.data(), &written, plaintext.data(),
                                     static_cast<int>(plaintext.size())) == 1;
  }
  fine = fine && EVP_EncryptFinal_ex(context.get(), out.data() + written, &length) == 1 &&
         EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, out.data() + plaintext.size()) == 1;
  if (!fine) broken("encrypt");
  return out;
}

Result<Bytes> aead_open(AeadAlgorithm algorithm, const Secret& key, ByteView nonce, ByteView aad, ByteView ciphertext) {
  const auto refused = [] {
    return fail(ErrorCode::kNotAuthentic, "crypto.aead.open", "the ciphertext is not what was sealed");
  };
  const ErrorScope scope;
  if (ciphertext.size() < kAeadTagSize) return refused();
  const ByteView text = ciphertext.first(ciphertext.size() - kAeadTagSize);
  Bytes tag = to_bytes(ciphertext.last(kAeadTagSize));
  GATEWAY_TRY(check_parameters(algorithm, key, nonce, text.size(), aad.size()));
  const UniqueCipherContext context(EVP_CIPHER_CTX_new());
  Bytes out(text.size());
  int length = 0;
  bool fine = context != nullptr &&
              EVP_DecryptInit_ex2(context.get(), cipher_of(algorithm), key.reveal().data(), nonce.data(), nullptr) == 1;
  if (!aad.empty()) {
    fine = fine && EVP_DecryptUpdate(context.get(), nullptr, &length, aad.data(), static_cast<int>(aad.size())) == 1;
  }
  int written = 0;
  if (!text.empty()) {
    fine =
        fine && EVP_DecryptUpdate(context.get(), out.data(), &written, text.data(), static_cast<int>(text.size())) == 1;
  }
  fine = fine && EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, tag.data()) == 1;
  if (!fine) broken("decrypt");
  std::uint8_t unused[kAeadTagSize];
  if (EVP_DecryptFinal_ex(context.get(), unused, &length) != 1) {
    wipe(out);
    return refused();
  }
  return out;
}

Bytes hmac(HashAlgorithm hash, ByteView key, ByteView message) {
  Bytes out(digest_size(hash));
  unsigned size = 0;
  static const std::uint8_t nothing = 0;
  const std::uint8_t* key_bytes = key.empty() ? &nothing : key.data();
  if (HMAC(digest_of(hash), key_bytes, static_cast<int>(key.size()), message.data(), message.size(), out.data(),
           &size) == nullptr ||
      size != out.size()) {
    broken("compute a MAC");
  }
  return out;
}

Secret hkdf_extract(HashAlgorithm hash, ByteView salt, ByteView input_key) {
  return derive("EXTRACT_ONLY", hash, input_key, salt, {}, digest_size(hash));
}

Result<Secret> hkdf_expand(HashAlgorithm hash, const Secret& pseudo_random_key, ByteView info, std::size_t size) {
  if (size == 0 || size > 255 * digest_size(hash)) return bad_parameters("HKDF cannot expand to that size");
  if (info.size() > 1024) return bad_parameters("the info is too long");
  return derive("EXPAND_ONLY", hash, pseudo_random_key.reveal(), {}, info, size);
}

}  // namespace gateway::crypto
