#include "crypto/x509.h"

#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <functional>

#include "codec/cbor.h"
#include "codec/der.h"
#include "codec/pem.h"
#include "crypto/cose.h"
#include "crypto/openssl.h"
#include "crypto/vectors_for_test.h"

namespace gateway::crypto {
namespace {

using codec::der;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace tag = codec::der_tag;

Time at(std::string_view text) { return from_rfc3339(text).value(); }
const Time kNow = at("2026-06-01T00:00:00Z");
TimeWindow year_2026() { return {at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:59Z")}; }

PrivateKey new_key(KeyType type = KeyType::kP256) { return PrivateKey::generate(type).value(); }
const PrivateKey& shared_key() {
  static const PrivateKey key = new_key();
  return key;
}

CertificateSpec spec_of(std::string subject, std::string issuer, const PrivateKey& key, bool is_ca) {
  return {.subject_common_name = std::move(subject),
          .issuer_common_name = std::move(issuer),
          .subject_key = key.public_key(),
          .validity = year_2026(),
          .is_ca = is_ca};
}

Bytes oid(std::string_view dotted) { return codec::der_oid(dotted).value(); }
Bytes seq(std::initializer_list<ByteView> parts) { return der(tag::kSequence, parts); }
Bytes text(std::uint8_t type, std::string_view value) { return der(type, {as_bytes(value)}); }
Bytes common_name(std::string_view value) {
  return der(tag::kSet, {seq({oid("2.5.4.3"), text(tag::kUtf8String, value)})});
}
Bytes boolean(std::uint8_t value) { return der(tag::kBoolean, {ByteView(&value, 1)}); }
Bytes extension(std::string_view id, bool critical, ByteView value) {
  return seq({oid(id), critical ? boolean(0xff) : Bytes(), der(tag::kOctetString, {value})});
}

// A certificate in parts, each of which a test may break; signed by shared_key(), which it also carries.
struct Parts {
  Bytes version = der(tag::context_constructed(0), {codec::der_unsigned(ByteArray<1>{{2}})});
  Bytes serial = codec::der_unsigned(ByteArray<1>{{7}});
  Bytes inner_algorithm = seq({oid("1.2.840.10045.4.3.2")});
  Bytes issuer = seq({common_name("root")});
  Bytes not_before = text(tag::kUtcTime, "260101000000Z");
  Bytes not_after = text(tag::kUtcTime, "261231235959Z");
  Bytes subject = seq({common_name("leaf")});
  Bytes spki = shared_key().public_key().spki();
  Bytes extensions;  // the content of the SEQUENCE OF
  Bytes after_extensions;
  Bytes outer_algorithm = seq({oid("1.2.840.10045.4.3.2")});
  std::optional<Bytes> signature;

  Bytes tbs() const {
    const Bytes list = extensions.empty() ? Bytes() : der(tag::context_constructed(3), {seq({extensions})});
    return seq({version, serial, inner_algorithm, issuer, seq({not_before, not_after}), subject, spki, list,
                after_extensions});
  }
  Bytes encode() const {
    const Bytes body = tbs();
    const Bytes signed_by = shared_key().sign(HashAlgorithm::kSha256, SignatureFormat::kDer, body).value();
    return seq({body, outer_algorithm, signature.value_or(codec::der_bit_string(signed_by))});
  }
};

std::string refusal(ByteView bytes) {
  const auto certificate = Certificate::from_der(bytes);
  return certificate ? "accepted" : std::string(certificate.error().id());
}
std::string refusal(const std::function<void(Parts&)>& change) {
  Parts parts;
  change(parts);
  return refusal(parts.encode());
}

TEST(X509, ReadsWhatItIssues) {
  const PrivateKey root_key = new_key(KeyType::kP384);
  const PrivateKey key = new_key();
  CertificateSpec spec = spec_of("leaf.example", "the root", key, false);
  spec.dns_names = {"leaf.example", "localhost"};
  spec.extensions = {{.oid = "2.23.133.5.4.9", .value = {1, 2, 3}, .critical = false}};
  const auto made = issue_certificate(spec, root_key);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->subject(), "CN=leaf.example");
  EXPECT_EQ(made->issuer(), "CN=the root");
  EXPECT_EQ(made->subject_common_name(), "leaf.example");
  EXPECT_EQ(made->issuer_common_name(), "the root");
  EXPECT_EQ(made->validity().not_before, year_2026().not_before);
  EXPECT_EQ(made->validity().not_after, year_2026().not_after);
  EXPECT_EQ(made->public_key().spki(), key.public_key().spki());
  EXPECT_FALSE(made->is_ca());
  EXPECT_EQ(made->path_length(), std::nullopt);
  EXPECT_TRUE(made->key_usage().present);
  EXPECT_TRUE(made->key_usage().digital_signature);
  EXPECT_FALSE(made->key_usage().key_cert_sign);
  EXPECT_FALSE(made->key_usage().crl_sign);
  EXPECT_THAT(made->dns_names(), ElementsAre("leaf.example", "localhost"));
  EXPECT_EQ(made->extension("2.23.133.5.4.9"), Bytes({1, 2, 3}));
  EXPECT_EQ(made->extension("2.23.133.5.4.1"), std::nullopt);
  EXPECT_EQ(made->extension("not an oid"), std::nullopt);
  EXPECT_TRUE(made->verify_signed_by(root_key.public_key()));
  EXPECT_EQ(made->verify_signed_by(key.public_key()).error().id(), "x509.signature");
}

TEST(X509, IssuesAuthorities) {
  const PrivateKey key = new_key(KeyType::kP384);
  CertificateSpec spec = spec_of("root", "root", key, true);
  spec.path_length = 3;
  spec.validity = {at("2049-12-31T23:59:59Z"), at("2050-01-01T00:00:00Z")};
  const auto made = issue_certificate(spec, key);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(made->is_ca());
  EXPECT_EQ(made->path_length(), 3);
  EXPECT_FALSE(made->key_usage().digital_signature);
  EXPECT_TRUE(made->key_usage().key_cert_sign);
  EXPECT_TRUE(made->key_usage().crl_sign);
  EXPECT_EQ(made->validity().not_after, at("2050-01-01T00:00:00Z"));
  EXPECT_TRUE(made->issued_by_name(*made));
  EXPECT_TRUE(made->same_subject(*made));
}

TEST(X509, OpenSslReadsAndVerifiesWhatItIssues) {
  const PrivateKey key = new_key(KeyType::kP384);
  CertificateSpec spec = spec_of("root", "root", key, true);
  spec.dns_names = {"localhost"};
  const Certificate made = issue_certificate(spec, key).value();
  X509* native = made.native();
  ASSERT_NE(native, nullptr);
  EXPECT_EQ(made.native(), native);  // made once
  EXPECT_EQ(X509_verify(native, X509_get0_pubkey(native)), 1);
  EXPECT_EQ(X509_check_ca(native), 1);
  EXPECT_EQ(X509_check_host(native, "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_issued(native, native), X509_V_OK);
  EXPECT_EQ(X509_get_serialNumber(native)->length <= 16, true);
}

TEST(X509, RefusesToIssueWhatItCouldNotRead) {
  const auto refused = [](const std::function<void(CertificateSpec&)>& change) {
    CertificateSpec spec = spec_of("leaf", "root", shared_key(), false);
    change(spec);
    const auto made = issue_certificate(spec, shared_key());
    return made ? "accepted" : std::string(made.error().id());
  };
  EXPECT_EQ(refused([](auto&) {}), "accepted");
  EXPECT_EQ(refused([](auto& spec) { spec.subject_common_name = ""; }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.subject_common_name = std::string(65, 'x'); }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.issuer_common_name = "a\nb"; }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.validity.not_before = at("1949-12-31T23:59:59Z"); }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.validity = TimeWindow(); }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.path_length = 1; }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.is_ca = true, spec.path_length = -1; }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.is_ca = true, spec.path_length = 128; }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.dns_names = {""}; }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.dns_names = {"a b"}; }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.extensions = {{.oid = "nonsense", .value = {}}}; }), "x509.spec");
  EXPECT_EQ(refused([](auto& spec) { spec.extensions = {{.oid = "1.2.3.4", .value = {}, .critical = true}}; }),
            "x509.critical_extension");
}

