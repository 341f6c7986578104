#include "attestation/dcap/authenticate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "attestation/testing/fake_intel.h"
#include "codec/pem.h"

namespace gateway::attestation::dcap {
namespace {

using attestation::testing::fake_intel;
using attestation::testing::FakeIntel;
using attestation::testing::FakeQeIdentity;
using attestation::testing::FakeTcbInfo;
using attestation::testing::IntelCertificate;
using attestation::testing::IntelOptions;
using attestation::testing::kNow;
using attestation::testing::QuoteParts;
using attestation::testing::to_json;

std::string refusal(const Result<Claims>& claims) { return claims ? "" : std::string(claims.error().id()); }

// Of a quote whose chain was made with these options.
std::string refusal_of(const IntelOptions& options) {
  const FakeIntel vendor(options);
  return refusal(vendor.authenticate(vendor.tdx_quote()));
}
IntelOptions altered(std::function<void(IntelCertificate, crypto::CertificateSpec&)> alter) {
  IntelOptions options;
  options.alter = std::move(alter);
  return options;
}
std::string refusal_of(const std::function<void(QuoteParts&)>& change) {
  QuoteParts parts = fake_intel().tdx_parts(4);
  change(parts);
  return refusal(fake_intel().authenticate(fake_intel().build(parts)));
}

// keyUsage as crypto writes it, a BIT STRING of one byte, replaced by another.
IntelOptions with_key_usage(IntelCertificate which, ByteArray<4> from, ByteArray<4> to) {
  IntelOptions options;
  options.patch = [=](IntelCertificate at, Bytes& tbs) {
    if (at != which) return;
    const auto found = std::ranges::search(tbs, from);
    ASSERT_FALSE(found.empty());
    std::ranges::copy(to, found.begin());
  };
  return options;
}
constexpr ByteArray<4> kLeafUsage{{0x03, 0x02, 0x07, 0x80}};       // digitalSignature
constexpr ByteArray<4> kAuthorityUsage{{0x03, 0x02, 0x01, 0x06}};  // keyCertSign, cRLSign

struct Kind {
  Tee tee;
  std::uint16_t version;
  bool report15;
};
constexpr std::array kKinds{Kind{Tee::kSgx, 3, false}, Kind{Tee::kSgx, 4, false}, Kind{Tee::kSgx, 5, false},
                            Kind{Tee::kTdx, 4, false}, Kind{Tee::kTdx, 5, false}, Kind{Tee::kTdx, 5, true}};
QuoteParts parts_of(const Kind& kind) {
  return kind.tee == Tee::kSgx ? fake_intel().sgx_parts(kind.version)
                               : fake_intel().tdx_parts(kind.version, kind.report15);
}

TEST(DcapAuthenticate, AcceptsGoodQuotesOfEveryKind) {
  const Collateral collateral = fake_intel().collateral();
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.version);
    const auto claims = fake_intel().authenticate(fake_intel().build(parts_of(kind)), collateral);
    ASSERT_TRUE(claims) << claims.error().message();
    EXPECT_EQ(claims->platform(), kind.tee == Tee::kSgx ? Platform::kSgx : Platform::kTdx);
    EXPECT_FALSE(claims->debug());
    EXPECT_EQ(claims->revocation(), Revocation::kChecked);
    EXPECT_EQ(to_hex(*claims->report_data()), to_hex(Bytes(64, 0x11)));
    const TcbStatement& tcb = *claims->tcb();
    EXPECT_EQ(tcb.status, "UpToDate");
    EXPECT_EQ(tcb.platform_status, "UpToDate");
    EXPECT_EQ(tcb.qe_status, "UpToDate");
    EXPECT_EQ(tcb.tdx_module_status.has_value(), kind.tee == Tee::kTdx);
    EXPECT_TRUE(tcb.advisories.empty());
    EXPECT_EQ(tcb.evaluation_number, 17U);
    EXPECT_EQ(tcb.next_update, kNow + std::chrono::days(20));
    for (const Check& check : claims->checks()) EXPECT_EQ(check.outcome, Outcome::kOk) << check.id;
  }
}

TEST(DcapAuthenticate, TellsTheFieldsOfAnEnclave) {
  const auto claims = fake_intel().authenticate(fake_intel().sgx_quote(3));
  ASSERT_TRUE(claims);
  const SgxReportBody& report = claims->sgx().report;
  EXPECT_EQ(to_hex(report.mr_enclave), to_hex(Bytes(32, 0xa0)));
  EXPECT_EQ(to_hex(report.mr_signer), to_hex(Bytes(32, 0xa1)));
  EXPECT_EQ(report.isv_prod_id, 0x1234);
  EXPECT_EQ(report.isv_svn, 5);
  EXPECT_EQ(report.config_svn, 3);
  EXPECT_EQ(to_hex(report.config_id), to_hex(Bytes(64, 0x0c)));
  EXPECT_EQ(to_hex(report.isv_family_id), to_hex(Bytes(16, 0x0f)));
  EXPECT_EQ(to_hex(report.attributes), "0500000000000000e700000000000000");
  const DcapPlatform& platform = claims->sgx().platform;
  EXPECT_EQ(platform.quote_version, 3);
  EXPECT_EQ(platform.qe_svn, 8);
  EXPECT_EQ(platform.pce_svn_header, 11);
  EXPECT_EQ(platform.pck_ca, "platform");
  EXPECT_EQ(platform.pce_svn, 11);
  EXPECT_EQ(platform.qe_isv_svn, 8);
  EXPECT_EQ(to_hex(platform.fmspc), "00806f050000");
  EXPECT_EQ(platform.sgx_type, DcapSgxType::kScalable);
  EXPECT_EQ(platform.configuration->smt_enabled, false);
  EXPECT_EQ(to_hex(*platform.platform_instance_id), to_hex(Bytes(16, 0x44)));
}

