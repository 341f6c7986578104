#include "attestation/formats/certificate.h"

#include "attestation/formats/testing.h"
#include "attestation/verify.h"
#include "codec/der.h"
#include "codec/pem.h"
#include "crypto/vectors_for_test.h"

namespace gateway::attestation::formats {
namespace {

using crypto::Certificate;
using testing::bound;
using testing::certificate;
using testing::good_claims;
using testing::padded;
using testing::ra_tls;
using testing::refusal;

const Bytes kEvidence(100, 0x42);
const Bytes& spki() { return testing::public_key().spki(); }

Bytes open_enclave_report() {
  ByteWriter writer;
  const Bytes quote = testing::sgx_quote(Bytes(64, 1));
  writer.u32le(1);
  writer.u32le(2);
  writer.u64le(quote.size());
  writer.put(quote);
  return std::move(writer).take();
}
Bytes open_enclave_evidence() {
  const Bytes key = to_bytes(testing::public_key().to_pem().value());
  Bytes body = testing::sgx_quote(crypto::sha256(key));
  append(body, key);
  return body;
}

TEST(CertificateCarrier, FindsTheInteroperableExtension) {
  const auto found = evidence_in(certificate({{"2.23.133.5.4.9", ra_tls(kEvidence, good_claims()), false}}));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->format, Carrier::kRaTls);
  EXPECT_EQ(found->evidence, kEvidence);
}

TEST(CertificateCarrier, FindsAMessageWrapper) {
  codec::CborWriter record;
  record.array(2).text("application/x").bytes(kEvidence);
  const Bytes value = codec::der(codec::der_tag::kOctetString, {record.view()});
  for (const char* const oid : {"2.23.133.5.4.9", "1.3.6.1.5.5.7.1.35"}) {
    EXPECT_EQ(evidence_in(certificate({{oid, value, false}})).value().format, Carrier::kCmw);
  }
}

TEST(CertificateCarrier, FindsOpenEnclavesExtensions) {
  for (const char* const oid : {"1.2.840.113556.10.1.1", "1.3.6.1.4.1.311.105.1"}) {
    const auto found = evidence_in(certificate({{oid, open_enclave_report(), false}}));
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->format, Carrier::kOpenEnclaveReport);
    EXPECT_EQ(found->evidence, testing::sgx_quote(Bytes(64, 1)));
  }
  for (const char* const oid : {"1.2.840.113556.10.1.2", "1.3.6.1.4.1.311.105.2"}) {
    const auto found = evidence_in(certificate({{oid, open_enclave_evidence(), false}}));
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->format, Carrier::kOpenEnclaveEvidence);
  }
}

TEST(CertificateCarrier, FindsGraminesOidAsItIsWrittenAndAsItWasMeant) {
  const auto encoding = codec::der_oid("0.6.9.42.840.113741.1337.6").value();
  EXPECT_EQ(to_hex(encoding), "060b06092a864886f84d8a3906");
  for (const char* const oid : {"0.6.9.42.840.113741.1337.6", "1.2.840.113741.1337.6"}) {
    const auto found = evidence_in(certificate({{oid, kEvidence, false}}));
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->format, Carrier::kGramineLegacy);
    EXPECT_EQ(found->evidence, kEvidence);
    EXPECT_EQ(bound(*found, padded(crypto::sha256(spki()))), "accepted");
    EXPECT_EQ(bound(*found, padded(crypto::sha256(testing::other_key().spki()))), "carrier.binding");
  }
}

TEST(CertificateCarrier, FindsDstacksQuote) {
  const Bytes value = codec::der(codec::der_tag::kOctetString, {kEvidence});
  const auto found = evidence_in(certificate({{"1.3.6.1.4.1.62397.1.1", value, false}}));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->format, Carrier::kDstack);
  EXPECT_EQ(found->evidence, kEvidence);
  EXPECT_EQ(bound(*found, to_bytes(ByteView(crypto::sha512({as_bytes("ratls-cert:"), spki()})))), "accepted");
  EXPECT_EQ(bound(*found, to_bytes(ByteView(crypto::sha512(spki())))), "carrier.binding");
}

TEST(CertificateCarrier, RefusesDstacksExtensionInAnotherEncoding) {
  Bytes trailing = codec::der(codec::der_tag::kOctetString, {kEvidence});
  trailing.push_back(0);
  for (const Bytes& value : {kEvidence, trailing, Bytes{}}) {
    EXPECT_EQ(refusal(evidence_in(certificate({{"1.3.6.1.4.1.62397.1.1", value, false}}))), "carrier.dstack.encoding");
  }
  const Bytes empty = codec::der(codec::der_tag::kOctetString, {});
  EXPECT_EQ(refusal(evidence_in(certificate({{"1.3.6.1.4.1.62397.1.1", empty, false}}))), "carrier.evidence_size");
}

TEST(CertificateCarrier, FindsADocumentInAName) {
  const Bytes document = testing::fake_nitro().document();
  const auto found = evidence_in(certificate({}, {"plain.example", to_hex(document) + ".app.example"}));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->format, Carrier::kEvervault);
  EXPECT_EQ(found->evidence, document);
  EXPECT_EQ(bound(*found, spki()), "accepted");
  EXPECT_EQ(bound(*found, testing::other_key().spki()), "carrier.binding");
  EXPECT_EQ(bound(*found, to_bytes(ByteView(crypto::sha256(spki())))), "carrier.binding");
}

