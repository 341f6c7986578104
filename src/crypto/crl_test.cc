#include "crypto/crl.h"

#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <chrono>

#include "codec/pem.h"
#include "crypto/crl_for_test.h"
#include "crypto/openssl.h"
#include "crypto/random.h"
#include "crypto/vectors_for_test.h"

namespace gateway::crypto {
namespace {

using codec::der;
namespace tag = codec::der_tag;

Time at(std::string_view text) { return from_rfc3339(text).value(); }
TimeWindow year_2026() { return {at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:59Z")}; }

Bytes seq(std::initializer_list<ByteView> parts) { return der(tag::kSequence, parts); }
Bytes extension(std::string_view id, bool critical, ByteView value) {
  const std::uint8_t yes = 0xff;
  const Bytes flag = critical ? der(tag::kBoolean, {ByteView(&yes, 1)}) : Bytes();
  return seq({codec::der_oid(id).value(), flag, der(tag::kOctetString, {value})});
}
Bytes number(std::uint8_t value) { return codec::der_unsigned(ByteView(&value, 1)); }

const PrivateKey& key() {
  static const PrivateKey made = PrivateKey::generate(KeyType::kP256).value();
  return made;
}

CertificateSpec authority(const std::string& name, const PublicKey& subject_key) {
  return {.subject_common_name = name,
          .issuer_common_name = name,
          .subject_key = subject_key,
          .validity = year_2026(),
          .is_ca = true};
}
const Certificate& issuer() {
  static const Certificate made = issue_certificate(authority("root", key().public_key()), key()).value();
  return made;
}
Certificate leaf() {
  CertificateSpec spec = authority("leaf", key().public_key());
  spec.is_ca = false;
  spec.issuer_common_name = "root";
  return issue_certificate(spec, key()).value();
}

CrlParts good_parts() { return CrlParts::of(issuer(), key(), year_2026()); }

std::string refusal(ByteView bytes) {
  const auto list = Crl::from_der(bytes);
  return list ? "accepted" : std::string(list.error().id());
}
std::string refusal(const std::function<void(CrlParts&)>& change) {
  CrlParts parts = good_parts();
  change(parts);
  return refusal(parts.encode());
}

TEST(Crl, ReadsWhatIsInIt) {
  const Certificate revoked = leaf();
  const Certificate fine = leaf();
  CrlParts parts = good_parts();
  parts.revoke(revoked);
  const Bytes bytes = parts.encode();
  const auto list = Crl::from_der(bytes);
  ASSERT_TRUE(list) << list.error().message();
  EXPECT_EQ(list->der(), bytes);
  EXPECT_EQ(list->validity().not_before, year_2026().not_before);
  EXPECT_EQ(list->validity().not_after, year_2026().not_after);
  EXPECT_EQ(list->issuer(), "CN=root");
  EXPECT_EQ(list->issuer_common_name(), "root");
  EXPECT_EQ(list->number(), Bytes({1}));
  EXPECT_EQ(list->size(), 1U);
  EXPECT_TRUE(list->issued_by_name(issuer()));
  EXPECT_FALSE(list->issued_by_name(fine));
  EXPECT_TRUE(list->verify_signed_by(issuer()));
  EXPECT_TRUE(list->revokes(revoked));
  EXPECT_FALSE(list->revokes(fine));
}

TEST(Crl, OpenSslReadsTheSame) {
  const Certificate revoked = leaf();
  CrlParts parts = good_parts();
  parts.revoke(revoked);
  const Bytes bytes = parts.encode();
  const unsigned char* cursor = bytes.data();
  const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> theirs(
      d2i_X509_CRL(nullptr, &cursor, static_cast<long>(bytes.size())), X509_CRL_free);
  ASSERT_NE(theirs, nullptr);
  X509_REVOKED* found = nullptr;
  EXPECT_EQ(X509_CRL_get0_by_cert(theirs.get(), &found, revoked.native()), 1);
  EXPECT_EQ(X509_CRL_verify(theirs.get(), X509_get0_pubkey(issuer().native())), 1);
}

TEST(Crl, ReadsAListWithoutEntriesAndWithoutExtensions) {
  EXPECT_EQ(refusal([](CrlParts&) {}), "accepted");
  EXPECT_EQ(refusal([](CrlParts& p) { p.extensions.clear(); }), "accepted");
  EXPECT_EQ(Crl::from_der(good_parts().encode())->size(), 0U);
  CrlParts parts = good_parts();
  parts.extensions.clear();
  EXPECT_EQ(Crl::from_der(parts.encode())->number(), std::nullopt);
  EXPECT_EQ(refusal([](CrlParts& p) { append(p.next_update, seq({})); }), "accepted");  // an empty list, written out
}

TEST(Crl, FindsEachOfManyAndNoOther) {
  CrlParts parts = good_parts();
  std::vector<Certificate> revoked;
  for (int i = 0; i < 20; ++i) revoked.push_back(leaf());
  for (const Certificate& certificate : revoked) parts.revoke(certificate);
  const Crl list = Crl::from_der(parts.encode()).value();
  EXPECT_EQ(list.size(), 20U);
  for (const Certificate& certificate : revoked) EXPECT_TRUE(list.revokes(certificate));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(list.revokes(leaf()));
}

TEST(Crl, CountsEveryReasonAsRevoked) {
  const Certificate revoked = leaf();
  const ByteArray<1> reasons{{8}};  // removeFromCRL
  CrlParts parts = good_parts();
  parts.entries = CrlParts::entry(revoked.serial(), seq({extension("2.5.29.21", false, der(0x0a, {reasons}))}));
  EXPECT_TRUE(Crl::from_der(parts.encode())->revokes(revoked));
}

TEST(Crl, RefusesEveryTruncationAndTrailingBytes) {
  CrlParts parts = good_parts();
  parts.revoke(leaf());
  const Bytes good = parts.encode();
  EXPECT_EQ(refusal(good), "accepted");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(refusal(ByteView(good).first(size)), "crl.parse") << size;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), "crl.parse");
  EXPECT_EQ(refusal([](CrlParts& p) { p.after_extensions = der(tag::kNull, {}); }), "crl.parse");
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Crl, RefusesMoreBytesThanAllowed) {
  const Bytes good = good_parts().encode();
  EXPECT_TRUE(Crl::from_der(good, good.size()));
  EXPECT_EQ(Crl::from_der(good, good.size() - 1).error().id(), "crl.size");
}

TEST(Crl, RefusesOtherVersions) {
  EXPECT_EQ(refusal([](CrlParts& p) { p.version = number(0); }), "crl.parse");
  EXPECT_EQ(refusal([](CrlParts& p) { p.version = number(2); }), "crl.parse");
  EXPECT_EQ(refusal([](CrlParts& p) { p.version.clear(); }), "crl.parse");  // version 1 has no extensions
  EXPECT_EQ(refusal([](CrlParts& p) {
              p.version.clear();
              p.extensions.clear();
            }),
            "accepted");
  EXPECT_EQ(refusal([](CrlParts& p) {
              p.version.clear();
              p.extensions.clear();
              p.entries = CrlParts::entry(ByteArray<1>{{7}}, seq({extension("2.5.29.21", false, {})}));
            }),
            "crl.parse");
}

TEST(Crl, RefusesAlgorithmsThatAreUnknownUntrustedOrDiffer) {
  const auto both = [](std::string_view oid) {
    return refusal([&](CrlParts& p) { p.inner_algorithm = p.outer_algorithm = seq({codec::der_oid(oid).value()}); });
  };
  EXPECT_EQ(both("1.2.840.10045.4.3.3"), "accepted");
  EXPECT_EQ(both("1.2.840.10045.4.1"), "crl.algorithm");      // ECDSA with SHA-1
  EXPECT_EQ(both("1.2.840.113549.1.1.11"), "crl.algorithm");  // RSA PKCS #1 v1.5
  EXPECT_EQ(refusal([](CrlParts& p) { p.inner_algorithm = CrlParts::ecdsa_algorithm(KeyType::kP384); }), "crl.parse");
}

TEST(Crl, RefusesTimesThatAreMissingOrBroken) {
  EXPECT_EQ(refusal([](CrlParts& p) { p.next_update.clear(); }), "crl.parse");
  EXPECT_EQ(refusal([](CrlParts& p) { p.this_update.clear(); }), "crl.parse");
  EXPECT_EQ(refusal([](CrlParts& p) { p.this_update.back() = '0'; }), "crl.parse");
  EXPECT_EQ(refusal([](CrlParts& p) { p.next_update.back() = '0'; }), "crl.parse");
}

TEST(Crl, RefusesBrokenEntries) {
  const auto entries = [](const Bytes& bytes) { return refusal([&](CrlParts& p) { p.entries = bytes; }); };
  const Bytes good = CrlParts::entry(ByteArray<1>{{7}});
  EXPECT_EQ(entries(good), "accepted");
  EXPECT_EQ(entries(CrlParts::entry(ByteArray<1>{{0x80}})), "crl.parse");        // negative
  EXPECT_EQ(entries(CrlParts::entry(Bytes(22, 0x11))), "crl.parse");             // too long
  EXPECT_EQ(entries(CrlParts::entry(ByteArray<2>{{0x00, 0x01}})), "crl.parse");  // not minimal
  EXPECT_EQ(entries(seq({number(7)})), "crl.parse");                             // no date
  EXPECT_EQ(entries(seq({})), "crl.parse");
  EXPECT_EQ(entries(CrlParts::entry(ByteArray<1>{{7}}, number(1))), "crl.parse");
  EXPECT_EQ(entries(CrlParts::entry(ByteArray<1>{{7}}, seq({}))), "crl.parse");  // an empty list of extensions
  Bytes extension_and_more = seq({extension("1.2.3", false, {})});
  append(extension_and_more, number(1));
  EXPECT_EQ(entries(CrlParts::entry(ByteArray<1>{{7}}, extension_and_more)), "crl.parse");
}

TEST(Crl, RefusesExtensionsOfEntriesThatAreCriticalAndUnknownOrNameAnotherIssuer) {
  const auto judge = [](const Bytes& list) {
    return refusal([&](CrlParts& p) { p.entries = CrlParts::entry(ByteArray<1>{{7}}, seq({list})); });
  };
  EXPECT_EQ(judge(extension("1.2.3.4", false, {})), "accepted");
  EXPECT_EQ(judge(extension("2.5.29.24", false, {})), "accepted");
  EXPECT_EQ(judge(extension("1.2.3.4", true, {})), "crl.critical_extension");
  EXPECT_EQ(judge(extension("2.5.29.29", true, {})), "crl.scope");
  EXPECT_EQ(judge(extension("2.5.29.29", false, {})), "crl.scope");
  Bytes twice = extension("1.2.3.4", false, {});
  append(twice, extension("1.2.3.4", false, {}));
  EXPECT_EQ(judge(twice), "crl.parse");
  Bytes many;
  for (int i = 0; i < 9; ++i) append(many, extension("1.2.3." + std::to_string(i), false, {}));
  EXPECT_EQ(judge(many), "crl.parse");
}

TEST(Crl, RefusesExtensionsThatAreCriticalAndUnknownBrokenOrNarrowTheList) {
  const auto judge = [](const Bytes& list) { return refusal([&](CrlParts& p) { p.extensions = list; }); };
  EXPECT_EQ(judge(extension("1.2.3.4", false, {})), "accepted");
  EXPECT_EQ(judge(extension("2.5.29.35", false, {})), "accepted");
  EXPECT_EQ(judge(extension("1.2.3.4", true, {})), "crl.critical_extension");
  EXPECT_EQ(judge(extension("2.5.29.27", true, number(1))), "crl.delta");
  EXPECT_EQ(judge(extension("2.5.29.27", false, number(1))), "crl.delta");
  EXPECT_EQ(judge(extension("2.5.29.28", true, seq({}))), "crl.scope");
  EXPECT_EQ(judge(extension("2.5.29.28", false, seq({}))), "crl.scope");
  EXPECT_EQ(judge(extension("2.5.29.20", false, as_bytes("x"))), "crl.parse");
  Bytes two_numbers = number(1);
  append(two_numbers, number(1));
  EXPECT_EQ(judge(extension("2.5.29.20", false, two_numbers)), "crl.parse");
  EXPECT_EQ(judge(extension("2.5.29.20", false, der(tag::kInteger, {Bytes(1, 0x80)}))), "crl.parse");
  Bytes twice = extension("1.2.3.4", false, {});
  append(twice, extension("1.2.3.4", false, {}));
  EXPECT_EQ(judge(twice), "crl.parse");
  Bytes many;
  for (int i = 0; i < 65; ++i) append(many, extension("1.2.3." + std::to_string(i), false, {}));
  EXPECT_EQ(judge(many), "crl.parse");
  EXPECT_EQ(refusal([](CrlParts& p) {
              p.extensions.clear();
              p.after_extensions = der(tag::context_constructed(0), {seq({})});
            }),
            "crl.parse");
  EXPECT_EQ(refusal([](CrlParts& p) {
              const Bytes list = seq({extension("1.2.3.4", false, {})});
              p.extensions.clear();
              p.after_extensions = der(tag::context_constructed(0), {list, number(1)});
            }),
            "crl.parse");
}

TEST(Crl, IsSignedOnlyByItsIssuer) {
  const Crl list = Crl::from_der(good_parts().encode()).value();
  const auto judge = [&](const Certificate& by) {
    const auto verified = list.verify_signed_by(by);
    return verified ? "accepted" : std::string(verified.error().id());
  };
  EXPECT_EQ(judge(issuer()), "accepted");
  EXPECT_EQ(judge(issue_certificate(authority("other", key().public_key()), key()).value()), "crl.issuer_name");
  const PrivateKey another = PrivateKey::generate(KeyType::kP256).value();
  EXPECT_EQ(judge(issue_certificate(authority("root", another.public_key()), another).value()), "crl.signature");
  CertificateSpec no_authority = authority("root", key().public_key());
  no_authority.is_ca = false;
  EXPECT_EQ(judge(issue_certificate(no_authority, key()).value()), "crl.issuer_usage");
}

// An authority whose keyUsage has the bits given: issue_certificate always sets both.
Certificate authority_with_usage(std::uint8_t bits) {
  const Certificate made = issue_certificate(authority("root", key().public_key()), key()).value();
  Bytes bytes = made.der();
  const ByteArray<7> usual{{0x04, 0x04, 0x03, 0x02, 0x01, 0x06, 0x30}};
  const auto found = std::ranges::search(bytes, usual);
  found[5] = bits;
  return Certificate::from_der(bytes).value();
}

TEST(Crl, IsNotSignedByAnAuthorityThatMayNot) {
  const Crl list = Crl::from_der(good_parts().encode()).value();
  EXPECT_TRUE(list.verify_signed_by(authority_with_usage(0x02)));
  EXPECT_EQ(list.verify_signed_by(authority_with_usage(0x04)).error().id(), "crl.issuer_usage");
}

TEST(Crl, EverySignedByteCounts) {
  CrlParts parts = good_parts();
  parts.revoke(leaf());
  const Bytes good = parts.encode();
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes changed = good;
    changed[at] ^= 1;
    const auto list = Crl::from_der(changed);
    EXPECT_TRUE(!list || !list->verify_signed_by(issuer())) << at;
  }
}

TEST(Crl, GoesThroughPem) {
  const Bytes bytes = good_parts().encode();
  const std::string pem = codec::write_pem("X509 CRL", bytes);
  const auto read = Crl::from_pem(pem + pem);
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(read->at(1).der(), bytes);
  const auto refused = [](const std::string& text, std::size_t count = 16) {
    return std::string(Crl::from_pem(text, count).error().id());
  };
  EXPECT_EQ(refused(pem + pem, 1), "crl.size");
  EXPECT_EQ(refused(std::string(2 * kMaxCrlSize + 1, ' ')), "crl.size");
  EXPECT_EQ(refused(""), "crl.parse");
  EXPECT_EQ(refused("-----BEGIN X509 CRL-----\n"), "crl.parse");
  EXPECT_EQ(refused(codec::write_pem("CERTIFICATE", bytes)), "crl.parse");
  EXPECT_EQ(refused(codec::write_pem("X509 CRL", Bytes(3))), "crl.parse");
}

// AMD's lists: RSA-4096 with PSS. This module does not sign with RSA, OpenSSL does.
TEST(Crl, VerifiesRsaPss) {
  const UniqueKey rsa(EVP_RSA_gen(3072));
  unsigned char* spki = nullptr;
  const int size = i2d_PUBKEY(rsa.get(), &spki);
  ASSERT_GT(size, 0);
  const PublicKey public_key = PublicKey::from_spki({spki, static_cast<std::size_t>(size)}).value();
  OPENSSL_free(spki);
  const Certificate ark = issue_certificate(authority("ARK", public_key), key()).value();
  CrlParts parts = good_parts();
  parts.issuer = to_bytes(ark.subject_name());
  const auto hash_id = seq({codec::der_oid("2.16.840.1.101.3.4.2.2").value(), der(tag::kNull, {})});
  const auto mask = seq({codec::der_oid("1.2.840.113549.1.1.8").value(), hash_id});
  parts.inner_algorithm = parts.outer_algorithm =
      seq({codec::der_oid("1.2.840.113549.1.1.10").value(),
           seq({der(tag::context_constructed(0), {hash_id}), der(tag::context_constructed(1), {mask}),
                der(tag::context_constructed(2), {number(48)}), der(tag::context_constructed(3), {number(1)})})});
  parts.sign = [&](ByteView message) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* options = nullptr;
    Bytes signature(512);
    std::size_t length = signature.size();
    EXPECT_EQ(EVP_DigestSignInit(context.get(), &options, EVP_sha384(), nullptr, rsa.get()), 1);
    EXPECT_EQ(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
    EXPECT_EQ(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 48), 1);
    EXPECT_EQ(EVP_DigestSign(context.get(), signature.data(), &length, message.data(), message.size()), 1);
    signature.resize(length);
    return signature;
  };
  const Bytes bytes = parts.encode();
  const auto list = Crl::from_der(bytes);
  ASSERT_TRUE(list) << list.error().message();
  EXPECT_TRUE(list->verify_signed_by(ark));
  Bytes changed = bytes;
  changed.back() ^= 1;
  EXPECT_EQ(Crl::from_der(changed)->verify_signed_by(ark).error().id(), "crl.signature");
  // Made for the key's algorithm, not for what the list says.
  CrlParts confused = good_parts();
  confused.issuer = parts.issuer;
  EXPECT_EQ(Crl::from_der(confused.encode())->verify_signed_by(ark).error().id(), "crl.signature");
}