TEST(DcapAuthenticate, TellsTheFieldsOfATd) {
  const auto claims = fake_intel().authenticate(fake_intel().tdx_quote(5, true));
  ASSERT_TRUE(claims);
  const TdxClaims& tdx = claims->tdx();
  EXPECT_EQ(to_hex(tdx.mr_td), to_hex(Bytes(48, 0xb0)));
  EXPECT_EQ(to_hex(tdx.mr_seam), to_hex(Bytes(48, 0xb2)));
  EXPECT_EQ(to_hex(tdx.mr_config_id), to_hex(Bytes(48, 0xb3)));
  EXPECT_EQ(to_hex(tdx.mr_owner), to_hex(Bytes(48, 0xb4)));
  EXPECT_EQ(to_hex(tdx.mr_owner_config), to_hex(Bytes(48, 0xb5)));
  for (std::uint8_t i = 0; i < 4; ++i) {
    EXPECT_EQ(to_hex(tdx.rtmr.at(i)), to_hex(Bytes(48, static_cast<std::uint8_t>(0xc0 + i))));
  }
  EXPECT_EQ(to_hex(tdx.td_attributes), "0000001000000000");
  EXPECT_EQ(to_hex(tdx.xfam), "e700060000000000");
  EXPECT_EQ(to_hex(*tdx.mr_service_td), to_hex(Bytes(48, 0xb7)));
  EXPECT_EQ(tdx.tee_tcb_svn_2, tdx.tee_tcb_svn);
  EXPECT_FALSE(fake_intel().authenticate(fake_intel().tdx_quote(4))->tdx().mr_service_td);
}

TEST(DcapAuthenticate, KnowsTheProcessorCa) {
  IntelOptions options;
  options.processor_ca = true;
  options.pck = FakeIntel::pck_fields();
  options.pck.platform_instance_id.reset();
  options.pck.configuration.reset();
  const FakeIntel vendor(options);
  const auto claims = vendor.authenticate(vendor.sgx_quote());
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_EQ(claims->sgx().platform.pck_ca, "processor");
  EXPECT_FALSE(claims->sgx().platform.configuration);
}

TEST(DcapAuthenticate, SaysUnknownWithoutCollateral) {
  const auto claims = fake_intel().authenticate(fake_intel().tdx_quote());
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->tcb()->status, "Unknown");
  EXPECT_FALSE(claims->tcb()->evaluation_number);
  EXPECT_EQ(claims->revocation(), Revocation::kUnknown);
  // The intersection of the path's windows is the leaf's.
  EXPECT_EQ(claims->validity().not_before, kNow - std::chrono::days(300));
  EXPECT_EQ(claims->validity().not_after, kNow + std::chrono::days(2200));
}

TEST(DcapAuthenticate, TellsDebug) {
  QuoteParts sgx = fake_intel().sgx_parts(3);
  sgx.body[48] |= 2U;
  EXPECT_TRUE(fake_intel().authenticate(fake_intel().build(sgx))->debug());
  for (std::uint8_t bit = 0; bit < 8; ++bit) {  // TUD: whichever of its bits makes a TD untrusted
    QuoteParts tdx = fake_intel().tdx_parts(4);
    tdx.body[120] = static_cast<std::uint8_t>(1U << bit);
    EXPECT_TRUE(fake_intel().authenticate(fake_intel().build(tdx))->debug());
  }
}

TEST(DcapAuthenticate, RefusesIntelsNamesUnderAnotherRoot) {
  const Bytes quote = fake_intel().tdx_quote();
  const auto parsed = parse_quote(quote);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(refusal(authenticate(*parsed, {}, kNow)), "dcap.chain.anchor");
}

TEST(DcapAuthenticate, HoldsIntelsRootToItsPin) {
  EXPECT_EQ(to_hex(crypto::sha256(intel_root().public_key().spki())),
            "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e");
  EXPECT_EQ(intel_root().subject_common_name(), "Intel SGX Root CA");
}

TEST(DcapAuthenticate, TakesTheRootByItsKeyNotItsCertificate) {
  // Another certificate of the same key, such as Intel's second one.
  crypto::CertificateSpec spec{.subject_common_name = "Intel SGX Root CA",
                               .issuer_common_name = "Intel SGX Root CA",
                               .subject_key = fake_intel().root().public_key(),
                               .validity = {kNow - std::chrono::days(9), kNow - std::chrono::days(8)},
                               .is_ca = true};
  const auto other = crypto::issue_certificate(spec, fake_intel().key(IntelCertificate::kRootCa));
  ASSERT_TRUE(other);
  QuoteParts parts = fake_intel().tdx_parts(4);
  parts.certification_data = to_bytes(fake_intel().certificate(IntelCertificate::kPck).to_pem() +
                                      fake_intel().certificate(IntelCertificate::kPckCa).to_pem() + other->to_pem());
  EXPECT_EQ(refusal(fake_intel().authenticate(fake_intel().build(parts))), "");
}

