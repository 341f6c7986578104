// Revocation lists from any bytes; where OpenSSL reads the same list, it must find the same in it.
#include <openssl/err.h>
#include <openssl/x509.h>

#include <cstdlib>

#include "codec/pem.h"
#include "crypto/crl.h"

namespace {

using namespace gateway;

void require(bool holds) {
  if (!holds) std::abort();
}

time_t seconds(Time time) {
  return static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

void compare(const crypto::Crl& ours, X509_CRL* theirs) {
  const auto* revoked = X509_CRL_get_REVOKED(theirs);
  require(ours.size() == (revoked == nullptr ? 0U : static_cast<std::size_t>(sk_X509_REVOKED_num(revoked))));
  require(ASN1_TIME_cmp_time_t(X509_CRL_get0_lastUpdate(theirs), seconds(ours.validity().not_before)) == 0);
  require(ASN1_TIME_cmp_time_t(X509_CRL_get0_nextUpdate(theirs), seconds(ours.validity().not_after)) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteView input(bytes, size);
  (void)crypto::Crl::from_pem(as_text(input), 4);
  const auto list = crypto::Crl::from_der(input, 8192);
  require(ERR_peek_error() == 0);
  if (!list) return 0;
  (void)list->issuer();
  (void)list->number();
  require(equal(crypto::Crl::from_pem(codec::write_pem("X509 CRL", input))->front().der(), input));
  const unsigned char* cursor = bytes;
  if (X509_CRL* theirs = d2i_X509_CRL(nullptr, &cursor, static_cast<long>(size)); theirs != nullptr) {
    compare(*list, theirs);
    X509_CRL_free(theirs);
  }
  ERR_clear_error();
  return 0;
}
