// OpenSSL's objects with owners, for the sources of this module and of channel alone.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

#include "crypto/hash.h"

namespace gateway::crypto {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using UniqueMdContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using UniqueKey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using UniqueKeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using UniqueCipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freer<EVP_CIPHER_CTX_free>>;
using UniqueX509 = std::unique_ptr<X509, Freer<X509_free>>;
using UniqueBio = std::unique_ptr<BIO, Freer<BIO_free_all>>;

// Drops the errors that this scope adds to the thread's queue: TLS code reads that queue to learn what went wrong.
class ErrorScope {
 public:
  ErrorScope() { ERR_set_mark(); }
  ~ErrorScope() { ERR_pop_to_mark(); }
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
};

// Stops the process: out of memory or a broken library leaves no safe way on.
[[noreturn]] void broken(const char* what);
const EVP_MD* digest_of(HashAlgorithm algorithm);

}  // namespace gateway::crypto