TEST(DcapAuthenticate, RefusesTheTimesOutsideEveryCertificate) {
  const Bytes quote = fake_intel().tdx_quote();
  const TimeWindow leaf = fake_intel().certificate(IntelCertificate::kPck).validity();
  EXPECT_EQ(refusal(fake_intel().authenticate(quote, {}, leaf.not_before)), "");
  EXPECT_EQ(refusal(fake_intel().authenticate(quote, {}, leaf.not_after)), "");
  const auto early = fake_intel().authenticate(quote, {}, leaf.not_before - std::chrono::seconds(1));
  const auto late = fake_intel().authenticate(quote, {}, leaf.not_after + std::chrono::seconds(1));
  EXPECT_EQ(refusal(early), "dcap.chain.validity");
  EXPECT_EQ(refusal(late), "dcap.chain.validity");
  EXPECT_EQ(late.error().code(), ErrorCode::kExpired);
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, crypto::CertificateSpec& spec) {
              if (which == IntelCertificate::kPckCa) spec.validity.not_after = kNow - std::chrono::seconds(1);
            })),
            "dcap.chain.validity");
}

TEST(DcapAuthenticate, RefusesChainsThatIntelDoesNotIssue) {
  using crypto::CertificateSpec;
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, CertificateSpec& spec) {
              if (which == IntelCertificate::kPck) spec.issuer_common_name = "Intel SGX PCK Processor CA";
            })),
            "dcap.chain.name");
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, CertificateSpec& spec) {
              if (which == IntelCertificate::kPck) spec.subject_common_name = "Intel SGX TCB Signing";
            })),
            "dcap.chain.common_name");
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, CertificateSpec& spec) {
              if (which == IntelCertificate::kPckCa) spec.subject_common_name = "Intel SGX Another CA";
              if (which == IntelCertificate::kPck) spec.issuer_common_name = "Intel SGX Another CA";
            })),
            "dcap.chain.common_name");
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, CertificateSpec& spec) {
              if (which != IntelCertificate::kPckCa) return;
              spec.is_ca = false;
              spec.path_length.reset();
            })),
            "dcap.chain.not_ca");
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, CertificateSpec& spec) {
              if (which == IntelCertificate::kRootCa) spec.path_length = 0;
            })),
            "dcap.chain.path_length");
  EXPECT_EQ(refusal_of(with_key_usage(IntelCertificate::kPckCa, kAuthorityUsage, {{0x03, 0x02, 0x01, 0x02}})),
            "dcap.chain.key_usage");
  EXPECT_EQ(refusal_of(with_key_usage(IntelCertificate::kPck, kLeafUsage, {{0x03, 0x02, 0x02, 0x84}})),
            "dcap.chain.leaf_usage");
  EXPECT_EQ(refusal_of(with_key_usage(IntelCertificate::kPck, kLeafUsage, {{0x03, 0x02, 0x01, 0x82}})),
            "dcap.chain.leaf_usage");
  EXPECT_EQ(refusal_of(with_key_usage(IntelCertificate::kPck, kLeafUsage, {{0x03, 0x02, 0x06, 0x40}})),
            "dcap.chain.leaf_usage");
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, CertificateSpec& spec) {
              if (which == IntelCertificate::kPck) spec.is_ca = true;
            })),
            "dcap.chain.leaf_usage");
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, CertificateSpec& spec) {
              if (which == IntelCertificate::kPck) spec.extensions.clear();
            })),
            "dcap.pck.extension");
  EXPECT_EQ(refusal_of(altered([](IntelCertificate which, CertificateSpec& spec) {
              if (which == IntelCertificate::kPck) spec.extensions.front().value.push_back(0);
            })),
            "dcap.pck.extension");
  IntelOptions p384;
  p384.pck_key = crypto::KeyType::kP384;
  EXPECT_EQ(refusal_of(p384), "dcap.chain.key");
}

TEST(DcapAuthenticate, RefusesCertificatesWithAnUnknownAlgorithm) {
  Bytes der = fake_intel().certificate(IntelCertificate::kPck).der();
  const ByteArray<8> ecdsa_sha256{{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}};
  for (int i = 0; i < 2; ++i) {
    const auto found = std::ranges::search(der, ecdsa_sha256);
    ASSERT_FALSE(found.empty());
    *(found.end() - 1) = 0x09;
  }
  const std::string chain = fake_intel().pck_chain();
  EXPECT_EQ(refusal_of([&](QuoteParts& parts) {
              parts.certification_data =
                  to_bytes(codec::write_pem("CERTIFICATE", der) + chain.substr(chain.find("-----END") + 26));
            }),
            "dcap.chain.unsupported");
}

TEST(DcapAuthenticate, RefusesForgedChains) {
  const FakeIntel other;
  const auto chain_of = [](const FakeIntel& leaf, const FakeIntel& intermediate, const FakeIntel& root) {
    return to_bytes(leaf.certificate(IntelCertificate::kPck).to_pem() +
                    intermediate.certificate(IntelCertificate::kPckCa).to_pem() + root.root().to_pem());
  };
  const FakeIntel& ours = fake_intel();
  EXPECT_EQ(refusal_of([&](QuoteParts& parts) { parts.certification_data = chain_of(other, ours, ours); }),
            "dcap.chain.signature");
  EXPECT_EQ(refusal_of([&](QuoteParts& parts) { parts.certification_data = chain_of(other, other, ours); }),
            "dcap.chain.signature");
  EXPECT_EQ(refusal_of([&](QuoteParts& parts) { parts.certification_data = chain_of(other, other, other); }),
            "dcap.chain.anchor");
}

