#include <algorithm>
#include <array>

#include "codec/der.h"
#include "crypto/x509_impl.h"

namespace gateway::crypto {
namespace {

using codec::DerElement;
using codec::DerReader;
namespace tag = codec::der_tag;

constexpr std::size_t kMaxExtensions = 64;

std::unexpected<Error> bad(std::string detail) { return fail(ErrorCode::kMalformed, "x509.parse", std::move(detail)); }

Status read_basic_constraints(Certificate::Impl& certificate, DerReader reader) {
  GATEWAY_ASSIGN(DerReader constraints, reader.enter(tag::kSequence));
  GATEWAY_TRY(reader.finish());
  if (constraints.next_is(tag::kBoolean)) {
    GATEWAY_ASSIGN(certificate.is_ca, constraints.boolean());
  }
  if (constraints.next_is(tag::kInteger)) {
    GATEWAY_ASSIGN(certificate.path_length, constraints.small_integer());
    if (!certificate.is_ca) return bad("a path length in a certificate that is no CA");
  }
  return constraints.finish();
}

Status read_key_usage(Certificate::Impl& certificate, DerReader reader) {
  GATEWAY_ASSIGN(const DerElement bits, reader.element(tag::kBitString));
  GATEWAY_TRY(reader.finish());
  const ByteView content = bits.content;
  if (content.size() < 2 || content.size() > 3 || content[0] > 7) return bad("a key usage of an impossible length");
  certificate.key_usage = {.present = true,
                           .digital_signature = (content[1] & 0x80U) != 0,
                           .key_cert_sign = (content[1] & 0x04U) != 0,
                           .crl_sign = (content[1] & 0x02U) != 0};
  return {};
}

Status read_alternative_names(Certificate::Impl& certificate, DerReader reader) {
  GATEWAY_ASSIGN(DerReader names, reader.enter(tag::kSequence));
  GATEWAY_TRY(reader.finish());
  while (!names.empty()) {
    GATEWAY_ASSIGN(const DerElement name, names.any());
    if (name.tag != tag::context(2)) continue;
    const bool printable = std::ranges::all_of(name.content, [](std::uint8_t c) { return c > 0x20 && c < 0x7f; });
    if (name.content.empty() || !printable) return bad("a DNS name that is empty or not printable");
    certificate.dns_names.emplace_back(as_text(name.content));
  }
  return {};
}

Status read_name_constraints(DerReader reader) {
  GATEWAY_ASSIGN(const DerReader constraints, reader.enter(tag::kSequence));
  GATEWAY_TRY(reader.finish());
  if (constraints.empty()) return {};
  return fail(ErrorCode::kUnsupported, "x509.name_constraints",
              "expected a certificate without name constraints, which are not evaluated here");
}

Status read_extended_key_usage(DerReader reader) {
  GATEWAY_ASSIGN(DerReader purposes, reader.enter(tag::kSequence));
  GATEWAY_TRY(reader.finish());
  do {
    GATEWAY_TRY(purposes.oid());
  } while (!purposes.empty());
  return {};
}

Status interpret(Certificate::Impl& certificate, const Extension& extension) {
  const DerReader value(extension.value);
  if (equal(extension.oid, oid::kBasicConstraints)) return read_basic_constraints(certificate, value);
  if (equal(extension.oid, oid::kKeyUsage)) return read_key_usage(certificate, value);
  if (equal(extension.oid, oid::kSubjectAltName)) return read_alternative_names(certificate, value);
  if (equal(extension.oid, oid::kNameConstraints)) return read_name_constraints(value);
  if (equal(extension.oid, oid::kExtendedKeyUsage)) return read_extended_key_usage(value);
  if (!extension.critical) return {};
  return fail(ErrorCode::kUnsupported, "x509.critical_extension",
              "a critical extension is not known here: " + codec::oid_text(extension.oid));
}

Status read_extensions(Certificate::Impl& certificate, DerReader reader) {
  GATEWAY_ASSIGN(DerReader extensions, reader.enter(tag::kSequence));
  GATEWAY_TRY(reader.finish());
  if (extensions.empty()) return bad("an empty list of extensions");
  while (!extensions.empty()) {
    GATEWAY_ASSIGN(const Extension extension, read_extension(extensions));
    const auto same = [&](const Extension& other) { return equal(other.oid, extension.oid); };
    if (std::ranges::any_of(certificate.extensions, same)) return bad("an extension is there twice");
    if (certificate.extensions.size() == kMaxExtensions) return bad("more than 64 extensions");
    GATEWAY_TRY(interpret(certificate, extension));
    certificate.extensions.push_back(extension);
  }
  return {};
}

Status read_key(Certificate::Impl& certificate, ByteView spki) {
  auto key = PublicKey::from_spki(spki);
  if (key) {
    certificate.key = *std::move(key);
    return {};
  }
  if (key.error().code() != ErrorCode::kUnsupported) return bad("the public key: " + key.error().detail());
  return fail(ErrorCode::kUnsupported, "x509.algorithm", "the public key: " + key.error().detail());
}

Status read_tbs(Certificate::Impl& certificate, DerReader tbs, ByteView signature_algorithm) {
  bool version3 = false;
  if (tbs.next_is(tag::context_constructed(0))) {
    GATEWAY_ASSIGN(DerReader holder, tbs.enter(tag::context_constructed(0)));
    GATEWAY_ASSIGN(const std::int64_t version, holder.small_integer());
    GATEWAY_TRY(holder.finish());
    if (version != 2) return bad("expected version 3 or, without a number, version 1");
    version3 = true;
  }
  GATEWAY_ASSIGN(certificate.serial, read_serial(tbs));
  GATEWAY_ASSIGN(const DerElement algorithm, tbs.element(tag::kSequence));
  if (!equal(algorithm.encoding, signature_algorithm)) return bad("two different signature algorithms");
  GATEWAY_ASSIGN(certificate.issuer, read_name(tbs));
  GATEWAY_ASSIGN(DerReader validity, tbs.enter(tag::kSequence));
  GATEWAY_ASSIGN(certificate.validity.not_before, read_time(validity));
  GATEWAY_ASSIGN(certificate.validity.not_after, read_time(validity));
  GATEWAY_TRY(validity.finish());
  GATEWAY_ASSIGN(certificate.subject, read_name(tbs));
  GATEWAY_ASSIGN(const DerElement spki, tbs.element(tag::kSequence));
  if (tbs.next_is(tag::context_constructed(3)) && version3) {
    GATEWAY_ASSIGN(const DerReader extensions, tbs.enter(tag::context_constructed(3)));
    GATEWAY_TRY(read_extensions(certificate, extensions));
  }
  GATEWAY_TRY(tbs.finish());
  return read_key(certificate, spki.encoding);
}

Status read_certificate(Certificate::Impl& certificate) {
  DerReader input(certificate.der);
  GATEWAY_ASSIGN(DerReader outer, input.enter(tag::kSequence));
  GATEWAY_TRY(input.finish());
  GATEWAY_ASSIGN(const DerElement tbs, outer.element(tag::kSequence));
  GATEWAY_ASSIGN(const DerElement algorithm, outer.element(tag::kSequence));
  GATEWAY_ASSIGN(certificate.signature, outer.bit_string());
  GATEWAY_TRY(outer.finish());
  certificate.tbs = tbs.encoding;
  GATEWAY_ASSIGN(certificate.signed_with, read_signature_algorithm(DerReader(algorithm.content)));
  return read_tbs(certificate, DerReader(tbs.content), algorithm.encoding);
}

}  // namespace

Status parse_certificate(Certificate::Impl& certificate) {
  auto status = read_certificate(certificate);
  if (!status && status.error().id().starts_with("der.")) return bad(status.error().detail());
  return status;
}

}  // namespace gateway::crypto
