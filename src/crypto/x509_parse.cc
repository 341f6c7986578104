#include <algorithm>
#include <array>

#include "codec/der.h"
#include "crypto/x509_impl.h"

namespace gateway::crypto {
namespace {

using codec::DerElement;
using codec::DerReader;
namespace tag = codec::der_tag;

constexpr std::size_t kMaxSerial = 21;  // 20 octets (RFC 5280 §4.1.2.2) and a sign byte
constexpr std::size_t kMaxExtensions = 64;

constexpr ByteArray<9> kRsaPss{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a}};
constexpr ByteArray<9> kRsaSha256{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}};
constexpr ByteArray<9> kRsaSha384{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c}};
constexpr ByteArray<9> kRsaSha512{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d}};
constexpr ByteArray<9> kMgf1{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08}};
constexpr ByteArray<9> kSha256{{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}};
constexpr ByteArray<9> kSha384{{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02}};
constexpr ByteArray<9> kSha512{{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03}};

std::unexpected<Error> bad(std::string detail) { return fail(ErrorCode::kMalformed, "x509.parse", std::move(detail)); }

std::unexpected<Error> unknown_algorithm() {
  return fail(ErrorCode::kUnsupported, "x509.algorithm",
              "expected a signature by ECDSA, RSA-PSS or RSA with SHA-256, SHA-384 or SHA-512, found another");
}

// AlgorithmIdentifiers of hashes have NULL parameters or none (RFC 4055 §2.1).
Status no_parameters(DerReader& reader) {
  if (reader.next_is(tag::kNull)) GATEWAY_TRY(reader.element(tag::kNull));
  return reader.finish();
}

Result<HashAlgorithm> read_hash(DerReader reader) {
  GATEWAY_ASSIGN(const ByteView id, reader.oid());
  GATEWAY_TRY(no_parameters(reader));
  if (equal(id, kSha256)) return HashAlgorithm::kSha256;
  if (equal(id, kSha384)) return HashAlgorithm::kSha384;
  if (equal(id, kSha512)) return HashAlgorithm::kSha512;
  return unknown_algorithm();
}

std::int64_t size_of(HashAlgorithm hash) {
  return hash == HashAlgorithm::kSha256 ? 32 : hash == HashAlgorithm::kSha384 ? 48 : 64;
}

// RSASSA-PSS-params (RFC 4055 §3.1): one hash throughout and a salt of its length, as everybody uses it.
Result<HashAlgorithm> read_pss_parameters(DerReader& algorithm) {
  GATEWAY_ASSIGN(DerReader params, algorithm.enter(tag::kSequence));
  if (!params.next_is(tag::context_constructed(0))) return unknown_algorithm();  // the default is SHA-1
  GATEWAY_ASSIGN(DerReader hash_holder, params.enter(tag::context_constructed(0)));
  GATEWAY_ASSIGN(const DerReader hash_id, hash_holder.enter(tag::kSequence));
  GATEWAY_TRY(hash_holder.finish());
  GATEWAY_ASSIGN(const HashAlgorithm hash, read_hash(hash_id));
  if (!params.next_is(tag::context_constructed(1))) return unknown_algorithm();
  GATEWAY_ASSIGN(DerReader mask_holder, params.enter(tag::context_constructed(1)));
  GATEWAY_ASSIGN(DerReader mask, mask_holder.enter(tag::kSequence));
  GATEWAY_TRY(mask_holder.finish());
  GATEWAY_ASSIGN(const ByteView mask_id, mask.oid());
  if (!equal(mask_id, kMgf1)) return unknown_algorithm();
  GATEWAY_ASSIGN(const DerReader mask_hash_id, mask.enter(tag::kSequence));
  GATEWAY_TRY(mask.finish());
  GATEWAY_ASSIGN(const HashAlgorithm mask_hash, read_hash(mask_hash_id));
  if (!params.next_is(tag::context_constructed(2))) return unknown_algorithm();
  GATEWAY_ASSIGN(DerReader salt_holder, params.enter(tag::context_constructed(2)));
  GATEWAY_ASSIGN(const std::int64_t salt, salt_holder.small_integer());
  GATEWAY_TRY(salt_holder.finish());
  if (mask_hash != hash || salt != size_of(hash)) return unknown_algorithm();
  if (params.next_is(tag::context_constructed(3))) {  // AMD writes the default out
    GATEWAY_ASSIGN(DerReader trailer_holder, params.enter(tag::context_constructed(3)));
    GATEWAY_ASSIGN(const std::int64_t trailer, trailer_holder.small_integer());
    GATEWAY_TRY(trailer_holder.finish());
    if (trailer != 1) return unknown_algorithm();
  }
  GATEWAY_TRY(params.finish());
  return hash;
}