TEST(X509, GoesThroughPem) {
  const Certificate one = issue_certificate(spec_of("one", "root", shared_key(), false), shared_key()).value();
  const Certificate two = issue_certificate(spec_of("two", "root", shared_key(), false), shared_key()).value();
  const auto read = Certificate::from_pem(one.to_pem() + two.to_pem());
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(read->at(1).der(), two.der());
  const auto refused = [](const std::string& pem, std::size_t count = 16) {
    return std::string(Certificate::from_pem(pem, count).error().id());
  };
  EXPECT_EQ(refused(one.to_pem() + two.to_pem(), 1), "x509.chain_length");
  EXPECT_EQ(refused(""), "x509.parse");
  EXPECT_EQ(refused("-----BEGIN CERTIFICATE-----\n"), "x509.parse");
  EXPECT_EQ(refused(codec::write_pem("PUBLIC KEY", one.der())), "x509.parse");
}

TEST(X509, RefusesEveryTruncationAndTrailingBytes) {
  const Bytes good = Parts().encode();
  EXPECT_EQ(refusal(good), "accepted");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(refusal(ByteView(good).first(size)), "x509.parse") << size;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), "x509.parse");
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(X509, RefusesMoreBytesThanAllowed) {
  const Bytes good = Parts().encode();
  EXPECT_TRUE(Certificate::from_der(good, good.size()));
  EXPECT_EQ(Certificate::from_der(good, good.size() - 1).error().id(), "x509.size");
}

