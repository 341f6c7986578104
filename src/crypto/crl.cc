#include "crypto/crl.h"

#include <algorithm>

#include "codec/pem.h"
#include "crypto/x509_impl.h"

namespace gateway::crypto {

using codec::DerElement;
using codec::DerReader;
namespace tag = codec::der_tag;

struct Crl::Impl {
  explicit Impl(Bytes bytes) : der(std::move(bytes)) {}

  Bytes der;     // all views below point into it
  ByteView tbs;  // tbsCertList, tag and length included
  SignatureAlgorithm signed_with;
  ByteView signature;
  ByteView issuer;  // Name, tag and length included
  TimeWindow validity;
  std::optional<ByteView> number;
  std::vector<ByteView> serials;  // revoked, sorted
};

namespace {

constexpr std::size_t kMaxExtensions = 64;
constexpr std::size_t kMaxEntryExtensions = 8;
constexpr std::size_t kMaxPem = 2 * kMaxCrlSize;

constexpr ByteArray<3> kCrlNumber{{0x55, 0x1d, 0x14}};
constexpr ByteArray<3> kReasonCode{{0x55, 0x1d, 0x15}};
constexpr ByteArray<3> kInvalidityDate{{0x55, 0x1d, 0x18}};
constexpr ByteArray<3> kDeltaCrlIndicator{{0x55, 0x1d, 0x1b}};
constexpr ByteArray<3> kIssuingDistributionPoint{{0x55, 0x1d, 0x1c}};
constexpr ByteArray<3> kCertificateIssuer{{0x55, 0x1d, 0x1d}};

std::unexpected<Error> bad(std::string detail) { return fail(ErrorCode::kMalformed, "crl.parse", std::move(detail)); }

// Every list covers all that its issuer issued: a list for a part of it (or for another's certificates) would make what
// is revoked elsewhere look fine here.
std::unexpected<Error> partial() {
  return fail(ErrorCode::kUnsupported, "crl.scope",
              "expected a revocation list of all certificates of its issuer, found one of a part of them or of another "
              "issuer's",
              "give the complete list of the issuer itself");
}

std::unexpected<Error> delta() {
  return fail(ErrorCode::kUnsupported, "crl.delta",
              "expected a complete revocation list, found changes to an older one", "give the complete list");
}

Status unknown(const Extension& extension) {
  if (!extension.critical) return {};
  return fail(ErrorCode::kUnsupported, "crl.critical_extension",
              "a critical extension is not known here: " + codec::oid_text(extension.oid));
}

Status interpret(Crl::Impl& list, const Extension& extension) {
  if (equal(extension.oid, kDeltaCrlIndicator)) return delta();
  if (equal(extension.oid, kIssuingDistributionPoint)) return partial();
  if (equal(extension.oid, kCrlNumber)) {
    DerReader value(extension.value);
    GATEWAY_ASSIGN(list.number, value.unsigned_integer());
    return value.finish();
  }
  if (equal(extension.oid, oid::kAuthorityKeyIdentifier)) return {};  // a hint: the issuer is given, and signs
  return unknown(extension);
}

// A reason or a date never makes an entry less revoked: certificateHold counts, and so does removeFromCRL, which has no
// place in a complete list.
Status interpret_of_entry(const Extension& extension) {
  if (equal(extension.oid, kCertificateIssuer)) return partial();
  if (equal(extension.oid, kReasonCode) || equal(extension.oid, kInvalidityDate)) return {};
  return unknown(extension);
}

// Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension, each at most once.
template <class Interpret>
Status read_extensions(DerReader& holder, std::size_t limit, Interpret interpret_one) {
  GATEWAY_ASSIGN(DerReader extensions, holder.enter(tag::kSequence));
  GATEWAY_TRY(holder.finish());
  if (extensions.empty()) return bad("an empty list of extensions");
  std::vector<ByteView> seen;
  while (!extensions.empty()) {
    GATEWAY_ASSIGN(const Extension extension, read_extension(extensions));
    const auto same = [&](ByteView other) { return equal(other, extension.oid); };
    if (std::ranges::any_of(seen, same)) return bad("an extension is there twice");
    if (seen.size() == limit) return bad("more than " + std::to_string(limit) + " extensions");
    seen.push_back(extension.oid);
    GATEWAY_TRY(interpret_one(extension));
  }
  return {};
}

// revokedCertificates ::= SEQUENCE OF SEQUENCE { userCertificate, revocationDate, crlEntryExtensions OPTIONAL }. RFC
// 5280 wants an empty one left out; one that is there says the same.
Status read_entries(Crl::Impl& list, DerReader entries, bool version2) {
  while (!entries.empty()) {
    GATEWAY_ASSIGN(DerReader entry, entries.enter(tag::kSequence));
    GATEWAY_ASSIGN(const ByteView serial, read_serial(entry));
    GATEWAY_TRY(read_time(entry));
    if (!entry.empty()) {
      if (!version2) return bad("extensions of an entry in a list of version 1");
      GATEWAY_TRY(read_extensions(entry, kMaxEntryExtensions, interpret_of_entry));
    }
    list.serials.push_back(serial);
  }
  return {};
}

bool less(ByteView a, ByteView b) { return std::ranges::lexicographical_compare(a, b); }

Status read_tbs(Crl::Impl& list, DerReader tbs, ByteView signature_algorithm) {
  bool version2 = false;
  if (tbs.next_is(tag::kInteger)) {
    GATEWAY_ASSIGN(const std::int64_t version, tbs.small_integer());
    if (version != 1) return bad("expected version 2 or, without a number, version 1");
    version2 = true;
  }
  GATEWAY_ASSIGN(const DerElement algorithm, tbs.element(tag::kSequence));
  if (!equal(algorithm.encoding, signature_algorithm)) return bad("two different signature algorithms");
  GATEWAY_ASSIGN(list.issuer, read_name(tbs));
  GATEWAY_ASSIGN(list.validity.not_before, read_time(tbs));
  const bool has_next = tbs.next_is(tag::kUtcTime) || tbs.next_is(tag::kGeneralizedTime);
  if (!has_next) return bad("expected a time of the next update: a list without one never expires");
  GATEWAY_ASSIGN(list.validity.not_after, read_time(tbs));
  if (tbs.next_is(tag::kSequence)) {
    GATEWAY_ASSIGN(const DerReader entries, tbs.enter(tag::kSequence));
    GATEWAY_TRY(read_entries(list, entries, version2));
  }
  if (tbs.next_is(tag::context_constructed(0)) && version2) {
    GATEWAY_ASSIGN(DerReader holder, tbs.enter(tag::context_constructed(0)));
    GATEWAY_TRY(read_extensions(holder, kMaxExtensions,
                                [&](const Extension& extension) { return interpret(list, extension); }));
  }
  return tbs.finish();
}

Status read_list(Crl::Impl& list) {
  DerReader input(list.der);
  GATEWAY_ASSIGN(DerReader outer, input.enter(tag::kSequence));
  GATEWAY_TRY(input.finish());
  GATEWAY_ASSIGN(const DerElement tbs, outer.element(tag::kSequence));
  GATEWAY_ASSIGN(const DerElement algorithm, outer.element(tag::kSequence));
  GATEWAY_ASSIGN(list.signature, outer.bit_string());
  GATEWAY_TRY(outer.finish());
  list.tbs = tbs.encoding;
  GATEWAY_ASSIGN(list.signed_with, read_signature_algorithm(DerReader(algorithm.content)));
  if (list.signed_with.kind == SignatureKind::kRsaPkcs1) {
    return fail(ErrorCode::kUnsupported, "crl.algorithm",
                "expected a signature by ECDSA or RSA-PSS, found RSA PKCS #1 v1.5, which is never trusted");
  }
  GATEWAY_TRY(read_tbs(list, DerReader(tbs.content), algorithm.encoding));
  std::ranges::sort(list.serials, less);
  return {};
}

}  // namespace

Result<Crl> Crl::from_der(ByteView der, std::size_t max_size) {
  if (der.size() > max_size) {
    return fail(ErrorCode::kLimitExceeded, "crl.size",
                "expected a revocation list of at most " + std::to_string(max_size) + " bytes, found " +
                    std::to_string(der.size()));
  }
  auto impl = std::make_shared<Impl>(to_bytes(der));
  if (auto read = read_list(*impl); !read) {
    const Error& why = read.error();
    if (why.id().starts_with("der.")) return bad(why.detail());
    if (why.id() == "x509.algorithm") return fail(why.code(), "crl.algorithm", why.detail());
    return std::unexpected(why);
  }
  return Crl(std::move(impl));
}

Result<std::vector<Crl>> Crl::from_pem(std::string_view pem, std::size_t max_count) {
  if (pem.size() > kMaxPem) {
    return fail(ErrorCode::kLimitExceeded, "crl.size",
                "expected PEM of at most " + std::to_string(kMaxPem) + " bytes, found " + std::to_string(pem.size()));
  }
  auto blocks = codec::parse_pem(pem, max_count);
  if (!blocks && blocks.error().code() == ErrorCode::kLimitExceeded) {
    return fail(ErrorCode::kLimitExceeded, "crl.size",
                "expected at most " + std::to_string(max_count) + " revocation lists, found more");
  }
  if (!blocks) return fail(ErrorCode::kMalformed, "crl.parse", blocks.error().detail(), blocks.error().remedy());
  std::vector<Crl> lists;
  for (const codec::PemBlock& block : *blocks) {
    if (block.label != "X509 CRL") return bad("expected only X509 CRL blocks in the PEM, found another");
    GATEWAY_ASSIGN(auto list, from_der(block.bytes));
    lists.push_back(std::move(list));
  }
  if (lists.empty()) return bad("expected an X509 CRL block in the PEM, found none");
  return lists;
}

const Bytes& Crl::der() const { return impl_->der; }
TimeWindow Crl::validity() const { return impl_->validity; }
std::string Crl::issuer() const { return name_text(impl_->issuer); }
std::optional<std::string> Crl::issuer_common_name() const { return common_name(impl_->issuer); }
std::size_t Crl::size() const { return impl_->serials.size(); }

std::optional<Bytes> Crl::number() const {
  if (!impl_->number) return std::nullopt;
  return to_bytes(*impl_->number);
}

bool Crl::issued_by_name(const Certificate& issuer) const { return equal(impl_->issuer, issuer.subject_name()); }

Status Crl::verify_signed_by(const Certificate& issuer) const {
  if (!issued_by_name(issuer)) {
    return fail(ErrorCode::kNotAuthentic, "crl.issuer_name", "the revocation list names another issuer");
  }
  const auto usage = issuer.key_usage();
  if (!issuer.is_ca() || (usage.present && !usage.crl_sign)) {
    return fail(ErrorCode::kNotAuthentic, "crl.issuer_usage", "the issuer may not sign revocation lists (cRLSign)");
  }
  if (signature_holds(impl_->signed_with, issuer.public_key(), impl_->tbs, impl_->signature)) return {};
  return fail(ErrorCode::kNotAuthentic, "crl.signature", "the revocation list was not signed by its issuer's key");
}

bool Crl::revokes(const Certificate& certificate) const {
  return std::ranges::binary_search(impl_->serials, certificate.serial(), less);
}

}  // namespace gateway::crypto