TEST(DcapAuthenticate, RefusesCertificationDataThatIsNotThreePemBlocks) {
  const std::string chain = fake_intel().pck_chain();
  const auto refusal_with = [](const std::string& data) {
    return refusal_of([&](QuoteParts& parts) { parts.certification_data = to_bytes(data); });
  };
  EXPECT_EQ(refusal_with(chain), "");
  EXPECT_EQ(refusal_with(chain + " \r\n\t" + std::string(3, '\0')), "");
  EXPECT_EQ(refusal_with("x" + chain), "dcap.chain.pem");
  EXPECT_EQ(refusal_with(chain + "x"), "dcap.chain.pem");
  EXPECT_EQ(refusal_with(std::string(1, '\0') + chain), "dcap.chain.pem");
  EXPECT_EQ(refusal_with(""), "dcap.chain.count");
  EXPECT_EQ(refusal_with(chain + chain), "dcap.chain.count");
  EXPECT_EQ(refusal_with(chain.substr(0, chain.size() - 20)), "dcap.chain.pem");
  std::string damaged = chain;
  damaged[100] = '*';
  EXPECT_EQ(refusal_with(damaged), "dcap.chain.pem");
  damaged = chain;
  damaged[damaged.find('\n') + 1] = 'A';  // no SEQUENCE any more
  EXPECT_EQ(refusal_with(damaged), "dcap.chain.certificate");
  const std::string block = fake_intel().root().to_pem();
  EXPECT_EQ(
      refusal_with(chain.substr(0, chain.size() - block.size()) + codec::write_pem("CERTIFICATE", Bytes{0x30, 0})),
      "dcap.chain.certificate");
  EXPECT_EQ(refusal_with(block + chain.substr(0, chain.size() - block.size())), "dcap.chain.anchor");  // another order
  std::string long_block = "-----BEGIN CERTIFICATE-----\n";
  for (int i = 0; i < 100; ++i) long_block += std::string(64, 'A') + "\n";
  long_block += "-----END CERTIFICATE-----\n";
  EXPECT_EQ(refusal_with(long_block + chain.substr(chain.find("-----END") + 26)), "dcap.chain.certificate");
}

TEST(DcapAuthenticate, RefusesAQeReportThatDoesNotBindTheKey) {
  EXPECT_EQ(refusal_of([](QuoteParts& parts) { parts.alter_qe = [](Bytes& report) { report[320] ^= 1U; }; }),
            "dcap.qe_report.binding");
  EXPECT_EQ(refusal_of([](QuoteParts& parts) { parts.alter_qe = [](Bytes& report) { report[383] = 1; }; }),
            "dcap.qe_report.binding");
}

TEST(DcapAuthenticate, RefusesAnAttestationKeyThatIsNoPoint) {
  EXPECT_EQ(refusal_of([](QuoteParts& parts) { parts.alter_key = [](Bytes& key) { key.assign(64, 7); }; }),
            "dcap.quote.attestation_key");
}

TEST(DcapAuthenticate, RefusesAQeReportThatThePckDidNotSign) {
  Bytes quote = fake_intel().tdx_quote();
  const auto parsed = parse_quote(quote);
  ASSERT_TRUE(parsed);
  const auto offset = parsed->qe_report_signature.data() - quote.data();
  quote[static_cast<std::size_t>(offset)] ^= 1U;
  EXPECT_EQ(refusal(fake_intel().authenticate(quote)), "dcap.qe_report.signature");
}

// A key of another quote's QE, with its own good QE report: the quote's signature is by another key.
TEST(DcapAuthenticate, RefusesAnotherAttestersKey) {
  const FakeIntel twin;  // its attestation key is another
  Bytes quote = fake_intel().tdx_quote();
  Bytes other = twin.tdx_quote();
  const auto from = parse_quote(other);
  const auto to = parse_quote(quote);
  ASSERT_TRUE(from && to);
  std::ranges::copy(from->signature, quote.begin() + (to->signature.data() - quote.data()));
  EXPECT_EQ(refusal(fake_intel().authenticate(quote)), "dcap.quote.signature");
}

TEST(DcapAuthenticate, RefusesEveryFlippedBitThatIsSigned) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.version);
    Bytes quote = fake_intel().build(parts_of(kind));
    const auto parsed = parse_quote(quote);
    ASSERT_TRUE(parsed);
    const std::size_t signed_size = parsed->signed_region.size();
    const auto qe_report = static_cast<std::size_t>(parsed->qe_report.data() - quote.data());
    std::vector<std::size_t> positions;
    for (std::size_t i = 0; i < signed_size; ++i) positions.push_back(i);
    // Signature, key, QE report, its signature and authentication data: all of it is vouched for.
    for (std::size_t i = signed_size + 4; i < signed_size + 4 + 128; ++i) positions.push_back(i);
    for (std::size_t i = qe_report; i < qe_report + 384 + 64 + 2 + 32; ++i) positions.push_back(i);
    for (const std::size_t position : positions) {
      const auto bit = static_cast<std::uint8_t>(1U << (position % 8));  // one of each byte: eight times the time
      quote[position] ^= bit;
      EXPECT_FALSE(fake_intel().authenticate(quote)) << position;
      quote[position] ^= bit;
    }
    EXPECT_TRUE(fake_intel().authenticate(quote));
  }
}