TEST(X509, RefusesOtherVersionsAndSerialNumbers) {
  EXPECT_EQ(refusal([](Parts& p) { p.version.clear(); }), "accepted");   // version 1
  EXPECT_EQ(refusal([](Parts& p) { p.version[4] = 0; }), "x509.parse");  // a default that is written out
  EXPECT_EQ(refusal([](Parts& p) { p.version[4] = 1; }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.version[4] = 3; }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) {
              p.version.clear();
              p.extensions = extension("1.2.3", false, {});
            }),
            "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.serial = codec::der_unsigned({}); }), "accepted");  // AMD's VCEKs have 0
  EXPECT_EQ(refusal([](Parts& p) { p.serial = der(tag::kInteger, {Bytes(1, 0x80)}); }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.serial = codec::der_unsigned(Bytes(21, 0xff)); }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.serial = codec::der_unsigned(Bytes(20, 0xff)); }), "accepted");
}

TEST(X509, RefusesAlgorithmsThatAreUnknownOrDiffer) {
  const auto both = [](Parts& p, const Bytes& algorithm) { p.inner_algorithm = p.outer_algorithm = algorithm; };
  EXPECT_EQ(refusal([](Parts& p) { p.inner_algorithm = seq({oid("1.2.840.10045.4.3.3")}); }), "x509.parse");
  EXPECT_EQ(refusal([&](Parts& p) { both(p, seq({oid("1.2.840.10045.4.1")})); }), "x509.algorithm");     // SHA-1
  EXPECT_EQ(refusal([&](Parts& p) { both(p, seq({oid("1.2.840.113549.1.1.5")})); }), "x509.algorithm");  // SHA-1
  EXPECT_EQ(refusal([&](Parts& p) { both(p, seq({oid("1.3.101.112")})); }), "x509.algorithm");           // Ed25519
  EXPECT_EQ(refusal([&](Parts& p) { both(p, seq({oid("1.2.840.10045.4.3.2"), der(tag::kNull, {})})); }), "x509.parse");
  EXPECT_EQ(refusal([&](Parts& p) { both(p, seq({oid("1.2.840.113549.1.1.11"), der(tag::kNull, {})})); }), "accepted");
  EXPECT_EQ(refusal([](Parts& p) { p.signature = der(tag::kBitString, {Bytes(1, 0x04), Bytes(8)}); }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.signature = der(tag::kBitString, {}); }), "x509.parse");
}

Bytes pss(std::string_view hash, std::string_view mask_hash, std::uint8_t salt, std::uint8_t trailer) {
  const auto hash_id = [](std::string_view dotted) { return seq({oid(dotted), der(tag::kNull, {})}); };
  return seq({oid("1.2.840.113549.1.1.10"),
              seq({der(tag::context_constructed(0), {hash_id(hash)}),
                   der(tag::context_constructed(1), {seq({oid("1.2.840.113549.1.1.8"), hash_id(mask_hash)})}),
                   der(tag::context_constructed(2), {codec::der_unsigned(ByteView(&salt, 1))}),
                   der(tag::context_constructed(3), {codec::der_unsigned(ByteView(&trailer, 1))})})});
}

