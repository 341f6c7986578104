#include <algorithm>

#include "codec/der.h"
#include "crypto/random.h"
#include "crypto/x509_impl.h"

namespace gateway::crypto {
namespace {

using codec::der;
namespace tag = codec::der_tag;

constexpr std::size_t kMaxCommonName = 64;  // RFC 5280 appendix A, ub-common-name

std::unexpected<Error> bad_spec(std::string detail) {
  return fail(ErrorCode::kInvalidArgument, "x509.spec", std::move(detail));
}

Bytes oid_element(ByteView content) { return der(tag::kOid, {content}); }

Result<Bytes> name(const std::string& common_name) {
  const auto plain = [](char c) { return c >= ' ' && c <= '~'; };
  if (common_name.empty() || common_name.size() > kMaxCommonName || !std::ranges::all_of(common_name, plain)) {
    return bad_spec("expected a common name of 1 to 64 printable ASCII characters");
  }
  const Bytes attribute =
      der(tag::kSequence, {oid_element(oid::kCommonName), der(tag::kUtf8String, {as_bytes(common_name)})});
  return der(tag::kSequence, {der(tag::kSet, {attribute})});
}

// UTCTime until 2049, GeneralizedTime after (RFC 5280 §4.1.2.5), rounded down to the second.
Result<Bytes> time(Time when) {
  const bool four_digits = when >= Time(std::chrono::sys_days(std::chrono::year(1950) / 1 / 1)) &&
                           when < Time(std::chrono::sys_days(std::chrono::year(10000) / 1 / 1));
  if (!four_digits) return bad_spec("expected times between the years 1950 and 9999");
  const std::string text = to_rfc3339(std::chrono::floor<std::chrono::seconds>(when));  // 2026-01-02T03:04:05Z
  std::string digits;
  std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c >= '0' && c <= '9'; });
  digits.push_back('Z');
  if (digits < "2050") return der(tag::kUtcTime, {as_bytes(std::string_view(digits).substr(2))});
  return der(tag::kGeneralizedTime, {as_bytes(digits)});
}

Bytes boolean(bool value) {
  const std::uint8_t byte = value ? 0xff : 0x00;
  return der(tag::kBoolean, {ByteView(&byte, 1)});
}

Bytes extension(ByteView oid_content, bool critical, ByteView value) {
  return der(tag::kSequence,
             {oid_element(oid_content), critical ? boolean(true) : Bytes(), der(tag::kOctetString, {value})});
}

// RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 over the key's bits.
Result<Bytes> key_identifier(const PublicKey& key) {
  GATEWAY_ASSIGN(codec::DerReader spki, codec::DerReader(key.spki()).enter(tag::kSequence));
  GATEWAY_TRY(spki.element(tag::kSequence));
  GATEWAY_ASSIGN(const ByteView bits, spki.bit_string());
  return to_bytes(ByteView(sha256(bits)).first(20));
}

Bytes basic_constraints(const CertificateSpec& spec) {
  if (!spec.is_ca) return der(tag::kSequence, {});
  Bytes path_length;
  if (spec.path_length) {
    const auto value = static_cast<std::uint8_t>(*spec.path_length);
    path_length = codec::der_unsigned(ByteView(&value, 1));
  }
  return der(tag::kSequence, {boolean(true), path_length});
}

Bytes key_usage(bool is_ca) {
  // Named bits, trailing zeros dropped: digitalSignature is bit 0; keyCertSign and cRLSign are bits 5 and 6.
  const ByteArray<2> signs_data{{7, 0x80}};
  const ByteArray<2> signs_certificates{{1, 0x06}};
  return der(tag::kBitString, {is_ca ? ByteView(signs_certificates) : ByteView(signs_data)});
}

Result<Bytes> alternative_names(const std::vector<std::string>& names) {
  Bytes list;
  for (const std::string& dns : names) {
    const auto plain = [](char c) { return c > ' ' && c <= '~'; };
    if (dns.empty() || dns.size() > 253 || !std::ranges::all_of(dns, plain)) {
      return bad_spec("expected a DNS name of 1 to 253 printable ASCII characters");
    }
    append(list, der(tag::context(2), {as_bytes(dns)}));
  }
  return der(tag::kSequence, {list});
}

Result<Bytes> extensions(const CertificateSpec& spec, const PublicKey& issuer) {
  GATEWAY_ASSIGN(const Bytes subject_id, key_identifier(spec.subject_key));
  GATEWAY_ASSIGN(const Bytes issuer_id, key_identifier(issuer));
  Bytes list = extension(oid::kBasicConstraints, true, basic_constraints(spec));
  append(list, extension(oid::kKeyUsage, true, key_usage(spec.is_ca)));
  append(list, extension(oid::kSubjectKeyIdentifier, false, der(tag::kOctetString, {subject_id})));
  append(list,
         extension(oid::kAuthorityKeyIdentifier, false, der(tag::kSequence, {der(tag::context(0), {issuer_id})})));
  if (!spec.dns_names.empty()) {
    GATEWAY_ASSIGN(const Bytes names, alternative_names(spec.dns_names));
    append(list, extension(oid::kSubjectAltName, false, names));
  }
  for (const CertificateSpec::Extension& given : spec.extensions) {
    const auto id = codec::der_oid(given.oid);
    if (!id) return bad_spec("expected an extension's OID in dotted form");
    GATEWAY_ASSIGN(const ByteView content, codec::DerReader(*id).oid());
    append(list, extension(content, given.critical, given.value));
  }
  return der(tag::context_constructed(3), {der(tag::kSequence, {list})});
}

}  // namespace

Result<Certificate> issue_certificate(const CertificateSpec& spec, const PrivateKey& issuer_key) {
  const bool path_length_fits = !spec.path_length || (spec.is_ca && *spec.path_length >= 0 && *spec.path_length < 128);
  if (!path_length_fits) return bad_spec("expected a path length below 128, on a CA alone");
  const bool p256 = issuer_key.type() == KeyType::kP256;
  const HashAlgorithm hash = p256 ? HashAlgorithm::kSha256 : HashAlgorithm::kSha384;
  const ByteView algorithm_id = p256 ? ByteView(oid::kEcdsaSha256) : ByteView(oid::kEcdsaSha384);
  const Bytes algorithm = der(tag::kSequence, {oid_element(algorithm_id)});
  GATEWAY_ASSIGN(const Bytes issuer, name(spec.issuer_common_name));
  GATEWAY_ASSIGN(const Bytes subject, name(spec.subject_common_name));
  GATEWAY_ASSIGN(const Bytes not_before, time(spec.validity.not_before));
  GATEWAY_ASSIGN(const Bytes not_after, time(spec.validity.not_after));
  GATEWAY_ASSIGN(const Bytes extension_list, extensions(spec, issuer_key.public_key()));
  const ByteArray<1> version3{{2}};
  const Bytes tbs = der(
      tag::kSequence, {der(tag::context_constructed(0), {codec::der_unsigned(version3)}),
                       codec::der_unsigned(random_array<16>()), algorithm, issuer,
                       der(tag::kSequence, {not_before, not_after}), subject, spec.subject_key.spki(), extension_list});
  GATEWAY_ASSIGN(const Bytes signature, issuer_key.sign(hash, SignatureFormat::kDer, tbs));
  return Certificate::from_der(der(tag::kSequence, {tbs, algorithm, codec::der_bit_string(signature)}));
}

}  // namespace gateway::crypto
