#include "crypto/x509.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "crypto/key_impl.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace gateway::crypto {

struct Certificate::Impl {
  UniqueX509 x509;
  Bytes der;
  PublicKey public_key;
  TimeWindow validity;
  bool is_ca = false;
  std::optional<std::int64_t> path_length;
  KeyUsage key_usage;
};

namespace {

constexpr long kX509Version3 = 2;

std::unexpected<Error> bad_certificate(std::string_view detail) {
  return fail(ErrorCode::kMalformed, "x509.parse", std::string(detail));
}

Result<Time> to_time(const ASN1_TIME* time) {
  std::tm fields{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) return bad_certificate("a validity time is not a time");
  const std::chrono::year_month_day date{std::chrono::year(fields.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(fields.tm_mon + 1)),
                                         std::chrono::day(static_cast<unsigned>(fields.tm_mday))};
  if (!date.ok()) return bad_certificate("a validity time is not a time");
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(fields.tm_hour) +
         std::chrono::minutes(fields.tm_min) + std::chrono::seconds(fields.tm_sec);
}

// Extensions that this module, or a caller of extension(), gives their meaning. Any other that is critical is refused
// (RFC 5280 §4.2). Name constraints are among the refused unless absent: no vendor's chain has them.
bool known_extension(int nid) {
  return nid == NID_basic_constraints || nid == NID_key_usage || nid == NID_subject_key_identifier ||
         nid == NID_authority_key_identifier || nid == NID_subject_alt_name || nid == NID_ext_key_usage ||
         nid == NID_crl_distribution_points;
}

Status check_extensions(const X509* certificate) {
  const int count = X509_get_ext_count(certificate);
  for (int i = 0; i < count; ++i) {
    X509_EXTENSION* extension = X509_get_ext(certificate, i);
    const ASN1_OBJECT* object = X509_EXTENSION_get_object(extension);
    if (X509_get_ext_by_OBJ(certificate, object, i) >= 0) return bad_certificate("an extension appears twice");
    const int nid = OBJ_obj2nid(object);
    if (nid == NID_name_constraints || (X509_EXTENSION_get_critical(extension) == 1 && !known_extension(nid))) {
      return fail(ErrorCode::kUnsupported, "x509.critical_extension",
                  "the certificate has an extension that must be understood and is not");
    }
  }
  return {};
}

enum class SignatureKind : std::uint8_t { kEcdsa, kRsaPss, kRsaPkcs1 };
struct SignatureAlgorithm {
  SignatureKind kind{};
  HashAlgorithm hash{};
};

Result<SignatureAlgorithm> signature_algorithm(const X509* certificate) {
  const auto unsupported = [] {
    return fail(ErrorCode::kUnsupported, "x509.algorithm", "the certificate is signed with an algorithm not accepted");
  };
  const X509_ALGOR* outer = nullptr;
  X509_get0_signature(nullptr, &outer, certificate);
  const X509_ALGOR* inner = X509_get0_tbs_sigalg(certificate);
  if (X509_ALGOR_cmp(outer, inner) != 0) return bad_certificate("its two signature algorithms differ");
  int md_nid = 0, key_nid = 0;
  if (X509_get_signature_info(const_cast<X509*>(certificate), &md_nid, &key_nid, nullptr, nullptr) != 1) {
    return unsupported();
  }
  SignatureAlgorithm out;
  if (key_nid == EVP_PKEY_EC) out.kind = SignatureKind::kEcdsa;
  else if (key_nid == EVP_PKEY_RSA_PSS) out.kind = SignatureKind::kRsaPss;
  else if (key_nid == EVP_PKEY_RSA) out.kind = SignatureKind::kRsaPkcs1;
  else return unsupported();
  if (md_nid == NID_sha256) out.hash = HashAlgorithm::kSha256;
  else if (md_nid == NID_sha384) out.hash = HashAlgorithm::kSha384;
  else if (md_nid == NID_sha512) out.hash = HashAlgorithm::kSha512;
  else return unsupported();
  return out;
}

// A name for people: printable ASCII only, bounded; never used for a decision.
std::string printable_name(const X509_NAME* name) {
  const UniqueBio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  std::string out;
  for (const char c : std::string_view(bytes, static_cast<std::size_t>(size)).substr(0, 512)) {
    out.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  }
  return out;
}

std::optional<std::string> common_name(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) return std::nullopt;
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<std::size_t>(ASN1_STRING_length(text)));
}