TEST(X509, ReadsRsaPssWithOneHashAndItsSaltOnly) {
  constexpr std::string_view kSha256 = "2.16.840.1.101.3.4.2.1";
  constexpr std::string_view kSha384 = "2.16.840.1.101.3.4.2.2";
  const auto judge = [](const Bytes& algorithm) {
    return refusal([&](Parts& p) { p.inner_algorithm = p.outer_algorithm = algorithm; });
  };
  EXPECT_EQ(judge(pss(kSha384, kSha384, 48, 1)), "accepted");
  EXPECT_EQ(judge(pss(kSha256, kSha256, 32, 1)), "accepted");
  EXPECT_EQ(judge(pss(kSha384, kSha256, 48, 1)), "x509.algorithm");
  EXPECT_EQ(judge(pss(kSha384, kSha384, 32, 1)), "x509.algorithm");
  EXPECT_EQ(judge(pss(kSha384, kSha384, 48, 2)), "x509.algorithm");
  EXPECT_EQ(judge(pss("1.3.14.3.2.26", "1.3.14.3.2.26", 20, 1)), "x509.algorithm");
  EXPECT_EQ(judge(seq({oid("1.2.840.113549.1.1.10"), seq({})})), "x509.algorithm");  // SHA-1 by default
  EXPECT_EQ(judge(seq({oid("1.2.840.113549.1.1.10")})), "x509.parse");
}

TEST(X509, RefusesTimesThatAreNotWholeSecondsOfUtc) {
  const auto utc = [](std::string_view time) {
    return refusal([&](Parts& p) { p.not_after = text(tag::kUtcTime, time); });
  };
  const auto generalized = [](std::string_view time) {
    return refusal([&](Parts& p) { p.not_after = text(tag::kGeneralizedTime, time); });
  };
  EXPECT_EQ(generalized("20600101000000Z"), "accepted");
  EXPECT_EQ(generalized("99991231235959Z"), "accepted");
  for (const char* time :
       {"", "Z", "2612312359Z", "261231235959", "261231235959+0000", "261331235959Z", "260230000000Z", "261231245959Z",
        "261231236059Z", "261231235960Z", "26123123595 Z", "-61231235959Z"}) {
    EXPECT_EQ(utc(time), "x509.parse") << time;
  }
  for (const char* time : {"20260101000000", "20260101000000.5Z", "260101000000Z", "20260101000000+00"}) {
    EXPECT_EQ(generalized(time), "x509.parse") << time;
  }
  EXPECT_EQ(refusal([](Parts& p) { p.not_after = text(tag::kUtf8String, "261231235959Z"); }), "x509.parse");
}

TEST(X509, ReadsTwoDigitYearsAsRfc5280Says) {
  Parts parts;
  parts.not_before = text(tag::kUtcTime, "500101000000Z");
  parts.not_after = text(tag::kUtcTime, "491231235959Z");
  const auto certificate = Certificate::from_der(parts.encode()).value();
  EXPECT_EQ(certificate.validity().not_before, at("1950-01-01T00:00:00Z"));
  EXPECT_EQ(certificate.validity().not_after, at("2049-12-31T23:59:59Z"));
}

TEST(X509, RefusesBrokenNamesAndKeys) {
  EXPECT_EQ(refusal([](Parts& p) { p.subject = seq({}); }), "accepted");
  EXPECT_EQ(refusal([](Parts& p) { p.subject = seq({der(tag::kSet, {})}); }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.subject = seq({der(tag::kSet, {seq({oid("2.5.4.3")})})}); }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.subject = der(tag::kSet, {}); }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.spki.back() ^= 1; }), "x509.parse");
  EXPECT_EQ(refusal([](Parts& p) { p.spki = seq({seq({oid("1.3.101.112")}), codec::der_bit_string(Bytes(32))}); }),
            "x509.algorithm");
  EXPECT_EQ(refusal([](Parts& p) { p.after_extensions = der(tag::context(1), {Bytes(2)}); }), "x509.parse");
}