Status read_algorithm(Certificate::Impl& certificate, DerReader algorithm) {
  GATEWAY_ASSIGN(const ByteView id, algorithm.oid());
  const auto is_one_of = [&](CertificateSignature kind, ByteView id256, ByteView id384, ByteView id512) {
    certificate.signature_kind = kind;
    certificate.signature_hash = equal(id, id256)   ? HashAlgorithm::kSha256
                                 : equal(id, id384) ? HashAlgorithm::kSha384
                                                    : HashAlgorithm::kSha512;
    return equal(id, id256) || equal(id, id384) || equal(id, id512);
  };
  if (is_one_of(CertificateSignature::kEcdsa, oid::kEcdsaSha256, oid::kEcdsaSha384, oid::kEcdsaSha512)) {
    return algorithm.finish();
  }
  if (is_one_of(CertificateSignature::kRsaPkcs1, kRsaSha256, kRsaSha384, kRsaSha512)) return no_parameters(algorithm);
  if (!equal(id, kRsaPss)) return unknown_algorithm();
  certificate.signature_kind = CertificateSignature::kRsaPss;
  GATEWAY_ASSIGN(certificate.signature_hash, read_pss_parameters(algorithm));
  return algorithm.finish();
}

// Name ::= SEQUENCE OF SET OF SEQUENCE { type, value }: checked here, so that whoever reads it later need not.
Result<ByteView> read_name(DerReader& tbs) {
  GATEWAY_ASSIGN(const DerElement name, tbs.element(tag::kSequence));
  DerReader rdns(name.content);
  while (!rdns.empty()) {
    GATEWAY_ASSIGN(DerReader rdn, rdns.enter(tag::kSet));
    if (rdn.empty()) return bad("a name has an empty part");
    while (!rdn.empty()) {
      GATEWAY_ASSIGN(DerReader attribute, rdn.enter(tag::kSequence));
      GATEWAY_TRY(attribute.oid());
      GATEWAY_TRY(attribute.any());
      GATEWAY_TRY(attribute.finish());
    }
  }
  return name.encoding;
}

// UTCTime YYMMDDHHMMSSZ or GeneralizedTime YYYYMMDDHHMMSSZ (RFC 5280 §4.1.2.5); nothing else.
Result<Time> read_time(DerReader& reader) {
  GATEWAY_ASSIGN(const DerElement element, reader.any());
  const bool short_year = element.tag == tag::kUtcTime;
  if (!short_year && element.tag != tag::kGeneralizedTime) return bad("expected a time");
  const std::size_t year_digits = short_year ? 2 : 4;
  const ByteView text = element.content;
  const bool right_size = text.size() == year_digits + 11 && text.back() == 'Z';
  if (!right_size || !std::ranges::all_of(text.first(text.size() - 1), [](auto c) { return c >= '0' && c <= '9'; })) {
    return bad("expected a time in UTC, to the second");
  }
  const auto digits = [&](std::size_t at, std::size_t count) {
    int value = 0;
    for (std::uint8_t c : text.subspan(at, count)) value = value * 10 + (c - '0');
    return value;
  };
  int year = digits(0, year_digits);
  if (short_year) year += year >= 50 ? 1900 : 2000;
  const int month = digits(year_digits, 2);
  const int day = digits(year_digits + 2, 2);
  const int hour = digits(year_digits + 4, 2);
  const int minute = digits(year_digits + 6, 2);
  const int second = digits(year_digits + 8, 2);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return bad("a time that does not exist");
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

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

Status interpret(Certificate::Impl& certificate, const Certificate::Impl::Extension& extension) {
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
    GATEWAY_ASSIGN(DerReader fields, extensions.enter(tag::kSequence));
    Certificate::Impl::Extension extension;
    GATEWAY_ASSIGN(extension.oid, fields.oid());
    if (fields.next_is(tag::kBoolean)) {
      GATEWAY_ASSIGN(extension.critical, fields.boolean());
    }
    GATEWAY_ASSIGN(const DerElement value, fields.element(tag::kOctetString));
    GATEWAY_TRY(fields.finish());
    extension.value = value.content;
    const auto same = [&](const auto& other) { return equal(other.oid, extension.oid); };
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
  GATEWAY_ASSIGN(const ByteView serial, tbs.integer());
  if (serial.size() > kMaxSerial || (serial[0] & 0x80U) != 0)
    return bad("a serial number that is negative or too long");
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
  GATEWAY_TRY(read_algorithm(certificate, DerReader(algorithm.content)));
  return read_tbs(certificate, DerReader(tbs.content), algorithm.encoding);
}

}  // namespace

Status parse_certificate(Certificate::Impl& certificate) {
  auto status = read_certificate(certificate);
  if (!status && status.error().id().starts_with("der.")) return bad(status.error().detail());
  return status;
}

}  // namespace gateway::crypto
