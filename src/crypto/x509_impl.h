// What a certificate holds, for the sources of x509 alone. All views point into `der`.
#pragma once

#include <mutex>

#include "crypto/openssl.h"
#include "crypto/x509.h"

namespace gateway::crypto {

enum class CertificateSignature : std::uint8_t { kEcdsa, kRsaPss, kRsaPkcs1 };

struct Certificate::Impl {
  struct Extension {
    ByteView oid;  // the OID's content
    bool critical = false;
    ByteView value;  // extnValue's content
  };

  explicit Impl(Bytes bytes) : der(std::move(bytes)) {}

  Bytes der;
  ByteView tbs;  // tbsCertificate, tag and length included
  CertificateSignature signature_kind{};
  HashAlgorithm signature_hash{};
  ByteView signature;
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

// The content of the OIDs that more than one source needs.
namespace oid {
inline constexpr ByteArray<3> kCommonName{{0x55, 0x04, 0x03}};
inline constexpr ByteArray<3> kSubjectKeyIdentifier{{0x55, 0x1d, 0x0e}};
inline constexpr ByteArray<3> kKeyUsage{{0x55, 0x1d, 0x0f}};
inline constexpr ByteArray<3> kSubjectAltName{{0x55, 0x1d, 0x11}};
inline constexpr ByteArray<3> kBasicConstraints{{0x55, 0x1d, 0x13}};
inline constexpr ByteArray<3> kNameConstraints{{0x55, 0x1d, 0x1e}};
inline constexpr ByteArray<3> kAuthorityKeyIdentifier{{0x55, 0x1d, 0x23}};
inline constexpr ByteArray<3> kExtendedKeyUsage{{0x55, 0x1d, 0x25}};
inline constexpr ByteArray<8> kEcdsaSha256{{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}};
inline constexpr ByteArray<8> kEcdsaSha384{{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}};
inline constexpr ByteArray<8> kEcdsaSha512{{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04}};
}  // namespace oid

// Fills everything but der from der.
Status parse_certificate(Certificate::Impl& certificate);

}  // namespace gateway::crypto