// --- Revocation ---

TEST(DcapRevocation, RefusesWhatACurrentListRevokes) {
  const Bytes quote = fake_intel().tdx_quote();
  Collateral collateral;
  collateral.crls = {fake_intel().pck_crl({fake_intel().certificate(IntelCertificate::kPck)})};
  EXPECT_EQ(refusal(fake_intel().authenticate(quote, collateral)), "dcap.revoked.pck");
  collateral.crls = {fake_intel().root_crl({fake_intel().certificate(IntelCertificate::kPckCa)})};
  EXPECT_EQ(refusal(fake_intel().authenticate(quote, collateral)), "dcap.revoked.intermediate");
  // An older list that is still current and does not know of it yet does not help.
  collateral.crls = {fake_intel().pck_crl({}, std::chrono::days(2)),
                     fake_intel().pck_crl({fake_intel().certificate(IntelCertificate::kPck)}),
                     fake_intel().pck_crl({}, std::chrono::days(3))};
  EXPECT_EQ(refusal(fake_intel().authenticate(quote, collateral)), "dcap.revoked.pck");
}

TEST(DcapRevocation, NeedsBothListsToSayChecked) {
  const Bytes quote = fake_intel().tdx_quote();
  Collateral collateral;
  const auto revocation = [&] { return fake_intel().authenticate(quote, collateral)->revocation(); };
  collateral.crls = {fake_intel().pck_crl()};
  EXPECT_EQ(revocation(), Revocation::kUnknown);
  collateral.crls = {fake_intel().root_crl()};
  EXPECT_EQ(revocation(), Revocation::kUnknown);
  collateral.crls = {fake_intel().root_crl(), fake_intel().pck_crl()};
  EXPECT_EQ(revocation(), Revocation::kChecked);
  const auto claims = fake_intel().authenticate(quote, collateral);
  EXPECT_EQ(claims->validity().not_after, kNow + std::chrono::days(29));
}

TEST(DcapRevocation, IgnoresListsThatAreStaleEarlyOrNotTheIssuers) {
  const Bytes quote = fake_intel().tdx_quote();
  const std::vector revoked{fake_intel().certificate(IntelCertificate::kPck)};
  const FakeIntel other;  // the same names, other keys
  Collateral collateral;
  for (const auto& list :
       {fake_intel().pck_crl(revoked, std::chrono::days(31)), fake_intel().pck_crl(revoked, -std::chrono::days(1)),
        other.pck_crl(revoked), fake_intel().root_crl(revoked)}) {
    collateral.crls = {list};
    const auto claims = fake_intel().authenticate(quote, collateral);
    ASSERT_TRUE(claims) << claims.error().message();
    EXPECT_EQ(claims->revocation(), Revocation::kUnknown);
  }
}

TEST(DcapRevocation, TrustsNoTcbDataOfARevokedSigner) {
  Collateral collateral = fake_intel().collateral();
  EXPECT_EQ(fake_intel().authenticate(fake_intel().tdx_quote(), collateral)->tcb()->status, "UpToDate");
  collateral.crls = {fake_intel().root_crl({fake_intel().certificate(IntelCertificate::kTcbSigning)})};
  const auto claims = fake_intel().authenticate(fake_intel().tdx_quote(), collateral);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->tcb()->status, "Unknown");
}

// --- TCB data ---

// The status with these documents for a TDX 1.0 quote.
Result<Claims> with_documents(const FakeTcbInfo& info, const FakeQeIdentity& identity,
                              const std::function<void(QuoteParts&)>& change = {}) {
  Collateral collateral = fake_intel().collateral();
  collateral.tcb_infos = {fake_intel().sign_tcb_info(to_json(info))};
  collateral.qe_identities = {fake_intel().sign_qe_identity(to_json(identity))};
  QuoteParts parts = fake_intel().tdx_parts(4);
  if (change) change(parts);
  return fake_intel().authenticate(fake_intel().build(parts), collateral);
}
std::string status_with(const FakeTcbInfo& info) {
  const auto claims = with_documents(info, fake_intel().qe_identity(Tee::kTdx));
  return claims ? claims->tcb()->status : refusal(claims);
}

TEST(DcapTcb, AppliesOnlyToThePlatformItNames) {
  FakeTcbInfo info = fake_intel().tcb_info(Tee::kTdx);
  EXPECT_EQ(status_with(info), "UpToDate");
  info.fmspc = "00806F050001";
  EXPECT_EQ(status_with(info), "Unknown");
  info = fake_intel().tcb_info(Tee::kTdx);
  info.pce_id = "0100";
  EXPECT_EQ(status_with(info), "Unknown");
  EXPECT_EQ(status_with(fake_intel().tcb_info(Tee::kSgx)), "Unknown");
}

TEST(DcapTcb, AppliesOnlyWithinItsDates) {
  FakeTcbInfo info = fake_intel().tcb_info(Tee::kTdx);
  info.window = {kNow, kNow};
  EXPECT_EQ(status_with(info), "UpToDate");
  info.window = {kNow + std::chrono::seconds(1), kNow + std::chrono::days(1)};
  EXPECT_EQ(status_with(info), "Unknown");
  info.window = {kNow - std::chrono::days(1), kNow - std::chrono::seconds(1)};
  EXPECT_EQ(status_with(info), "Unknown");
}

