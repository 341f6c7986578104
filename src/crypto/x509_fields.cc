#include "crypto/x509_fields.h"

#include <algorithm>
#include <array>

namespace gateway::crypto {
namespace {

using codec::DerElement;
using codec::DerReader;
namespace tag = codec::der_tag;

constexpr std::size_t kMaxSerial = 21;  // 20 octets (RFC 5280 §4.1.2.2) and a sign byte

constexpr ByteArray<9> kRsaPss{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a}};
constexpr ByteArray<9> kRsaSha256{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}};
constexpr ByteArray<9> kRsaSha384{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c}};
constexpr ByteArray<9> kRsaSha512{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d}};
constexpr ByteArray<9> kMgf1{{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08}};
constexpr ByteArray<9> kSha256{{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}};
constexpr ByteArray<9> kSha384{{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02}};
constexpr ByteArray<9> kSha512{{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03}};

std::unexpected<Error> bad_value(const char* detail) { return fail(ErrorCode::kMalformed, "der.value", detail); }

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

std::string attribute_name(ByteView id) {
  static constexpr std::array<std::pair<std::uint8_t, std::string_view>, 7> kX520{
      {{3, "CN"}, {5, "serialNumber"}, {6, "C"}, {7, "L"}, {8, "ST"}, {10, "O"}, {11, "OU"}}};
  if (id.size() == 3 && id[0] == 0x55 && id[1] == 0x04) {
    for (const auto& [last, name] : kX520) {
      if (id[2] == last) return std::string(name);
    }
  }
  return codec::oid_text(id);
}

// What people see: printable ASCII, RFC 2253's special characters escaped, '?' for every other byte.
std::string printable_ascii(ByteView value) {
  std::string text;
  for (std::uint8_t byte : value) {
    const char c = static_cast<char>(byte);
    if (byte < 0x20 || byte > 0x7e) {
      text.push_back('?');
      continue;
    }
    if (std::string_view(",+\"\\<>;=").find(c) != std::string_view::npos) text.push_back('\\');
    text.push_back(c);
  }
  return text;
}

}  // namespace

Result<SignatureAlgorithm> read_signature_algorithm(DerReader algorithm) {
  GATEWAY_ASSIGN(const ByteView id, algorithm.oid());
  SignatureAlgorithm found;
  const auto is_one_of = [&](SignatureKind kind, ByteView id256, ByteView id384, ByteView id512) {
    found.kind = kind;
    found.hash = equal(id, id256)   ? HashAlgorithm::kSha256
                 : equal(id, id384) ? HashAlgorithm::kSha384
                                    : HashAlgorithm::kSha512;
    return equal(id, id256) || equal(id, id384) || equal(id, id512);
  };
  if (is_one_of(SignatureKind::kEcdsa, oid::kEcdsaSha256, oid::kEcdsaSha384, oid::kEcdsaSha512)) {
    GATEWAY_TRY(algorithm.finish());
    return found;
  }
  if (is_one_of(SignatureKind::kRsaPkcs1, kRsaSha256, kRsaSha384, kRsaSha512)) {
    GATEWAY_TRY(no_parameters(algorithm));
    return found;
  }
  if (!equal(id, kRsaPss)) return unknown_algorithm();
  found.kind = SignatureKind::kRsaPss;
  GATEWAY_ASSIGN(found.hash, read_pss_parameters(algorithm));
  GATEWAY_TRY(algorithm.finish());
  return found;
}

// Name ::= SEQUENCE OF SET OF SEQUENCE { type, value }: checked here, so that whoever reads it later need not.
Result<ByteView> read_name(DerReader& tbs) {
  GATEWAY_ASSIGN(const DerElement name, tbs.element(tag::kSequence));
  DerReader rdns(name.content);
  while (!rdns.empty()) {
    GATEWAY_ASSIGN(DerReader rdn, rdns.enter(tag::kSet));
    if (rdn.empty()) return bad_value("a name has an empty part");
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
  if (!short_year && element.tag != tag::kGeneralizedTime) return bad_value("expected a time");
  const std::size_t year_digits = short_year ? 2 : 4;
  const ByteView text = element.content;
  const bool right_size = text.size() == year_digits + 11 && text.back() == 'Z';
  if (!right_size || !std::ranges::all_of(text.first(text.size() - 1), [](auto c) { return c >= '0' && c <= '9'; })) {
    return bad_value("expected a time in UTC, to the second");
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
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return bad_value("a time that does not exist");
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

Result<ByteView> read_serial(DerReader& reader) {
  GATEWAY_ASSIGN(const ByteView serial, reader.integer());
  if (serial.size() > kMaxSerial || (serial[0] & 0x80U) != 0) {
    return bad_value("a serial number that is negative or too long");
  }
  return serial;
}

Result<Extension> read_extension(DerReader& list) {
  GATEWAY_ASSIGN(DerReader fields, list.enter(tag::kSequence));
  Extension extension;
  GATEWAY_ASSIGN(extension.oid, fields.oid());
  if (fields.next_is(tag::kBoolean)) {
    GATEWAY_ASSIGN(extension.critical, fields.boolean());
  }
  GATEWAY_ASSIGN(const DerElement value, fields.element(tag::kOctetString));
  GATEWAY_TRY(fields.finish());
  extension.value = value.content;
  return extension;
}

bool signature_holds(const SignatureAlgorithm& algorithm, const PublicKey& key, ByteView message, ByteView signature) {
  const bool rsa = key.type() == KeyType::kRsa;
  switch (algorithm.kind) {
    case SignatureKind::kEcdsa:
      return !rsa && key.verify(algorithm.hash, SignatureFormat::kDer, message, signature).has_value();
    case SignatureKind::kRsaPss: return rsa && key.verify_rsa_pss(algorithm.hash, message, signature).has_value();
    case SignatureKind::kRsaPkcs1: return false;
  }
  return false;
}

std::string name_text(ByteView name) {
  std::vector<std::string> parts;
  each_attribute(name, [&](ByteView type, const DerElement& value) {
    parts.push_back(attribute_name(type) + "=" + printable_ascii(value.content));
  });
  std::string text;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!text.empty()) text.push_back(',');
    text.append(*part);
  }
  return text;
}

std::optional<std::string> common_name(ByteView name) {
  std::optional<std::string> found;
  bool clear = true;
  each_attribute(name, [&](ByteView type, const DerElement& value) {
    if (!equal(type, oid::kCommonName)) return;
    const bool text_type = value.tag == codec::der_tag::kUtf8String || value.tag == codec::der_tag::kPrintableString ||
                           value.tag == codec::der_tag::kIa5String;
    const auto plain = [](std::uint8_t byte) { return byte >= 0x20 && byte <= 0x7e; };
    clear = clear && !found && text_type && std::ranges::all_of(value.content, plain);
    found = as_text(value.content);
  });
  return clear ? found : std::nullopt;
}

}  // namespace gateway::crypto