bool same_name(const X509_NAME* a, const X509_NAME* b) {
  const unsigned char* a_der = nullptr;
  const unsigned char* b_der = nullptr;
  std::size_t a_size = 0, b_size = 0;
  return X509_NAME_get0_der(a, &a_der, &a_size) == 1 && X509_NAME_get0_der(b, &b_der, &b_size) == 1 &&
         equal({a_der, a_size}, {b_der, b_size});
}

template <class T, auto Free>
using Owned = std::unique_ptr<T, Freer<Free>>;

Result<Certificate::KeyUsage> read_key_usage(const X509* certificate) {
  int critical = 0;
  const Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> usage(
      static_cast<ASN1_BIT_STRING*>(X509_get_ext_d2i(certificate, NID_key_usage, &critical, nullptr)));
  if (usage == nullptr) {
    if (critical == -1) return Certificate::KeyUsage{};
    return bad_certificate("keyUsage is broken");
  }
  const auto bit = [&](int position) { return ASN1_BIT_STRING_get_bit(usage.get(), position) == 1; };
  return Certificate::KeyUsage{
      .present = true, .digital_signature = bit(0), .key_cert_sign = bit(5), .crl_sign = bit(6)};
}

Status read_constraints(const X509* certificate, Certificate::Impl& out) {
  int critical = 0;
  const Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> basic(
      static_cast<BASIC_CONSTRAINTS*>(X509_get_ext_d2i(certificate, NID_basic_constraints, &critical, nullptr)));
  if (basic == nullptr && critical != -1) return bad_certificate("basicConstraints is broken");
  if (basic != nullptr) {
    out.is_ca = basic->ca != 0;
    if (basic->pathlen != nullptr) {
      std::int64_t length = 0;
      if (ASN1_INTEGER_get_int64(&length, basic->pathlen) != 1 || length < 0) {
        return bad_certificate("its path length is not a length");
      }
      out.path_length = length;
    }
  }
  GATEWAY_ASSIGN(out.key_usage, read_key_usage(certificate));
  return {};
}

}  // namespace

Result<Certificate> Certificate::from_der(ByteView der, std::size_t max_size) {
  if (der.size() > max_size) {
    return fail(ErrorCode::kLimitExceeded, "x509.size",
                "the certificate has " + std::to_string(der.size()) + " bytes; at most " + std::to_string(max_size) +
                    " are accepted");
  }
  const unsigned char* at = der.data();
  UniqueX509 x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (x509 == nullptr) return bad_certificate("not an X.509 certificate in DER");
  if (at != der.data() + der.size()) return bad_certificate("bytes follow the certificate");
  if (X509_get_version(x509.get()) != kX509Version3) return bad_certificate("not a certificate of version 3");
  GATEWAY_TRY(check_extensions(x509.get()));
  GATEWAY_TRY(signature_algorithm(x509.get()));
  UniqueKey key(X509_get_pubkey(x509.get()));
  ERR_clear_error();
  if (key == nullptr) {
    return fail(ErrorCode::kUnsupported, "crypto.key.algorithm", "the certificate's key is not of an accepted kind");
  }
  unsigned char* spki_bytes = nullptr;
  const int spki_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509.get()), &spki_bytes);
  if (spki_size <= 0) return bad_certificate("its public key is broken");
  Bytes spki(spki_bytes, spki_bytes + spki_size);
  OPENSSL_free(spki_bytes);
  GATEWAY_ASSIGN(PublicKey public_key, public_key_from(std::move(key), std::move(spki)));
  GATEWAY_ASSIGN(const Time not_before, to_time(X509_get0_notBefore(x509.get())));
  GATEWAY_ASSIGN(const Time not_after, to_time(X509_get0_notAfter(x509.get())));
  Impl impl{std::move(x509), to_bytes(der), std::move(public_key), {not_before, not_after}, false, {}, {}};
  GATEWAY_TRY(read_constraints(impl.x509.get(), impl));
  return Certificate(std::make_shared<const Impl>(std::move(impl)));
}