TEST(DcapTcb, CountsOnlyWhatIntelSigned) {
  const FakeIntel other;
  const Bytes quote = fake_intel().tdx_quote();
  const std::string inner = to_json(fake_intel().tcb_info(Tee::kTdx));
  Collateral collateral = fake_intel().collateral();
  const auto status = [&] { return fake_intel().authenticate(quote, collateral)->tcb()->status; };
  collateral.tcb_infos = {fake_intel().sign_tcb_info(inner, &other.key(IntelCertificate::kTcbSigning))};
  EXPECT_EQ(status(), "Unknown");
  collateral.tcb_infos = {fake_intel().sign_tcb_info(inner, &fake_intel().key(IntelCertificate::kPck))};
  EXPECT_EQ(status(), "Unknown");
  collateral = fake_intel().collateral();
  collateral.certificates = {other.certificate(IntelCertificate::kTcbSigning)};
  EXPECT_EQ(status(), "Unknown");
  collateral.certificates.clear();
  EXPECT_EQ(status(), "Unknown");
  // More signers than are ever tried.
  collateral = fake_intel().collateral();
  collateral.certificates.insert(collateral.certificates.begin(), 64, other.certificate(IntelCertificate::kTcbSigning));
  EXPECT_EQ(status(), "Unknown");
  collateral.certificates.erase(collateral.certificates.begin());
  EXPECT_EQ(status(), "UpToDate");
  // One flipped character of a signed document.
  collateral = fake_intel().collateral();
  std::string text = inner;
  text[text.find("tcbEvaluationDataNumber\":1") + 25] = '9';
  Bytes forged = fake_intel().sign_tcb_info(inner);
  std::ranges::copy(text, forged.begin() + 11);
  collateral.tcb_infos = {forged};
  EXPECT_EQ(status(), "Unknown");
}

TEST(DcapTcb, TrustsOnlySignersOfTheRightKind) {
  const auto status = [](const IntelOptions& options) {
    const FakeIntel vendor(options);
    return vendor.authenticate(vendor.tdx_quote(), vendor.collateral())->tcb()->status;
  };
  EXPECT_EQ(status({}), "UpToDate");
  EXPECT_EQ(status(altered([](IntelCertificate which, crypto::CertificateSpec& spec) {
              if (which == IntelCertificate::kTcbSigning) spec.subject_common_name = "Intel SGX PCK Certificate";
            })),
            "Unknown");
  EXPECT_EQ(status(altered([](IntelCertificate which, crypto::CertificateSpec& spec) {
              if (which == IntelCertificate::kTcbSigning) spec.validity.not_after = kNow - std::chrono::seconds(1);
            })),
            "Unknown");
  EXPECT_EQ(status(altered([](IntelCertificate which, crypto::CertificateSpec& spec) {
              if (which == IntelCertificate::kTcbSigning) spec.is_ca = true;
            })),
            "Unknown");
  EXPECT_EQ(status(with_key_usage(IntelCertificate::kTcbSigning, kLeafUsage, {{0x03, 0x02, 0x06, 0x40}})), "Unknown");
  EXPECT_EQ(status(with_key_usage(IntelCertificate::kTcbSigning, kLeafUsage, {{0x03, 0x02, 0x02, 0x84}})), "Unknown");
}

TEST(DcapTcb, CountsTheHighestEvaluationNumberThatIsGood) {
  FakeTcbInfo older = fake_intel().tcb_info(Tee::kTdx);
  older.evaluation_number = 16;
  FakeTcbInfo newer = older;
  newer.evaluation_number = 18;
  newer.levels.front().status = "OutOfDate";
  const FakeIntel other;
  Collateral collateral = fake_intel().collateral();
  collateral.tcb_infos = {fake_intel().sign_tcb_info(to_json(older)), fake_intel().sign_tcb_info(to_json(newer))};
  const auto tcb = [&] { return *fake_intel().authenticate(fake_intel().tdx_quote(), collateral)->tcb(); };
  EXPECT_EQ(tcb().status, "OutOfDate");
  EXPECT_EQ(tcb().evaluation_number, 17U);  // the QE identity's is lower
  // A higher one that is forged, malformed or not current does not hide the others.
  newer.evaluation_number = 99;
  collateral.tcb_infos = {fake_intel().sign_tcb_info(to_json(newer), &other.key(IntelCertificate::kTcbSigning)),
                          fake_intel().sign_tcb_info(to_json(older)), to_bytes("{\"tcbInfo\":{},\"signature\":\"\"}")};
  newer.window.not_after = kNow - std::chrono::seconds(1);
  collateral.tcb_infos.push_back(fake_intel().sign_tcb_info(to_json(newer)));
  EXPECT_EQ(tcb().status, "UpToDate");
  EXPECT_EQ(tcb().evaluation_number, 16U);
}