TEST(X509, PrintsNamesSafely) {
  Parts parts;
  parts.subject = seq({der(tag::kSet, {seq({oid("2.5.4.6"), text(tag::kPrintableString, "US")})}),
                       der(tag::kSet, {seq({oid("1.2.3.4"), text(tag::kUtf8String, "a,b\x1b[31m\xc3\xa9")})}),
                       common_name("x=\"y\"")});
  const auto certificate = Certificate::from_der(parts.encode()).value();
  EXPECT_EQ(certificate.subject(), R"(CN=x\=\"y\",1.2.3.4=a\,b?[31m??,C=US)");
}

TEST(X509, GivesACommonNameOnlyIfThereIsOneReading) {
  const auto name_in = [](const Bytes& subject) {
    Parts parts;
    parts.subject = subject;
    return Certificate::from_der(parts.encode()).value().subject_common_name();
  };
  EXPECT_EQ(name_in(seq({common_name("one")})), "one");
  EXPECT_EQ(name_in(seq({})), std::nullopt);
  EXPECT_EQ(name_in(seq({common_name("one"), common_name("two")})), std::nullopt);
  EXPECT_EQ(name_in(seq({common_name(std::string_view("one\0two", 7))})), std::nullopt);
  EXPECT_EQ(name_in(seq({der(tag::kSet, {seq({oid("2.5.4.3"), text(0x1e, "one")})})})), std::nullopt);
}

TEST(X509, RefusesExtensionsThatAreCriticalAndUnknownOrBroken) {
  const auto judge = [](const Bytes& extensions) { return refusal([&](Parts& p) { p.extensions = extensions; }); };
  EXPECT_EQ(judge(extension("1.2.3.4", false, as_bytes("anything"))), "accepted");
  EXPECT_EQ(judge(extension("1.2.3.4", true, {})), "x509.critical_extension");
  EXPECT_EQ(judge(extension("2.5.29.32", true, {})), "x509.critical_extension");  // certificate policies
  Bytes twice = extension("1.2.3.4", false, {});
  append(twice, extension("1.2.3.4", false, as_bytes("x")));
  EXPECT_EQ(judge(twice), "x509.parse");
  EXPECT_EQ(judge(seq({oid("1.2.3.4")})), "x509.parse");
  EXPECT_EQ(judge(seq({oid("1.2.3.4"), boolean(0x01), der(tag::kOctetString, {})})), "x509.parse");
  EXPECT_EQ(judge(seq({oid("1.2.3.4"), boolean(0x00), der(tag::kOctetString, {})})), "accepted");
  Bytes many;
  for (int i = 0; i < 65; ++i) append(many, extension("1.2.3." + std::to_string(i), false, {}));
  EXPECT_EQ(judge(many), "x509.parse");
  const auto name_constraints = [](ByteView content) { return extension("2.5.29.30", true, seq({content})); };
  EXPECT_EQ(judge(name_constraints({})), "accepted");
  EXPECT_EQ(judge(name_constraints(der(tag::context_constructed(0), {}))), "x509.name_constraints");
  EXPECT_EQ(judge(extension("2.5.29.37", true, seq({oid("1.3.6.1.5.5.7.3.1")}))), "accepted");
  EXPECT_EQ(judge(extension("2.5.29.37", false, seq({}))), "x509.parse");
}

TEST(X509, RefusesBrokenConstraintsUsagesAndNames) {
  const auto constraints = [](ByteView content) {
    return refusal([&](Parts& p) { p.extensions = extension("2.5.29.19", true, content); });
  };
  EXPECT_EQ(constraints(seq({})), "accepted");
  EXPECT_EQ(constraints(seq({boolean(0xff), codec::der_unsigned(ByteArray<1>{{1}})})), "accepted");
  EXPECT_EQ(constraints(seq({codec::der_unsigned(ByteArray<1>{{1}})})), "x509.parse");  // no CA
  EXPECT_EQ(constraints(seq({boolean(0x01)})), "x509.parse");
  EXPECT_EQ(constraints(seq({boolean(0xff), der(tag::kInteger, {Bytes(1, 0xff)})})), "x509.parse");
  EXPECT_EQ(constraints({}), "x509.parse");
  const auto usage = [](ByteView bits) {
    return refusal([&](Parts& p) { p.extensions = extension("2.5.29.15", true, der(tag::kBitString, {bits})); });
  };
  EXPECT_EQ(usage(Bytes{7, 0x80}), "accepted");
  EXPECT_EQ(usage(Bytes{7, 0x00, 0x80}), "accepted");
  EXPECT_EQ(usage(Bytes{0}), "x509.parse");
  EXPECT_EQ(usage(Bytes{8, 0x80}), "x509.parse");
  EXPECT_EQ(usage(Bytes{0, 0, 0, 0}), "x509.parse");
  const auto names = [](ByteView content) {
    return refusal([&](Parts& p) { p.extensions = extension("2.5.29.17", false, content); });
  };
  EXPECT_EQ(names(seq({text(tag::context(2), "a.example"), der(tag::context(7), {Bytes(4)})})), "accepted");
  EXPECT_EQ(names(seq({text(tag::context(2), std::string_view("a\0b", 3))})), "x509.parse");
  EXPECT_EQ(names(seq({text(tag::context(2), "")})), "x509.parse");
  EXPECT_EQ(names(as_bytes("x")), "x509.parse");
}