Result<std::vector<Certificate>> Certificate::from_pem(std::string_view pem, std::size_t max_count) {
  constexpr std::size_t kMaxPem = 256UZ * 1024;
  if (pem.size() > kMaxPem) return fail(ErrorCode::kLimitExceeded, "x509.size", "the PEM file is too large");
  const UniqueBio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<Certificate> out;
  while (bio != nullptr) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* bytes = nullptr;
    long size = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &bytes, &size) != 1) break;
    const bool certificate = std::string_view(name) == "CERTIFICATE";
    const Bytes der(bytes, bytes + size);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(bytes);
    if (!certificate) return bad_certificate("the PEM file has something other than certificates in it");
    if (out.size() == max_count) {
      return fail(ErrorCode::kLimitExceeded, "x509.chain_length", "the PEM file has too many certificates");
    }
    GATEWAY_ASSIGN(Certificate parsed, from_der(der));
    out.push_back(std::move(parsed));
  }
  ERR_clear_error();
  if (out.empty()) return bad_certificate("no PEM certificate is in it");
  return out;
}

const Bytes& Certificate::der() const { return impl_->der; }
const PublicKey& Certificate::public_key() const { return impl_->public_key; }
TimeWindow Certificate::validity() const { return impl_->validity; }
std::string Certificate::subject() const { return printable_name(X509_get_subject_name(impl_->x509.get())); }
std::string Certificate::issuer() const { return printable_name(X509_get_issuer_name(impl_->x509.get())); }
std::optional<std::string> Certificate::subject_common_name() const {
  return common_name(X509_get_subject_name(impl_->x509.get()));
}
std::optional<std::string> Certificate::issuer_common_name() const {
  return common_name(X509_get_issuer_name(impl_->x509.get()));
}
bool Certificate::same_subject(const Certificate& other) const {
  return same_name(X509_get_subject_name(impl_->x509.get()), X509_get_subject_name(other.impl_->x509.get()));
}
bool Certificate::issued_by_name(const Certificate& issuer) const {
  return same_name(X509_get_issuer_name(impl_->x509.get()), X509_get_subject_name(issuer.impl_->x509.get()));
}
bool Certificate::is_ca() const { return impl_->is_ca; }
std::optional<std::int64_t> Certificate::path_length() const { return impl_->path_length; }
Certificate::KeyUsage Certificate::key_usage() const { return impl_->key_usage; }
x509_st* Certificate::native() const { return impl_->x509.get(); }

std::optional<Bytes> Certificate::extension(std::string_view oid) const {
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> object(OBJ_txt2obj(std::string(oid).c_str(), 1));
  if (object == nullptr) return std::nullopt;
  const int at = X509_get_ext_by_OBJ(impl_->x509.get(), object.get(), -1);
  if (at < 0) return std::nullopt;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(impl_->x509.get(), at));
  const unsigned char* bytes = ASN1_STRING_get0_data(value);
  return Bytes(bytes, bytes + ASN1_STRING_length(value));
}