TEST(CertificateCarrier, FindsNothingInOrdinaryCertificates) {
  EXPECT_EQ(refusal(evidence_in(certificate({}))), "carrier.none");
  EXPECT_EQ(refusal(evidence_in(certificate({}, {"example.org", "8444.example.org"}))), "carrier.none");
  EXPECT_EQ(refusal(evidence_in(certificate({}, {std::string(200, '7') + ".example.org"}))), "carrier.none");
  EXPECT_EQ(refusal(evidence_in(certificate({}, {std::string(200, 'x') + ".example.org"}))), "carrier.none");
  EXPECT_EQ(refusal(evidence_in(certificate({{"1.2.3.4", kEvidence, false}}))), "carrier.none");
}

// A certificate with several forms is judged by one of them, and always by the same.
TEST(CertificateCarrier, TakesTheFirstFormOfAFixedOrder) {
  const Bytes dstack = codec::der(codec::der_tag::kOctetString, {kEvidence});
  std::vector<crypto::CertificateSpec::Extension> extensions = {
      {"0.6.9.42.840.113741.1337.6", kEvidence, false},
      {"1.3.6.1.4.1.62397.1.1", dstack, false},
      {"1.2.840.113556.10.1.1", open_enclave_report(), false},
      {"1.2.840.113556.10.1.2", open_enclave_evidence(), false},
      {"2.23.133.5.4.9", ra_tls(kEvidence, good_claims()), false}};
  for (const Carrier expected : {Carrier::kRaTls, Carrier::kOpenEnclaveEvidence, Carrier::kOpenEnclaveReport,
                                 Carrier::kDstack, Carrier::kGramineLegacy}) {
    EXPECT_EQ(evidence_in(certificate(extensions)).value().format, expected);
    extensions.pop_back();
  }
}

// The preferred form is there and broken: nothing weaker takes its place.
TEST(CertificateCarrier, NeverFallsBackToAnotherForm) {
  EXPECT_EQ(refusal(evidence_in(
                certificate({{"2.23.133.5.4.9", Bytes{0}, false}, {"0.6.9.42.840.113741.1337.6", kEvidence, false}}))),
            "carrier.cmw.encoding");
}

TEST(CertificateCarrier, ReadsDerAndPem) {
  const Certificate leaf = certificate({{"2.23.133.5.4.9", ra_tls(kEvidence, good_claims()), false}});
  EXPECT_EQ(refusal(evidence_in_certificate(leaf.der())), "accepted");
  const std::string pem = leaf.to_pem();
  EXPECT_EQ(refusal(evidence_in_certificate(as_bytes(pem))), "accepted");
  const std::string chain = "subject=endpoint\n" + pem + testing::fake_nitro().root().to_pem();
  EXPECT_EQ(refusal(evidence_in_certificate(as_bytes(chain))), "accepted");
  const std::string reversed = testing::fake_nitro().root().to_pem() + pem;
  EXPECT_EQ(refusal(evidence_in_certificate(as_bytes(reversed))), "carrier.none");
}

TEST(CertificateCarrier, RefusesWhatIsNoCertificate) {
  EXPECT_EQ(refusal(evidence_in_certificate({})), "carrier.certificate");
  EXPECT_EQ(refusal(evidence_in_certificate(Bytes{0x30, 0x00})), "carrier.certificate");
  EXPECT_EQ(refusal(evidence_in_certificate(as_bytes("hello"))), "carrier.certificate");
  EXPECT_EQ(refusal(evidence_in_certificate(as_bytes(codec::write_pem("PUBLIC KEY", spki())))), "carrier.certificate");
  EXPECT_EQ(refusal(evidence_in_certificate(as_bytes("-----BEGIN CERTIFICATE-----\n!\n"))), "carrier.certificate");
  EXPECT_EQ(refusal(evidence_in_certificate(Bytes(kMaxCarrierCertificate + 1, 0x30))), "carrier.certificate_size");
}

// A certificate of a real endpoint. Its document is long expired, and was not in debug mode.
TEST(CertificateCarrier, ReadsARealCertificateOfEvervault) {
  GATEWAY_NEEDS_VECTORS();
  const std::string file = crypto::read_vector("nitro/evervault_tls_cert_with_doc_nondebug_2023-01-18.der");
  const auto found = evidence_in_certificate(as_bytes(file));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->format, Carrier::kEvervault);
  const Verification verification = verify(found->evidence, nullptr,
                                           {.at = from_rfc3339("2023-01-18T13:10:00Z").value(),
                                            .platform = {},
                                            .nitro = {},
                                            .collateral = {},
                                            .expected_nonce = {},
                                            .expected_report_data = {},
                                            .challenge = {},
                                            .config_digest = {},
                                            .caches = nullptr});
  ASSERT_TRUE(verification.claims) << verification.reason.value().message();
  EXPECT_EQ(verification.claims->platform(), Platform::kNitro);
  EXPECT_FALSE(verification.claims->debug());
  CheckList checks;
  EXPECT_EQ(refusal(check_binding(*found, *verification.claims, checks)), "accepted");
}

}  // namespace
}  // namespace gateway::attestation::formats