TEST(X509, NeverTrustsRsaPkcs1) {
  Parts parts;
  parts.inner_algorithm = parts.outer_algorithm = seq({oid("1.2.840.113549.1.1.11"), der(tag::kNull, {})});
  const auto certificate = Certificate::from_der(parts.encode()).value();
  EXPECT_EQ(certificate.verify_signed_by(shared_key().public_key()).error().id(), "x509.algorithm");
}

TEST(X509, RefusesASignatureOfAnotherKindThanTheIssuersKey) {
  Parts parts;
  parts.inner_algorithm = parts.outer_algorithm = pss("2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.1", 32, 1);
  const auto certificate = Certificate::from_der(parts.encode()).value();
  EXPECT_EQ(certificate.verify_signed_by(shared_key().public_key()).error().id(), "x509.signature");
}

// root → one → two → leaf, with specifications that a test may change before they are issued.
class X509Path : public ::testing::Test {
 protected:
  X509Path() {
    const std::string names[] = {"root", "one", "two", "leaf"};
    for (std::size_t i = 0; i < 4; ++i) {
      keys_.push_back(new_key());
      specs_.push_back(spec_of(names[i], names[i == 0 ? 0 : i - 1], keys_[i], i < 3));
    }
  }
  Certificate issue(std::size_t index) const {
    return issue_certificate(specs_[index], keys_[index == 0 ? 0 : index - 1]).value();
  }
  Result<TimeWindow> validate(Time when = kNow, std::size_t max_length = 8) const {
    const std::vector<Certificate> between = {issue(1), issue(2)};
    return validate_path(issue(3), between, issue(0), {.at = when, .max_length = max_length});
  }
  std::string refusal(Time when = kNow, std::size_t max_length = 8) const {
    const auto window = validate(when, max_length);
    return window ? "accepted" : std::string(window.error().id());
  }

  std::vector<PrivateKey> keys_;
  std::vector<CertificateSpec> specs_;
};

TEST_F(X509Path, AcceptsAGoodPathAndIntersectsTheWindows) {
  specs_[1].validity.not_before = at("2026-03-01T00:00:00Z");
  specs_[3].validity.not_after = at("2026-07-01T00:00:00Z");
  const auto window = validate();
  ASSERT_TRUE(window) << window.error().message();
  EXPECT_EQ(window->not_before, at("2026-03-01T00:00:00Z"));
  EXPECT_EQ(window->not_after, at("2026-07-01T00:00:00Z"));
}

TEST_F(X509Path, AcceptsALeafRightBelowTheAnchor) {
  specs_[1].is_ca = false;
  EXPECT_TRUE(validate_path(issue(1), {}, issue(0), {.at = kNow}));
}

TEST_F(X509Path, RefusesTimesOutsideOfAnyWindow) {
  EXPECT_EQ(refusal(at("2025-12-31T23:59:59Z")), "x509.not_yet_valid");
  EXPECT_EQ(refusal(at("2026-01-01T00:00:00Z")), "accepted");
  EXPECT_EQ(refusal(at("2026-12-31T23:59:59Z")), "accepted");
  EXPECT_EQ(refusal(at("2027-01-01T00:00:00Z")), "x509.expired");
  for (std::size_t index = 0; index < 4; ++index) {
    const TimeWindow before = specs_[index].validity;
    specs_[index].validity.not_after = at("2026-05-31T23:59:59Z");
    EXPECT_EQ(refusal(), "x509.expired") << index;
    specs_[index].validity = {at("2026-06-01T00:00:01Z"), before.not_after};
    EXPECT_EQ(refusal(), "x509.not_yet_valid") << index;
    EXPECT_EQ(validate().error().code(), ErrorCode::kExpired);
    specs_[index].validity = before;
  }
}