// Quadratic work would take longer than ctest lets a program run; so in the tests of codec and collateral that do
// alike.
TEST(Crl, AGiganticListStaysCheap) {
  CrlParts parts = good_parts();
  const Certificate revoked = leaf();
  const Bytes many = random_bytes(20 * 90'000);
  for (std::size_t i = 0; i < 90'000; ++i) {
    ByteArray<16> serial{};
    std::ranges::copy(ByteView(many).subspan(20 * i, 16), serial.begin());
    serial[0] = 0x40;
    append(parts.entries, CrlParts::entry(serial));
  }
  parts.revoke(revoked);
  const Bytes bytes = parts.encode();
  ASSERT_LT(bytes.size(), kMaxCrlSize);
  const auto list = Crl::from_der(bytes);
  ASSERT_TRUE(list) << list.error().message();
  EXPECT_EQ(list->size(), 90'001U);
  EXPECT_TRUE(list->revokes(revoked));
}

std::vector<Certificate> certificates_of(const std::filesystem::path& folder) {
  std::vector<Certificate> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".der") continue;
    if (auto read = Certificate::from_der(as_bytes(read_vector(entry.path())))) found.push_back(*std::move(read));
  }
  return found;
}

TEST(CrlVectors, EveryIntelListIsSignedByOneOfIntelsAuthorities) {
  GATEWAY_NEEDS_VECTORS();
  const std::filesystem::path vectors = vectors_folder();
  auto authorities = certificates_of(vectors / "sgx/certs");
  for (auto& anchor : certificates_of(vectors / "anchors")) authorities.push_back(std::move(anchor));
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(vectors / "sgx/crl")) {
    const auto list = Crl::from_der(as_bytes(read_vector(entry.path())));
    ASSERT_TRUE(list) << entry.path() << ": " << list.error().message();
    const std::string name = entry.path().filename();
    EXPECT_NE(name.find("_" + std::to_string(list->size()) + "rev"), std::string::npos) << name;
    EXPECT_NE(name.find("_" + to_rfc3339(list->validity().not_before).substr(0, 10)), std::string::npos) << name;
    const auto signs = [&](const Certificate& by) { return list->verify_signed_by(by).has_value(); };
    EXPECT_TRUE(std::ranges::any_of(authorities, signs)) << name;
    ++seen;
  }
  EXPECT_GE(seen, 26U);
}

TEST(CrlVectors, PemAndDerOfTheSameListAreTheSame) {
  GATEWAY_NEEDS_VECTORS();
  for (const char* name : {"intermediateCaCrl", "rootCaCrl"}) {
    const std::string stem = std::string("sgx/intel_qvl_sample/") + name;
    const auto pem = Crl::from_pem(read_vector(stem + ".pem"));
    ASSERT_TRUE(pem) << pem.error().message();
    EXPECT_EQ(pem->front().der(), to_bytes(read_vector(stem + ".der")));
  }
}

}  // namespace
}  // namespace gateway::crypto