std::vector<std::string> Certificate::dns_names() const {
  std::vector<std::string> out;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(impl_->x509.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                     static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  return out;
}

Status Certificate::verify_signed_by(const PublicKey& issuer_key) const {
  const auto refused = [] {
    return fail(ErrorCode::kNotAuthentic, "x509.signature", "the certificate is not signed by its issuer's key");
  };
  GATEWAY_ASSIGN(const SignatureAlgorithm algorithm, signature_algorithm(impl_->x509.get()));
  const KeyType wanted = issuer_key.type();
  if ((algorithm.kind == SignatureKind::kEcdsa) == (wanted == KeyType::kRsa)) return refused();
  if (algorithm.kind != SignatureKind::kEcdsa) {
    const int verified = X509_verify(impl_->x509.get(), issuer_key.impl().key.get());
    ERR_clear_error();
    if (verified != 1) return refused();
    return {};
  }
  // Straight over the bytes as received: the library's own way fetches, copies and encodes again for each certificate.
  GATEWAY_ASSIGN(const ByteView body, to_be_signed());
  const ASN1_BIT_STRING* signature = nullptr;
  X509_get0_signature(&signature, nullptr, impl_->x509.get());
  const ByteView signature_bytes(ASN1_STRING_get0_data(signature),
                                 static_cast<std::size_t>(ASN1_STRING_length(signature)));
  if (!issuer_key.verify(algorithm.hash, SignatureFormat::kDer, body, signature_bytes)) return refused();
  return {};
}

// The first element of the outer SEQUENCE (RFC 5280 §4.1), as it lies in the received DER.
Result<ByteView> Certificate::to_be_signed() const {
  const auto element = [](ByteView input) -> Result<std::pair<std::size_t, std::size_t>> {  // head, content
    ByteReader reader(input, "x509.parse");
    GATEWAY_ASSIGN(const std::uint8_t tag, reader.u8());
    GATEWAY_ASSIGN(const std::uint8_t first, reader.u8());
    if (tag != 0x30 || first == 0x80 || first > 0x84) return bad_certificate("not a DER sequence");
    std::size_t length = first;
    if (first > 0x80) {
      GATEWAY_ASSIGN(const ByteView bytes, reader.take(first & 0x7fU));
      length = 0;
      for (const std::uint8_t byte : bytes) length = (length << 8U) | byte;
    }
    if (length > reader.rest().size()) return bad_certificate("a DER sequence ends too early");
    return std::pair{reader.offset(), length};
  };
  const ByteView all = impl_->der;
  GATEWAY_ASSIGN(const auto outer, element(all));
  const ByteView inside = all.subspan(outer.first, outer.second);
  GATEWAY_ASSIGN(const auto tbs, element(inside));
  return inside.first(tbs.first + tbs.second);
}

std::string Certificate::to_pem() const {
  const UniqueBio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), impl_->x509.get()) != 1) broken("write a certificate");
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

namespace {

Status check_time(const Certificate& certificate, Time at, TimeWindow& window) {
  const TimeWindow validity = certificate.validity();
  window.intersect(validity);
  if (at < validity.not_before) {
    return fail(ErrorCode::kExpired, "x509.not_yet_valid",
                "a certificate is valid from " + to_rfc3339(validity.not_before) + "; judged at " + to_rfc3339(at));
  }
  if (at > validity.not_after) {
    return fail(ErrorCode::kExpired, "x509.expired",
                "a certificate was valid until " + to_rfc3339(validity.not_after) + "; judged at " + to_rfc3339(at));
  }
  return {};
}

Status check_issuer(const Certificate& issuer, std::size_t certificates_below) {
  if (!issuer.is_ca()) return fail(ErrorCode::kNotAuthentic, "x509.not_ca", "an issuer is not a CA");
  if (issuer.key_usage().present && !issuer.key_usage().key_cert_sign) {
    return fail(ErrorCode::kNotAuthentic, "x509.key_usage", "an issuer's key may not sign certificates");
  }
  // RFC 5280 §4.2.1.9: intermediates below, the leaf not counted.
  if (issuer.path_length() && static_cast<std::uint64_t>(*issuer.path_length()) < certificates_below) {
    return fail(ErrorCode::kNotAuthentic, "x509.path_length", "a path is longer than one of its issuers allows");
  }
  return {};
}

Status check_link(const Certificate& certificate, const Certificate& issuer) {
  if (!certificate.issued_by_name(issuer)) {
    return fail(ErrorCode::kNotAuthentic, "x509.issuer_name", "a certificate names another issuer");
  }
  return certificate.verify_signed_by(issuer.public_key());
}

}  // namespace