TEST_F(X509Path, RefusesNamesThatDoNotChain) {
  for (std::size_t index = 1; index < 4; ++index) {
    const std::string before = std::exchange(specs_[index].issuer_common_name, "somebody");
    EXPECT_EQ(refusal(), "x509.issuer_name") << index;
    specs_[index].issuer_common_name = before;
  }
}

TEST_F(X509Path, RefusesSignaturesOfOthers) {
  const PrivateKey stranger = new_key();
  for (std::size_t index = 1; index < 4; ++index) {
    std::vector<Certificate> chain = {issue(0), issue(1), issue(2), issue(3)};
    chain[index] = issue_certificate(specs_[index], stranger).value();
    const auto window = validate_path(chain[3], std::span(chain).subspan(1, 2), chain[0], {.at = kNow});
    ASSERT_FALSE(window);
    EXPECT_EQ(window.error().id(), "x509.signature") << index;
    EXPECT_EQ(window.error().code(), ErrorCode::kNotAuthentic);
  }
}

TEST_F(X509Path, RefusesAnotherRootOfTheSameName) {
  specs_[0].subject_key = new_key().public_key();
  EXPECT_EQ(refusal(), "x509.signature");
}

TEST_F(X509Path, RefusesIssuersThatAreNoAuthorities) {
  for (std::size_t index = 0; index < 3; ++index) {
    specs_[index].is_ca = false;
    EXPECT_EQ(refusal(), "x509.not_ca") << index;
    specs_[index].is_ca = true;
  }
}

TEST_F(X509Path, RefusesIssuersThatMayNotSignCertificates) {
  Parts parts;  // a CA whose key usage lacks keyCertSign; issue_certificate makes none such
  Bytes extensions = extension("2.5.29.19", true, seq({boolean(0xff)}));
  append(extensions, extension("2.5.29.15", true, der(tag::kBitString, {Bytes{7, 0x80}})));
  parts.extensions = extensions;
  parts.issuer = parts.subject = seq({common_name("root")});
  const auto root = Certificate::from_der(parts.encode()).value();
  const auto leaf = issue_certificate(spec_of("leaf", "root", keys_[3], false), shared_key()).value();
  EXPECT_EQ(validate_path(leaf, {}, root, {.at = kNow}).error().id(), "x509.key_usage");
  parts.extensions = extension("2.5.29.19", true, seq({boolean(0xff)}));  // without a key usage nothing is forbidden
  const auto plain = Certificate::from_der(parts.encode()).value();
  EXPECT_TRUE(validate_path(leaf, {}, plain, {.at = kNow}));
}

TEST_F(X509Path, RefusesPathsThatAreLongerThanAnIssuerAllows) {
  specs_[0].path_length = 2;
  specs_[1].path_length = 1;
  specs_[2].path_length = 0;
  EXPECT_EQ(refusal(), "accepted");
  specs_[0].path_length = 1;
  EXPECT_EQ(refusal(), "x509.path_length");
  specs_[0].path_length = std::nullopt;
  specs_[1].path_length = 0;
  EXPECT_EQ(refusal(), "x509.path_length");
}

TEST_F(X509Path, RefusesMoreCertificatesThanAllowed) {
  EXPECT_EQ(refusal(kNow, 4), "accepted");
  EXPECT_EQ(refusal(kNow, 3), "x509.chain_length");
}

