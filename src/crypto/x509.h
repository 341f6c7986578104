// X.509 certificates: reading, path validation to a pinned anchor at a given time, and issuing (virtual NSM, TLS).
//
// Input:  DER from peers. Strict: minimal DER, no trailing bytes, a known signature algorithm (ECDSA or RSA-PSS with
//         SHA-2; RSA PKCS #1 is read, never trusted), no unknown critical extensions. Read by codec/der.h, not by
//         OpenSSL: decoding one certificate there costs a fifth of a P-384 verification.
// Bounds: max_size bytes, 64 extensions; a path of PathOptions::max_length.
// Spec:   RFC 5280 §6.1 without policies; name constraints are refused unless empty (kUnsupported).
// Errors: kMalformed x509.parse; kUnsupported x509.algorithm, x509.critical_extension, x509.name_constraints;
//         kNotAuthentic x509.signature, x509.issuer_name, x509.not_ca, x509.key_usage, x509.path_length;
//         kExpired x509.not_yet_valid, x509.expired; kLimitExceeded x509.size, x509.chain_length;
//         kInvalidArgument x509.spec
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "crypto/keys.h"

struct x509_st;  // OpenSSL's X509, for channel

namespace gateway::crypto {

class Certificate {
 public:
  static Result<Certificate> from_der(ByteView der, std::size_t max_size = 16UZ * 1024);
  static Result<std::vector<Certificate>> from_pem(std::string_view pem, std::size_t max_count = 16);

  const Bytes& der() const;
  const PublicKey& public_key() const;
  ByteView serial() const;  // big-endian, as in the DER: a zero byte before a set top bit; borrowed
  TimeWindow validity() const;
  std::string subject() const;  // RFC 2253-like, printable characters only
  std::string issuer() const;
  std::optional<std::string> subject_common_name() const;
  std::optional<std::string> issuer_common_name() const;
  ByteView subject_name() const;                      // the DER Name, tag and length included; borrowed
  bool same_subject(const Certificate& other) const;  // raw DER names compared
  bool issued_by_name(const Certificate& issuer) const;
  bool is_ca() const;  // basicConstraints cA
  std::optional<std::int64_t> path_length() const;
  struct KeyUsage {
    bool present = false, digital_signature = false, key_cert_sign = false, crl_sign = false;
  };
  KeyUsage key_usage() const;
  // The DER content of an extension's extnValue, by dotted OID; nullopt when absent.
  std::optional<Bytes> extension(std::string_view oid) const;
  std::vector<std::string> dns_names() const;
  Status verify_signed_by(const PublicKey& issuer_key) const;
  std::string to_pem() const;

  struct Impl;
  explicit Certificate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  // OpenSSL's form, made when first asked for; borrowed; only for channel. Null if OpenSSL cannot read the certificate.
  x509_st* native() const;

 private:
  std::shared_ptr<const Impl> impl_;
};

struct PathOptions {
  Time at;                     // every certificate of the path must be valid at this time
  std::size_t max_length = 8;  // certificates, anchor counted
};

// Validates leaf ← chain[n-1] ← … ← chain[0] ← anchor: names, signatures, validity, cA, keyCertSign and path lengths of
// every issuer. `intermediates` goes from the one nearest the anchor to the leaf's issuer; the anchor itself is not in
// it. Returns the intersection of the validity windows. The anchor's own signature is not checked: it is pinned.
Result<TimeWindow> validate_path(const Certificate& leaf, std::span<const Certificate> intermediates,
                                 const Certificate& anchor, const PathOptions& options);

struct CertificateSpec {
  std::string subject_common_name;
  std::string issuer_common_name;
  PublicKey subject_key;
  TimeWindow validity;
  bool is_ca = false;
  std::optional<std::int64_t> path_length{};
  std::vector<std::string> dns_names{};
  struct Extension {
    std::string oid;
    Bytes value;
    bool critical = false;
  };
  std::vector<Extension> extensions{};
};
// Issues a certificate (ECDSA with the hash of the key's size; keyUsage from is_ca; random 16-byte serial).
Result<Certificate> issue_certificate(const CertificateSpec& spec, const PrivateKey& issuer_key);

}  // namespace gateway::crypto
