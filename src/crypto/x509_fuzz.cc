// Certificates and keys from any bytes; where OpenSSL reads the same certificate, it must read the same in it.
#include <openssl/err.h>
#include <openssl/x509.h>

#include <cstdlib>

#include "crypto/x509.h"

namespace {

using namespace gateway;

void require(bool holds) {
  if (!holds) std::abort();
}

void compare(const crypto::Certificate& ours, X509* theirs) {
  unsigned char* spki = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(theirs), &spki);
  require(size > 0 && equal(ours.public_key().spki(), {spki, static_cast<std::size_t>(size)}));
  OPENSSL_free(spki);
  const auto seconds = [](Time time) {
    return static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
  };
  require(ASN1_TIME_cmp_time_t(X509_get0_notBefore(theirs), seconds(ours.validity().not_before)) == 0);
  require(ASN1_TIME_cmp_time_t(X509_get0_notAfter(theirs), seconds(ours.validity().not_after)) == 0);
  require((X509_NAME_cmp(X509_get_subject_name(theirs), X509_get_issuer_name(theirs)) == 0) ||
          !ours.issued_by_name(ours));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteView input(bytes, size);
  if (const auto key = crypto::PublicKey::from_spki(input)) {
    require(crypto::PublicKey::from_pem(*key->to_pem())->spki() == key->spki());
  }
  (void)crypto::Certificate::from_pem(as_text(input), 4);
  const auto certificate = crypto::Certificate::from_der(input, 4096);
  require(ERR_peek_error() == 0);
  if (!certificate) return 0;
  (void)certificate->subject();
  (void)certificate->subject_common_name();
  (void)certificate->dns_names();
  (void)certificate->extension("2.23.133.5.4.9");
  require(equal(crypto::Certificate::from_pem(certificate->to_pem())->front().der(), input));
  (void)crypto::validate_path(*certificate, {}, *certificate, {.at = certificate->validity().not_before});
  if (certificate->native() != nullptr) compare(*certificate, certificate->native());
  ERR_clear_error();
  return 0;
}