// Every certificate beside the checkout is read as OpenSSL reads it.
TEST(X509, AgreesWithOpenSslOnRealCertificates) {
  GATEWAY_NEEDS_VECTORS();
  std::size_t judged = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(vectors_folder())) {
    if (!entry.is_regular_file() || entry.path().extension() != ".der") continue;
    const std::string bytes = read_vector(entry.path());
    const auto certificate = Certificate::from_der(as_bytes(bytes));
    const unsigned char* from = as_bytes(bytes).data();
    const UniqueX509 native(d2i_X509(nullptr, &from, static_cast<long>(bytes.size())));
    ERR_clear_error();
    EXPECT_EQ(certificate.has_value(), native != nullptr) << entry.path();
    if (!certificate || native == nullptr) continue;
    ++judged;
    unsigned char* spki = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(native.get()), &spki);
    EXPECT_TRUE(equal(certificate->public_key().spki(), {spki, static_cast<std::size_t>(size)})) << entry.path();
    OPENSSL_free(spki);
    EXPECT_EQ(certificate->is_ca(), X509_check_ca(native.get()) == 1) << entry.path();
    const auto compare = [&](const ASN1_TIME* theirs, Time ours) {
      return ASN1_TIME_cmp_time_t(theirs,
                                  std::chrono::duration_cast<std::chrono::seconds>(ours.time_since_epoch()).count());
    };
    EXPECT_EQ(compare(X509_get0_notBefore(native.get()), certificate->validity().not_before), 0) << entry.path();
    EXPECT_EQ(compare(X509_get0_notAfter(native.get()), certificate->validity().not_after), 0) << entry.path();
    if (certificate->issued_by_name(*certificate)) {
      const bool theirs = X509_verify(native.get(), X509_get0_pubkey(native.get())) == 1;  // one of the files is bad
      ERR_clear_error();
      EXPECT_EQ(certificate->verify_signed_by(certificate->public_key()).has_value(), theirs) << entry.path();
    }
  }
  EXPECT_GT(judged, 10U);
}

TEST(X509, ValidatesAmdsRsaPssChain) {
  GATEWAY_NEEDS_VECTORS();
  for (const std::string product : {"milan", "genoa", "turin"}) {
    const auto read = [&](const std::string& name) {
      return Certificate::from_der(as_bytes(read_vector("anchors/amd-" + name + "-" + product + ".der"))).value();
    };
    EXPECT_TRUE(validate_path(read("ask-vcek"), {}, read("ark"), {.at = kNow})) << product;
  }
}

// A genuine document's certificate and cabundle, [root, …, issuer], at the document's own time.
TEST(X509, ValidatesTheChainsOfRealNitroDocuments) {
  GATEWAY_NEEDS_VECTORS();
  const auto anchor = Certificate::from_der(as_bytes(read_vector("anchors/aws-nitro-root-g1.der"))).value();
  const codec::CborLimits limits{.bytes = 32UZ * 1024, .depth = 4, .items = 256};
  std::size_t judged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(vectors_folder()) / "nitro")) {
    if (entry.path().filename().string().find("_ok_") == std::string::npos) continue;
    const std::string bytes = read_vector(entry.path());
    const auto message = parse_cose_sign1(as_bytes(bytes), limits);
    ASSERT_TRUE(message) << entry.path() << message.error().message();
    auto reader = codec::CborReader::open(message->payload, limits, codec::CborProfile::kGeneral).value();
    std::vector<Certificate> bundle;
    std::optional<Certificate> leaf;
    Time when;
    ASSERT_TRUE(reader.map());
    while (reader.peek()) {
      const std::string_view key = reader.text().value();
      if (key == "timestamp") {
        when = Time(std::chrono::milliseconds(reader.unsigned_integer().value()));
      } else if (key == "certificate") {
        leaf = Certificate::from_der(reader.bytes().value()).value();
      } else if (key == "cabundle") {
        ASSERT_TRUE(reader.array());
        while (reader.peek()) bundle.push_back(Certificate::from_der(reader.bytes().value()).value());
        ASSERT_TRUE(reader.end());
      } else {
        ASSERT_TRUE(reader.skip());
      }
    }
    EXPECT_EQ(bundle.front().der(), anchor.der());
    const auto window = validate_path(*leaf, std::span(bundle).subspan(1), anchor, {.at = when});
    ASSERT_TRUE(window) << entry.path() << window.error().message();
    EXPECT_TRUE(window->contains(when));
    EXPECT_TRUE(verify_cose_sign1(*message, leaf->public_key()));
    ++judged;
  }
  EXPECT_GE(judged, 5U);
}

}  // namespace
}  // namespace gateway::crypto
