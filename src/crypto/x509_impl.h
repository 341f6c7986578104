// What a certificate holds, for the sources of x509 alone. All views point into `der`.
#pragma once

#include <mutex>

#include "crypto/openssl.h"
#include "crypto/x509.h"
#include "crypto/x509_fields.h"

namespace gateway::crypto {

struct Certificate::Impl {
  explicit Impl(Bytes bytes) : der(std::move(bytes)) {}

  Bytes der;
  ByteView tbs;  // tbsCertificate, tag and length included
  SignatureAlgorithm signed_with;
  ByteView signature;
  ByteView serial;  // the INTEGER's content: minimal, not negative
  ByteView issuer;  // Name, tag and length included
  ByteView subject;
  TimeWindow validity;
  std::optional<PublicKey> key;
  std::vector<Extension> extensions;
  bool is_ca = false;
  std::optional<std::int64_t> path_length;
  KeyUsage key_usage;
  std::vector<std::string> dns_names;

  mutable std::once_flag native_once;
  mutable UniqueX509 native;
};

// Fills everything but der from der.
Status parse_certificate(Certificate::Impl& certificate);

}  // namespace gateway::crypto