Result<TimeWindow> validate_path(const Certificate& leaf, std::span<const Certificate> intermediates,
                                 const Certificate& anchor, const PathOptions& options) {
  if (intermediates.size() + 2 > options.max_length) {
    return fail(ErrorCode::kLimitExceeded, "x509.chain_length",
                "the path has " + std::to_string(intermediates.size() + 2) + " certificates; at most " +
                    std::to_string(options.max_length) + " are followed");
  }
  TimeWindow window;
  const Certificate* issuer = &anchor;
  std::size_t below = intermediates.size();
  GATEWAY_TRY(check_time(anchor, options.at, window));
  for (const Certificate& certificate : intermediates) {
    GATEWAY_TRY(check_issuer(*issuer, below--));
    GATEWAY_TRY(check_time(certificate, options.at, window));
    GATEWAY_TRY(check_link(certificate, *issuer));
    issuer = &certificate;
  }
  GATEWAY_TRY(check_issuer(*issuer, below));
  GATEWAY_TRY(check_time(leaf, options.at, window));
  GATEWAY_TRY(check_link(leaf, *issuer));
  return window;
}

namespace {

using UniqueExtension = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;

void set_name(X509_NAME* name, const std::string& text) {
  if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()), -1,
                                 0) != 1) {
    broken("name a certificate");
  }
}

void set_time(ASN1_TIME* field, Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  if (ASN1_TIME_set(field, static_cast<std::time_t>(seconds)) == nullptr) broken("date a certificate");
}

void add_by_text(X509* certificate, int nid, const std::string& value) {
  const UniqueExtension extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) broken("extend a certificate");
}

void add_raw(X509* certificate, const CertificateSpec::Extension& extension) {
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> object(OBJ_txt2obj(extension.oid.c_str(), 1));
  const Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> value(ASN1_OCTET_STRING_new());
  if (object == nullptr || value == nullptr ||
      ASN1_OCTET_STRING_set(value.get(), extension.value.data(), static_cast<int>(extension.value.size())) != 1) {
    broken("extend a certificate");
  }
  const UniqueExtension made(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), extension.critical ? 1 : 0, value.get()));
  if (made == nullptr || X509_add_ext(certificate, made.get(), -1) != 1) broken("extend a certificate");
}

}  // namespace

Result<Certificate> issue_certificate(const CertificateSpec& spec, const PrivateKey& issuer_key) {
  const UniqueX509 x509(X509_new());
  const Bytes serial = random_bytes(16);
  const Owned<BIGNUM, BN_free> number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  if (x509 == nullptr || number == nullptr || X509_set_version(x509.get(), kX509Version3) != 1 ||
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509.get())) == nullptr ||
      X509_set_pubkey(x509.get(), spec.subject_key.impl().key.get()) != 1) {
    broken("make a certificate");
  }
  set_name(X509_get_subject_name(x509.get()), spec.subject_common_name);
  set_name(X509_get_issuer_name(x509.get()), spec.issuer_common_name);
  set_time(X509_getm_notBefore(x509.get()), spec.validity.not_before);
  set_time(X509_getm_notAfter(x509.get()), spec.validity.not_after);
  std::string basic = spec.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE";
  if (spec.is_ca && spec.path_length) basic += ",pathlen:" + std::to_string(*spec.path_length);
  add_by_text(x509.get(), NID_basic_constraints, basic);
  add_by_text(x509.get(), NID_key_usage, spec.is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  if (!spec.dns_names.empty()) {
    std::string names;
    for (const std::string& name : spec.dns_names) {
      if (name.find_first_of(",:\n\r") != std::string::npos) {
        return fail(ErrorCode::kInvalidArgument, "x509.dns_name", "a DNS name has a character that none has");
      }
      names += (names.empty() ? "DNS:" : ",DNS:") + name;
    }
    add_by_text(x509.get(), NID_subject_alt_name, names);
  }
  for (const auto& extension : spec.extensions) add_raw(x509.get(), extension);
  const HashAlgorithm hash = issuer_key.type() == KeyType::kP384 ? HashAlgorithm::kSha384 : HashAlgorithm::kSha256;
  if (X509_sign(x509.get(), issuer_key.impl().key.get(), digest_of(hash)) <= 0) broken("sign a certificate");
  unsigned char* der = nullptr;
  const int size = i2d_X509(x509.get(), &der);
  if (size <= 0) broken("encode a certificate");
  const Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return Certificate::from_der(bytes);
}

}  // namespace gateway::crypto
