// X.509 certificate revocation lists: reading, authenticating, looking a certificate up.
//
// Input:  DER or PEM from peers. Strict as crypto/x509.h is: minimal DER, no trailing bytes, a known signature
//         algorithm, no unknown critical extension of the list or of an entry. Delta, indirect and partial lists (any
//         issuing distribution point) are refused.
// Bounds: max_size bytes; entries are not copied: a list of a hundred thousand costs its own bytes and one sort.
// Spec:   RFC 5280 §5 and §6.3.
// Errors: kMalformed crl.parse; kUnsupported crl.algorithm, crl.critical_extension, crl.delta, crl.scope;
//         kLimitExceeded crl.size; kNotAuthentic crl.issuer_name, crl.issuer_usage, crl.signature
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "crypto/x509.h"

namespace gateway::crypto {

inline constexpr std::size_t kMaxCrlSize = 4UZ * 1024 * 1024;

class Crl {
 public:
  static Result<Crl> from_der(ByteView der, std::size_t max_size = kMaxCrlSize);
  static Result<std::vector<Crl>> from_pem(std::string_view pem, std::size_t max_count = 16);

  const Bytes& der() const;
  TimeWindow validity() const;  // thisUpdate to nextUpdate; a list without nextUpdate is malformed here
  std::string issuer() const;   // RFC 2253-like, printable characters only
  std::optional<std::string> issuer_common_name() const;
  std::optional<Bytes> number() const;                   // cRLNumber, big-endian
  std::size_t size() const;                              // revoked certificates
  bool issued_by_name(const Certificate& issuer) const;  // raw DER names compared
  // The name, cRLSign where the issuer has a keyUsage, and the signature. Says nothing about time.
  Status verify_signed_by(const Certificate& issuer) const;
  bool revokes(const Certificate& certificate) const;  // by serial number; the caller compares issuers first

  struct Impl;
  explicit Crl(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace gateway::crypto
