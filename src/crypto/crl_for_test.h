// Revocation lists for tests and fake vendors: in parts, each of which a test may break. Never part of a program.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "codec/der.h"
#include "crypto/x509.h"

namespace gateway::crypto {

struct CrlParts {
  using Sign = std::function<Bytes(ByteView message)>;  // the signature's content

  static Bytes time(Time when) {
    std::string digits;
    for (const char c : to_rfc3339(std::chrono::floor<std::chrono::seconds>(when))) {
      if (c >= '0' && c <= '9') digits.push_back(c);
    }
    digits.push_back('Z');
    if (digits >= "2050") return codec::der(codec::der_tag::kGeneralizedTime, {as_bytes(digits)});
    return codec::der(codec::der_tag::kUtcTime, {as_bytes(std::string_view(digits).substr(2))});
  }
  static Bytes sequence(std::initializer_list<ByteView> parts) { return codec::der(codec::der_tag::kSequence, parts); }
  static Bytes ecdsa_algorithm(KeyType type) {
    const bool p256 = type == KeyType::kP256;
    return sequence({codec::der_oid(p256 ? "1.2.840.10045.4.3.2" : "1.2.840.10045.4.3.3").value()});
  }
  static Sign ecdsa_by(const PrivateKey& key) {
    const HashAlgorithm hash = key.type() == KeyType::kP256 ? HashAlgorithm::kSha256 : HashAlgorithm::kSha384;
    return [key, hash](ByteView message) { return key.sign(hash, SignatureFormat::kDer, message).value(); };
  }
  static Bytes entry(ByteView serial, ByteView extensions = {}) {  // serial as Certificate::serial() has it
    const Bytes date = codec::der(codec::der_tag::kUtcTime, {as_bytes("260101000000Z")});
    return sequence({codec::der(codec::der_tag::kInteger, {serial}), date, extensions});
  }

  static CrlParts of(const Certificate& issuer, const PrivateKey& key, const TimeWindow& validity) {
    CrlParts parts;
    parts.inner_algorithm = parts.outer_algorithm = ecdsa_algorithm(key.type());
    parts.issuer = to_bytes(issuer.subject_name());
    parts.this_update = time(validity.not_before);
    parts.next_update = time(validity.not_after);
    parts.sign = ecdsa_by(key);
    return parts;
  }
  CrlParts& revoke(const Certificate& certificate) {
    append(entries, entry(certificate.serial()));
    return *this;
  }

  Bytes version = codec::der_unsigned(ByteArray<1>{{1}});
  Bytes inner_algorithm, issuer, this_update, next_update;
  Bytes entries;      // the content of the SEQUENCE OF; empty: left out
  Bytes extensions =  // the content of the SEQUENCE OF: cRLNumber 1; empty: left out
      sequence({codec::der_oid("2.5.29.20").value(),
                codec::der(codec::der_tag::kOctetString, {codec::der_unsigned(ByteArray<1>{{1}})})});
  Bytes after_extensions;
  Bytes outer_algorithm;
  Sign sign;

  Bytes encode() const {
    const Bytes revoked = entries.empty() ? Bytes() : sequence({entries});
    const Bytes list =
        extensions.empty() ? Bytes() : codec::der(codec::der_tag::context_constructed(0), {sequence({extensions})});
    const Bytes tbs =
        sequence({version, inner_algorithm, issuer, this_update, next_update, revoked, list, after_extensions});
    return sequence({tbs, outer_algorithm, codec::der_bit_string(sign(tbs))});
  }
};

}  // namespace gateway::crypto