TEST(DcapTcb, CountsTheLatestIssueDateAmongEquals) {
  FakeTcbInfo older = fake_intel().tcb_info(Tee::kTdx);
  FakeTcbInfo newer = older;
  newer.window.not_before += std::chrono::seconds(1);
  newer.levels.front().status = "ConfigurationNeeded";
  Collateral collateral = fake_intel().collateral();
  const std::vector both{fake_intel().sign_tcb_info(to_json(older)), fake_intel().sign_tcb_info(to_json(newer))};
  for (const bool reversed : {false, true}) {
    collateral.tcb_infos = both;
    if (reversed) std::ranges::reverse(collateral.tcb_infos);
    EXPECT_EQ(fake_intel().authenticate(fake_intel().tdx_quote(), collateral)->tcb()->status, "ConfigurationNeeded");
  }
}

TEST(DcapTcb, ReportsEveryStatusAndJudgesNone) {
  for (const char* status :
       {"UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
        "OutOfDateConfigurationNeeded", "Revoked"}) {
    FakeTcbInfo info = fake_intel().tcb_info(Tee::kTdx);
    info.levels.front().status = status;
    info.levels.front().advisories = {"INTEL-SA-00002", "INTEL-SA-00001", "INTEL-SA-00002"};
    const auto claims = with_documents(info, fake_intel().qe_identity(Tee::kTdx));
    ASSERT_TRUE(claims);
    EXPECT_EQ(claims->tcb()->status, status);
    EXPECT_EQ(claims->tcb()->advisories, (std::vector<std::string>{"INTEL-SA-00001", "INTEL-SA-00002"}));
  }
}

TEST(DcapTcb, SaysNotSupportedBelowEveryLevel) {
  FakeTcbInfo info = fake_intel().tcb_info(Tee::kTdx);
  for (auto& level : info.levels) level.sgx.at(15) = 0xff;
  const auto claims = with_documents(info, fake_intel().qe_identity(Tee::kTdx));
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->tcb()->status, "NotSupported");
  EXPECT_EQ(claims->tcb()->evaluation_number, 17U);
  EXPECT_FALSE(claims->tcb()->tcb_date);
}

TEST(DcapTcb, MergesTheStatusOfTheQe) {
  const auto status_of_svn = [](std::uint16_t svn) {
    const auto claims =
        with_documents(fake_intel().tcb_info(Tee::kTdx), fake_intel().qe_identity(Tee::kTdx),
                       [&](QuoteParts& parts) { parts.qe_report[258] = static_cast<std::uint8_t>(svn); });
    return claims->tcb()->status;
  };
  EXPECT_EQ(status_of_svn(9), "UpToDate");
  EXPECT_EQ(status_of_svn(7), "OutOfDate");
  EXPECT_EQ(status_of_svn(5), "Revoked");
  EXPECT_EQ(status_of_svn(4), "NotSupported");
}

TEST(DcapTcb, SaysWhichPartsItKnewWithoutAQeIdentity) {
  Collateral collateral = fake_intel().collateral();
  collateral.qe_identities.clear();
  const auto claims = fake_intel().authenticate(fake_intel().tdx_quote(), collateral);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->tcb()->status, "UpToDate");
  EXPECT_FALSE(claims->tcb()->qe_status);
  // And the other way round: without TCB info the status is unknown.
  collateral = fake_intel().collateral();
  collateral.tcb_infos.clear();
  EXPECT_EQ(fake_intel().authenticate(fake_intel().tdx_quote(), collateral)->tcb()->status, "Unknown");
}

TEST(DcapQe, RefusesAnEnclaveThatTheIdentityDoesNotDescribe) {
  const auto refusal_with = [](const std::function<void(FakeQeIdentity&)>& change) {
    FakeQeIdentity identity = fake_intel().qe_identity(Tee::kTdx);
    change(identity);
    return refusal(with_documents(fake_intel().tcb_info(Tee::kTdx), identity));
  };
  EXPECT_EQ(refusal_with([](FakeQeIdentity&) {}), "");
  EXPECT_EQ(refusal_with([](FakeQeIdentity& identity) { identity.misc_select = "01000000"; }),
            "dcap.qe_identity.miscselect");
  EXPECT_EQ(refusal_with([](FakeQeIdentity& identity) { identity.attributes[0] = '3'; }),
            "dcap.qe_identity.attributes");
  EXPECT_EQ(refusal_with([](FakeQeIdentity& identity) { identity.mr_signer[0] = 'E'; }), "dcap.qe_identity.mrsigner");
  EXPECT_EQ(refusal_with([](FakeQeIdentity& identity) { identity.isv_prod_id = 1; }), "dcap.qe_identity.isvprodid");
  // Another TEE's identity does not apply.
  EXPECT_EQ(refusal_with([](FakeQeIdentity& identity) { identity = fake_intel().qe_identity(Tee::kSgx); }), "");
  EXPECT_EQ(refusal_with([](FakeQeIdentity& identity) {
              identity.id = "QVE";
              identity.isv_prod_id = 1;
            }),
            "");
}

