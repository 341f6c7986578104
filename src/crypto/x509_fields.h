// What certificates and CRLs are made of (RFC 5280): one reader of each part for both. For the sources of x509 and crl.
//
// Errors: kMalformed der.… (whoever reads a whole object gives them its own id); kUnsupported x509.algorithm
#pragma once

#include <string>

#include "base/clock.h"
#include "codec/der.h"
#include "crypto/keys.h"

namespace gateway::crypto {

enum class SignatureKind : std::uint8_t { kEcdsa, kRsaPss, kRsaPkcs1 };
struct SignatureAlgorithm {
  SignatureKind kind{};
  HashAlgorithm hash{};
};

struct Extension {  // views into the input
  ByteView oid;     // the OID's content
  bool critical = false;
  ByteView value;  // extnValue's content
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

Result<SignatureAlgorithm> read_signature_algorithm(codec::DerReader algorithm);  // the content of the SEQUENCE
Result<ByteView> read_name(codec::DerReader& reader);                             // tag and length included
Result<Time> read_time(codec::DerReader& reader);
Result<ByteView> read_serial(codec::DerReader& reader);  // the INTEGER's content; not negative
Result<Extension> read_extension(codec::DerReader& list);

// RSA PKCS #1 v1.5 never holds, nor does a key of another kind than the algorithm's.
bool signature_holds(const SignatureAlgorithm& algorithm, const PublicKey& key, ByteView message, ByteView signature);

// Calls visit(type, value) for each attribute of a Name that read_name has checked.
template <class Visit>
void each_attribute(ByteView name, Visit visit) {
  auto rdns = codec::DerReader(name).enter(codec::der_tag::kSequence);
  while (rdns && !rdns->empty()) {
    auto rdn = rdns->enter(codec::der_tag::kSet);
    while (rdn && !rdn->empty()) {
      auto attribute = rdn->enter(codec::der_tag::kSequence);
      const auto type = attribute->oid();
      const auto value = attribute->any();
      visit(*type, *value);
    }
  }
}

// RFC 2253-like: what people see, in printable ASCII.
std::string name_text(ByteView name);
// The common name if there is exactly one and it is printable ASCII: nobody may choose between two readings.
std::optional<std::string> common_name(ByteView name);

}  // namespace gateway::crypto