TEST(DcapTdxModule, RefusesAModuleThatIntelDidNotSign) {
  FakeTcbInfo info = fake_intel().tcb_info(Tee::kTdx);
  info.identities.back().mr_signer[0] = '1';
  EXPECT_EQ(status_with(info), "dcap.tdx_module.mrsigner");
  info = fake_intel().tcb_info(Tee::kTdx);
  info.identities.back().attributes[0] = '1';
  EXPECT_EQ(status_with(info), "dcap.tdx_module.attributes");
  const auto refusal_with = [](std::size_t offset, std::uint8_t version) {
    return refusal(
        with_documents(fake_intel().tcb_info(Tee::kTdx), fake_intel().qe_identity(Tee::kTdx), [&](QuoteParts& parts) {
          parts.body[1] = version;
          if (version == 0) parts.body[0] = 6;
          if (offset != 0) parts.body[offset] = 1;
        }));
  };
  // Module version 0 is judged by tdxModule.
  EXPECT_EQ(refusal_with(0, 0), "");
  EXPECT_EQ(refusal_with(64, 0), "dcap.tdx_module.mrsigner");
  EXPECT_EQ(refusal_with(64, 1), "dcap.tdx_module.mrsigner");
  EXPECT_EQ(refusal_with(112, 0), "dcap.tdx_module.attributes");
  EXPECT_EQ(refusal_with(112, 1), "dcap.tdx_module.attributes");
  // A version that the TCB info does not know matches no level, and is no refusal.
  EXPECT_EQ(refusal_with(64, 9), "");
}

// --- Cache ---

TEST(DcapCache, RemembersChainsAndCollateral) {
  const auto cache = make_cache();
  const Collateral collateral = fake_intel().collateral();
  for (int round = 0; round < 3; ++round) {
    for (const Kind& kind : kKinds) {
      const auto claims = fake_intel().authenticate(fake_intel().build(parts_of(kind)), collateral, kNow, cache.get());
      ASSERT_TRUE(claims) << claims.error().message();
      EXPECT_EQ(claims->tcb()->status, "UpToDate");
      EXPECT_EQ(claims->revocation(), Revocation::kChecked);
    }
  }
}

TEST(DcapCache, JudgesTimesOnEveryUse) {
  const auto cache = make_cache();
  const Collateral collateral = fake_intel().collateral();
  const Bytes quote = fake_intel().tdx_quote();
  const auto at = [&](Duration later) {
    return fake_intel().authenticate(quote, collateral, kNow + later, cache.get());
  };
  EXPECT_EQ(at({})->tcb()->status, "UpToDate");
  EXPECT_EQ(at(std::chrono::days(20))->tcb()->status, "UpToDate");
  EXPECT_EQ(at(std::chrono::days(20) + std::chrono::seconds(1))->tcb()->status, "Unknown");
  EXPECT_EQ(at(std::chrono::days(28))->revocation(), Revocation::kChecked);
  EXPECT_EQ(at(std::chrono::days(30))->revocation(), Revocation::kUnknown);
  EXPECT_EQ(refusal(at(std::chrono::days(2201))), "dcap.chain.validity");
  EXPECT_EQ(refusal(at(-std::chrono::days(301))), "dcap.chain.validity");
  EXPECT_EQ(at({})->tcb()->status, "UpToDate");
}

TEST(DcapCache, ChecksSignaturesAndRevocationOnEveryUse) {
  const auto cache = make_cache();
  Collateral collateral = fake_intel().collateral();
  Bytes quote = fake_intel().tdx_quote();
  ASSERT_TRUE(fake_intel().authenticate(quote, collateral, kNow, cache.get()));
  quote[60] ^= 1U;
  EXPECT_EQ(refusal(fake_intel().authenticate(quote, collateral, kNow, cache.get())), "dcap.quote.signature");
  quote[60] ^= 1U;
  collateral.crls = {fake_intel().pck_crl({fake_intel().certificate(IntelCertificate::kPck)})};
  EXPECT_EQ(refusal(fake_intel().authenticate(quote, collateral, kNow, cache.get())), "dcap.revoked.pck");
  EXPECT_EQ(refusal(fake_intel().authenticate(quote, {}, kNow, cache.get())), "");
}

TEST(DcapCache, KnowsCollateralByEveryByte) {
  const auto cache = make_cache();
  Collateral collateral = fake_intel().collateral();
  const Bytes quote = fake_intel().tdx_quote();
  const auto status = [&] { return fake_intel().authenticate(quote, collateral, kNow, cache.get())->tcb()->status; };
  EXPECT_EQ(status(), "UpToDate");
  collateral.tcb_infos.back().back() = ' ';  // no longer JSON
  EXPECT_EQ(status(), "Unknown");
  collateral = fake_intel().collateral();
  collateral.certificates.clear();
  EXPECT_EQ(status(), "Unknown");
  for (int i = 0; i < 10; ++i) {  // more than it keeps
    collateral.certificates.push_back(fake_intel().root());
    EXPECT_EQ(status(), "Unknown");
  }
  collateral = fake_intel().collateral();
  EXPECT_EQ(status(), "UpToDate");
}

TEST(DcapCache, LetsNoOtherRootProfit) {
  const auto cache = make_cache();
  const Collateral collateral = fake_intel().collateral();
  const Bytes quote = fake_intel().tdx_quote();
  ASSERT_TRUE(fake_intel().authenticate(quote, collateral, kNow, cache.get()));
  const auto parsed = parse_quote(quote);
  EXPECT_EQ(refusal(authenticate(*parsed, collateral, kNow, cache.get())), "dcap.chain.anchor");
}

TEST(DcapCache, ServesManyThreads) {
  const auto cache = make_cache(2);
  const Collateral collateral = fake_intel().collateral();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        const auto claims = fake_intel().authenticate(fake_intel().tdx_quote(), collateral, kNow, cache.get());
        if (claims && claims->tcb()->status == "UpToDate") ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
}

}  // namespace
}  // namespace gateway::attestation::dcap
