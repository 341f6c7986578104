#include "attestation/snp/authenticate.h"

#include <gmock/gmock.h>

#include "attestation/testing/fake_amd.h"

namespace gateway::attestation::snp {
namespace {

using attestation::testing::AmdCertificate;
using attestation::testing::AmdKey;
using attestation::testing::AmdList;
using attestation::testing::AmdPadding;
using attestation::testing::AmdReport;
using attestation::testing::certificate_table;
using attestation::testing::fake_amd;
using attestation::testing::fake_tcb;
using attestation::testing::kArkGuid;
using attestation::testing::kAskGuid;
using attestation::testing::kCrlGuid;
using attestation::testing::kNow;
using attestation::testing::kVcekGuid;
using attestation::testing::kVlekGuid;
using attestation::testing::TableEntry;
using ::testing::AllOf;
using ::testing::HasSubstr;

const AmdReport kMilan{}, kGenoa{.product = SnpProduct::kGenoa}, kTurin{.product = SnpProduct::kTurin},
    kVlek{.key = SnpSigningKey::kVlek}, kVersion2{.version = 2};

std::string id_of(const Result<Claims>& claims) { return claims ? "accepted" : std::string(claims.error().id()); }

std::string refusal(ByteView evidence, const Collateral& collateral, Time at = kNow, ChainCache* cache = nullptr) {
  CheckList checks;
  const auto claims = fake_amd().authenticate(evidence, collateral, at, cache, &checks);
  if (!claims) {
    EXPECT_EQ(checks.lines().back().id, claims.error().id());
    EXPECT_FALSE(checks.lines().back().remedy.empty());
    EXPECT_EQ(checks.lines().back().outcome == Outcome::kUndecided, claims.error().code() == ErrorCode::kUnavailable);
  }
  return id_of(claims);
}

Collateral of(std::vector<crypto::Certificate> certificates, std::vector<crypto::Crl> lists = {}) {
  Collateral collateral;
  collateral.certificates = std::move(certificates);
  collateral.crls = std::move(lists);
  return collateral;
}

// A report whose endorsement was changed in one respect before AMD's key signed it.
std::string refusal_of_endorsement(const std::function<void(AmdCertificate&)>& alter, const AmdReport& options = {}) {
  return refusal(fake_amd().report(options), of({fake_amd().endorsement(options, alter)}));
}

Bytes with_table(const std::vector<TableEntry>& entries, const AmdReport& options = {}) {
  Bytes evidence = fake_amd().report(options);
  append(evidence, certificate_table(entries));
  return evidence;
}

TimeWindow around_now(std::chrono::days days = std::chrono::days(30)) { return {kNow - days, kNow + days}; }

TEST(SnpAuthenticate, AcceptsEveryProductVersionAndKey) {
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    for (const std::uint32_t version : {2U, 3U, 5U}) {
      for (const SnpSigningKey key : {SnpSigningKey::kVcek, SnpSigningKey::kVlek}) {
        const AmdReport options{.version = version, .product = product, .key = key};
        const auto claims = fake_amd().authenticate(fake_amd().report(options), fake_amd().collateral(options));
        ASSERT_TRUE(claims) << to_string(product) << " " << version << " " << claims.error().message();
        EXPECT_EQ(claims->platform(), Platform::kSnp);
        EXPECT_EQ(claims->snp().product, product);
        EXPECT_EQ(claims->snp().signing_key, key);
        EXPECT_EQ(claims->snp().reported_tcb, tcb_of(fake_tcb(product), product));
        EXPECT_EQ(claims->snp().launch_tcb, tcb_of(fake_tcb(product), product));
        EXPECT_EQ(claims->snp().current_tcb.fmc.has_value(), product == SnpProduct::kTurin);
        EXPECT_EQ(claims->snp().committed_tcb.microcode, product == SnpProduct::kTurin ? 200 : 219);
        EXPECT_EQ(claims->snp().csp_id.has_value(), key == SnpSigningKey::kVlek);
        EXPECT_FALSE(claims->debug());
        EXPECT_EQ(claims->revocation(), Revocation::kUnknown);
      }
    }
  }
}

TEST(SnpAuthenticate, ListsItsChecks) {
  const auto claims = fake_amd().authenticate(fake_amd().report(), fake_amd().collateral());
  ASSERT_TRUE(claims);
  std::vector<std::string_view> ids;
  for (const Check& check : claims->checks()) {
    EXPECT_EQ(check.outcome, Outcome::kOk);
    ids.push_back(check.id);
  }
  EXPECT_THAT(ids, ::testing::IsSupersetOf(std::initializer_list<std::string_view>{
                       "snp.report.version", "snp.report.reserved_not_zero", "snp.report.product", "snp.unsigned",
                       "snp.endorsement.product", "snp.endorsement.hwid", "snp.endorsement.tcb", "snp.chain.anchor",
                       "snp.chain.signature", "snp.chain.validity", "snp.signature"}));
}

TEST(SnpAuthenticate, SaysWhetherTheGuestCanBeDebugged) {
  const AmdReport options{.alter = [](Bytes& report) { report[0x0a] |= 0x08U; }};
  const auto claims = fake_amd().authenticate(fake_amd().report(options), fake_amd().collateral());
  ASSERT_TRUE(claims);
  EXPECT_TRUE(claims->debug());
  EXPECT_TRUE(claims->snp().policy.debug);
}

TEST(SnpAuthenticate, CarriesAzuresRuntimeData) {
  const auto claims = fake_amd().authenticate(fake_amd().hcl({}, "{\"keys\":[]}"), fake_amd().collateral());
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->snp().runtime_data, to_bytes(std::string_view("{\"keys\":[]}")));
}

TEST(SnpAuthenticate, IsNotAmd) {
  // The same evidence under the roots that are built in: names like AMD's do not help.
  const Bytes bytes = fake_amd().report();
  const auto parsed = parse_evidence(bytes);
  ASSERT_TRUE(parsed);
  const auto claims = authenticate(*parsed, fake_amd().collateral(), kNow);
  EXPECT_THAT(id_of(claims), ::testing::AnyOf("snp.chain.name", "snp.chain.signature"));
}

TEST(SnpAuthenticate, RefusesAChangedReport) {
  Bytes report = fake_amd().report();
  report[0x90] ^= 1U;
  EXPECT_EQ(refusal(report, fake_amd().collateral()), "snp.signature");
  report[0x90] ^= 1U;
  report[0x2a0] ^= 1U;
  EXPECT_EQ(refusal(report, fake_amd().collateral()), "snp.signature");
}

TEST(SnpAuthenticate, RefusesAReportThatAnotherKeySigned) {
  // The VLEK's key under a report that says VCEK.
  const Bytes report = fake_amd().report();
  const Bytes other = fake_amd().sign(to_bytes(ByteView(report).first(kSignedSize)), SnpSigningKey::kVlek);
  EXPECT_EQ(refusal(other, fake_amd().collateral()), "snp.signature");
}

TEST(SnpAuthenticate, IsUndecidedWithoutAnEndorsement) {
  const auto claims = fake_amd().authenticate(fake_amd().report(), {});
  ASSERT_FALSE(claims);
  EXPECT_EQ(claims.error().id(), "snp.endorsement_missing");
  EXPECT_EQ(claims.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(claims.error().message() + claims.error().remedy(), HasSubstr("https://kdsintf.amd.com/vcek/v1/Milan/"));
  EXPECT_EQ(refusal(fake_amd().report(kVlek), {}), "snp.endorsement_missing");
  // Certificates that are no endorsements say nothing.
  EXPECT_EQ(refusal(fake_amd().report(), of({fake_amd().roots()[0].ark, fake_amd().roots()[0].ask})),
            "snp.endorsement_missing");
}

// Of several endorsements none fits, and none signed the report: the right one is just not here.
TEST(SnpAuthenticate, IsUndecidedAmongTheEndorsementsOfOthers) {
  Bytes report = fake_amd().report({.alter = [](Bytes& bytes) { bytes[0x1a0] ^= 1U; }});
  report[0x2a0] ^= 1U;
  const auto other = [](std::uint8_t first) {
    return fake_amd().endorsement(kMilan,
                                  [&](AmdCertificate& fields) { fields.extension("1.3.6.1.4.1.3704.1.4")[0] = first; });
  };
  EXPECT_EQ(refusal(report, of({other(1), other(2)})), "snp.endorsement_missing");
  EXPECT_EQ(refusal(report, of({other(1)})), "snp.endorsement.hwid");
}

TEST(SnpAuthenticate, RefusesTheOneEndorsementOfAnotherReport) {
  const Collateral milan = fake_amd().collateral();
  const auto unsigned_by_it = [](const AmdReport& options, const std::function<void(Bytes&)>& alter) {
    Bytes report = fake_amd().report(options);
    alter(report);
    return report;
  };
  const auto nothing = [](Bytes&) {};
  EXPECT_EQ(refusal(unsigned_by_it(kMilan, [](Bytes& report) { report[0x1a0] ^= 1U; }), milan), "snp.endorsement.hwid");
  EXPECT_EQ(refusal(unsigned_by_it(kMilan, [](Bytes& report) { report[0x180] ^= 1U; }), milan), "snp.endorsement.tcb");
  EXPECT_EQ(refusal(unsigned_by_it(kGenoa, nothing), milan), "snp.endorsement.product");
  EXPECT_EQ(refusal(unsigned_by_it(kVlek, nothing), milan), "snp.endorsement.kind");
  EXPECT_EQ(refusal(unsigned_by_it(kMilan, nothing), fake_amd().collateral(kVlek)), "snp.endorsement.kind");
}

// The key did sign, and its certificate says something else than the report: refused whatever else is given.
TEST(SnpAuthenticate, RefusesAnEndorsementAtOddsWithTheReport) {
  const auto both = [](const AmdReport& options, const std::function<void(AmdCertificate&)>& alter) {
    const auto unrelated = fake_amd().endorsement(kTurin, [](AmdCertificate& fields) {
      fields.extension("1.3.6.1.4.1.3704.1.4")[0] ^= 1U;
      fields.spki = crypto::PrivateKey::generate(crypto::KeyType::kP384)->public_key().spki();
    });
    return refusal(fake_amd().report(options), of({unrelated, unrelated, fake_amd().endorsement(options, alter)}));
  };
  EXPECT_EQ(both(kMilan, [](AmdCertificate& fields) { fields.extension("1.3.6.1.4.1.3704.1.4")[63] ^= 1U; }),
            "snp.endorsement.hwid");
  for (const char* component : {"1", "2", "3", "4", "5", "6", "7", "8"}) {
    EXPECT_EQ(both(kMilan,
                   [&](AmdCertificate& fields) {
                     fields.extension(std::string("1.3.6.1.4.1.3704.1.3.") + component) = Bytes{0x02, 0x01, 0x7e};
                   }),
              "snp.endorsement.tcb")
        << component;
  }
  EXPECT_EQ(both(kTurin,
                 [](AmdCertificate& fields) { fields.extension("1.3.6.1.4.1.3704.1.3.9") = Bytes{0x02, 0x01, 0x7e}; }),
            "snp.endorsement.tcb");
  EXPECT_EQ(both(kMilan,
                 [](AmdCertificate& fields) {
                   fields.issuer = "SEV-Genoa";
                   fields.extension("1.3.6.1.4.1.3704.1.2") = Bytes{0x16, 0x05, 'G', 'e', 'n', 'o', 'a'};
                 }),
            "snp.endorsement.product");
}

TEST(SnpAuthenticate, ComparesATurinsWholeChipId) {
  EXPECT_EQ(
      refusal_of_endorsement([](AmdCertificate& fields) { fields.extension("1.3.6.1.4.1.3704.1.4")[7] ^= 1U; }, kTurin),
      "snp.endorsement.hwid");
}

// Version 2 does not say which product it is: the certificate does, and then the report must keep its layout.
TEST(SnpAuthenticate, HoldsVersion2ToTheProductOfItsCertificate) {
  const AmdReport milan{.version = 2, .alter = [](Bytes& report) { report[0x038 + 3] = 1; }};
  EXPECT_EQ(refusal(fake_amd().report(milan), fake_amd().collateral(kVersion2)), "snp.report.reserved_not_zero");
  const AmdReport turin{.version = 2, .product = SnpProduct::kTurin};
  EXPECT_EQ(refusal(fake_amd().report(turin), fake_amd().collateral(turin)), "accepted");
}

TEST(SnpAuthenticate, FindsTheEndorsementAmongMany) {
  const auto other =
      fake_amd().endorsement(kMilan, [](AmdCertificate& fields) { fields.extension("1.3.6.1.4.1.3704.1.4")[0] = 1; });
  const auto malformed =
      fake_amd().endorsement(kMilan, [](AmdCertificate& fields) { fields.drop("1.3.6.1.4.1.3704.1.2"); });
  const auto own = fake_amd().endorsement();
  EXPECT_EQ(refusal(fake_amd().report(), of({fake_amd().roots()[0].ark, malformed, other, own, other})), "accepted");
}

// Certificates that fit but are expired, or that AMD never signed, do not stand before the right one.
TEST(SnpAuthenticate, TriesEveryEndorsementThatFits) {
  const auto expired = fake_amd().endorsement(
      kMilan, [](AmdCertificate& fields) { fields.validity.not_after = kNow - std::chrono::seconds(1); });
  AmdCertificate fields = fake_amd().endorsement_fields(kMilan);
  const auto forged = fake_amd().issue(fields, AmdKey::kStranger);
  const auto own = fake_amd().endorsement();
  EXPECT_EQ(refusal(fake_amd().report(), of({expired, forged, own})), "accepted");
  CheckList checks;
  const auto claims = fake_amd().authenticate(fake_amd().report(), of({forged, own}), kNow, nullptr, &checks);
  ASSERT_TRUE(claims);
  for (const Check& line : claims->checks()) EXPECT_EQ(line.outcome, Outcome::kOk);
  EXPECT_EQ(refusal(fake_amd().report(), of({forged, expired})), "snp.chain.signature");
  EXPECT_EQ(refusal(fake_amd().report(), of({expired})), "snp.chain.validity");
  // A bounded number of them.
  std::vector<crypto::Certificate> many(kMaxAttempts, forged);
  many.push_back(own);
  EXPECT_EQ(refusal(fake_amd().report(), of(many)), "snp.chain.signature");
  many.erase(many.begin());
  EXPECT_EQ(refusal(fake_amd().report(), of(many)), "accepted");
}

TEST(SnpAuthenticate, RefusesChainsThatAreNotSound) {
  const auto own = fake_amd().endorsement_fields(kMilan);
  EXPECT_EQ(refusal(fake_amd().report(), of({fake_amd().issue(own, AmdKey::kStranger)})), "snp.chain.signature");
  EXPECT_EQ(refusal(fake_amd().report(), of({fake_amd().issue(own, AmdKey::kArk)})), "snp.chain.signature");
  EXPECT_EQ(refusal(fake_amd().report(), of({fake_amd().issue(own, AmdKey::kAsk, AmdPadding::kPkcs1)})),
            "snp.chain.unsupported");
  // The provider's intermediate does not speak for chips.
  EXPECT_EQ(refusal(fake_amd().report(), of({fake_amd().issue(own, AmdKey::kAsvk)})), "snp.chain.signature");
}

TEST(SnpAuthenticate, RefusesCertificatesOutsideTheirDates) {
  const auto endorsement = fake_amd().endorsement();
  const TimeWindow window = endorsement.validity();
  const Bytes report = fake_amd().report();
  const auto cache = make_chain_cache();
  for (ChainCache* used : {static_cast<ChainCache*>(nullptr), cache.get(), cache.get()}) {
    EXPECT_EQ(refusal(report, of({endorsement}), window.not_before, used), "accepted");
    EXPECT_EQ(refusal(report, of({endorsement}), window.not_after, used), "accepted");
    EXPECT_EQ(refusal(report, of({endorsement}), window.not_before - std::chrono::seconds(1), used),
              "snp.chain.validity");
    EXPECT_EQ(refusal(report, of({endorsement}), window.not_after + std::chrono::seconds(1), used),
              "snp.chain.validity");
  }
  const auto claims = fake_amd().authenticate(report, of({endorsement}));
  EXPECT_EQ(claims->validity().not_before, window.not_before);
  EXPECT_EQ(claims->validity().not_after, window.not_after);
}

// Roots whose Milan intermediate was changed in one respect.
std::string refusal_under(const std::function<void(AmdCertificate&)>& alter, AmdKey signer = AmdKey::kArk) {
  AmdCertificate fields = fake_amd().authority_fields("SEV-Milan", "ARK-Milan", AmdKey::kAsk);
  alter(fields);
  VendorRoots roots = fake_amd().roots();
  roots[0] = make_roots(SnpProduct::kMilan, roots[0].ark, fake_amd().issue(fields, signer), roots[0].asvk);
  const Bytes bytes = fake_amd().report();
  const auto evidence = parse_evidence(bytes);
  return id_of(
      dangerous_authenticate_with_vendor_roots(*evidence, fake_amd().collateral(), roots, kNow, nullptr, nullptr));
}

TEST(SnpAuthenticate, RefusesIntermediatesThatAreNotSound) {
  EXPECT_EQ(refusal_under([](AmdCertificate&) {}), "accepted");
  EXPECT_EQ(refusal_under([](AmdCertificate& fields) { fields.extensions.clear(); }), "snp.chain.not_ca");
  EXPECT_EQ(
      refusal_under([](AmdCertificate& fields) { fields.extension("2.5.29.15") = Bytes{0x03, 0x02, 0x01, 0x02}; }),
      "snp.chain.key_usage");
  EXPECT_EQ(refusal_under([](AmdCertificate& fields) { fields.validity.not_after = kNow - std::chrono::seconds(1); }),
            "snp.chain.validity");
  EXPECT_EQ(refusal_under([](AmdCertificate& fields) { fields.validity.not_before = kNow + std::chrono::seconds(1); }),
            "snp.chain.validity");
  EXPECT_EQ(refusal_under([](AmdCertificate&) {}, AmdKey::kStranger), "snp.chain.signature");
  EXPECT_EQ(refusal_under([](AmdCertificate& fields) { fields.issuer = "ARK-Genoa"; }), "snp.chain.name");
  EXPECT_EQ(refusal_under([](AmdCertificate& fields) { fields.subject = "SEV-Genoa"; }), "snp.chain.name");
}

TEST(SnpAuthenticate, RefusesARootThatAllowsNoIntermediate) {
  AmdCertificate fields = fake_amd().authority_fields("ARK-Milan", "ARK-Milan", AmdKey::kArk);
  fields.extension("2.5.29.19") = Bytes{0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00};
  VendorRoots roots = fake_amd().roots();
  roots[0] = make_roots(SnpProduct::kMilan, fake_amd().issue(fields, AmdKey::kArk), roots[0].ask, roots[0].asvk);
  const Bytes bytes = fake_amd().report();
  EXPECT_EQ(id_of(dangerous_authenticate_with_vendor_roots(*parse_evidence(bytes), fake_amd().collateral(), roots, kNow,
                                                           nullptr, nullptr)),
            "snp.chain.path_length");
}

// An intermediate of the caller's or of the evidence's stands in where the built-in one did not issue the leaf, and
// only when the root signed it.
TEST(SnpAuthenticate, TakesAnotherIntermediateOfTheSameRoot) {
  AmdCertificate fields = fake_amd().authority_fields("SEV-Milan", "ARK-Milan", AmdKey::kStranger);
  const auto other = fake_amd().issue(fields, AmdKey::kArk);
  const auto foreign = fake_amd().issue(fields, AmdKey::kStranger);
  const auto leaf = fake_amd().issue(fake_amd().endorsement_fields(kMilan), AmdKey::kStranger);
  const Bytes report = fake_amd().report();
  EXPECT_EQ(refusal(report, of({leaf, foreign})), "snp.chain.signature");
  EXPECT_EQ(refusal(report, of({leaf, foreign, other})), "accepted");
  const Bytes bundled = with_table({{kVcekGuid, leaf.der()}, {kAskGuid, other.der()}});
  EXPECT_EQ(refusal(bundled, {}), "accepted");
  EXPECT_EQ(refusal(with_table({{kVcekGuid, leaf.der()}, {kAskGuid, foreign.der()}}), {}), "snp.chain.signature");
  EXPECT_EQ(refusal(with_table({{kVcekGuid, leaf.der()}, {kAskGuid, Bytes(10, 1)}}), {}), "snp.chain.signature");
}

TEST(SnpAuthenticate, TakesTheCertificatesThatCameWithTheReport) {
  const auto cache = make_chain_cache();
  const Bytes vcek = fake_amd().endorsement().der();
  const Bytes vlek = fake_amd().endorsement(kVlek).der();
  for (ChainCache* used : {static_cast<ChainCache*>(nullptr), cache.get(), cache.get()}) {
    EXPECT_EQ(refusal(with_table({{kVcekGuid, vcek}, {kArkGuid, fake_amd().roots()[0].ark.der()}}), {}, kNow, used),
              "accepted");
    EXPECT_EQ(refusal(with_table({{kVlekGuid, vlek}, {kVcekGuid, vcek}}, kVlek), {}, kNow, used), "accepted");
  }
}

TEST(SnpAuthenticate, RefusesCertificatesOfTheEvidenceThatAreNotItsOwn) {
  const Bytes vcek = fake_amd().endorsement().der();
  EXPECT_EQ(refusal(with_table({{kVcekGuid, Bytes(100, 1)}}), fake_amd().collateral()), "snp.table.certificate");
  EXPECT_EQ(refusal(with_table({{kVlekGuid, vcek}}, kVlek), {}), "snp.table.certificate");
  const auto malformed =
      fake_amd().endorsement(kMilan, [](AmdCertificate& fields) { fields.drop("1.3.6.1.4.1.3704.1.2"); });
  EXPECT_EQ(refusal(with_table({{kVcekGuid, malformed.der()}}), {}), "snp.endorsement.format");
  EXPECT_EQ(refusal(with_table({{kVlekGuid, fake_amd().endorsement(kVlek).der()}}), {}), "snp.endorsement.kind");
  // A host with a stale certificate: the caller's own is the right one.
  const AmdReport stale{.tcb = 0xdb18'0000'0000'0103};
  const Bytes bundled = with_table({{kVcekGuid, fake_amd().endorsement(stale).der()}});
  EXPECT_EQ(refusal(bundled, fake_amd().collateral()), "accepted");
  EXPECT_EQ(refusal(bundled, {}), "snp.endorsement.tcb");
}

TEST(SnpAuthenticate, RefusesARootThatCameWithTheReport) {
  AmdCertificate fields = fake_amd().authority_fields("ARK-Milan", "ARK-Milan", AmdKey::kStranger);
  const auto foreign = fake_amd().issue(fields, AmdKey::kStranger);
  const Bytes vcek = fake_amd().endorsement().der();
  EXPECT_EQ(refusal(with_table({{kVcekGuid, vcek}, {kArkGuid, foreign.der()}}), {}), "snp.chain.anchor");
  EXPECT_EQ(refusal(with_table({{kVcekGuid, vcek}, {kArkGuid, Bytes(10, 1)}}), {}), "snp.chain.anchor");
  EXPECT_EQ(refusal(with_table({{kVcekGuid, vcek}, {kArkGuid, fake_amd().roots()[1].ark.der()}}), {}), "accepted");
  // The same key, certified again.
  fields = fake_amd().authority_fields("ARK-Milan", "ARK-Milan", AmdKey::kArk);
  fields.serial = 7;
  EXPECT_EQ(refusal(with_table({{kVcekGuid, vcek}, {kArkGuid, fake_amd().issue(fields, AmdKey::kArk).der()}}), {}),
            "accepted");
}

TEST(SnpRevocation, IsCheckedByACurrentListOfTheRoot) {
  const auto list = fake_amd().list({.validity = around_now()});
  const Bytes report = fake_amd().report();
  const auto cache = make_chain_cache();
  for (ChainCache* used : {static_cast<ChainCache*>(nullptr), cache.get(), cache.get()}) {
    const auto claims = fake_amd().authenticate(report, of({fake_amd().endorsement()}, {list}), kNow, used);
    ASSERT_TRUE(claims) << claims.error().message();
    EXPECT_EQ(claims->revocation(), Revocation::kChecked);
  }
  const auto bundled =
      fake_amd().authenticate(with_table({{kVcekGuid, fake_amd().endorsement().der()}, {kCrlGuid, list.der()}}), {});
  ASSERT_TRUE(bundled);
  EXPECT_EQ(bundled->revocation(), Revocation::kChecked);
}

TEST(SnpRevocation, RefusesARevokedIntermediate) {
  const auto revoked = fake_amd().list({.validity = around_now(), .revoked = {0x10001}});
  const auto older = fake_amd().list({.validity = around_now(std::chrono::days(40))});
  const Bytes report = fake_amd().report();
  const auto leaf = fake_amd().endorsement();
  const auto cache = make_chain_cache();
  for (ChainCache* used : {static_cast<ChainCache*>(nullptr), cache.get(), cache.get()}) {
    EXPECT_EQ(refusal(report, of({leaf}, {older}), kNow, used), "accepted");
    EXPECT_EQ(refusal(report, of({leaf}, {revoked}), kNow, used), "snp.chain.revoked");
    EXPECT_EQ(refusal(report, of({leaf}, {older, revoked}), kNow, used), "snp.chain.revoked");
    EXPECT_EQ(refusal(report, of({leaf}, {revoked, older}), kNow, used), "snp.chain.revoked");
  }
  EXPECT_EQ(refusal(fake_amd().report(kVlek), of({fake_amd().endorsement(kVlek)}, {revoked})), "snp.chain.revoked");
  EXPECT_EQ(refusal(with_table({{kVcekGuid, leaf.der()}, {kCrlGuid, revoked.der()}}), {}), "snp.chain.revoked");
  // Another serial number.
  const auto other = fake_amd().list({.validity = around_now(), .revoked = {0x10002}});
  EXPECT_EQ(refusal(report, of({leaf}, {other})), "accepted");
}

TEST(SnpRevocation, PassesOverListsThatDoNotCount) {
  const Bytes report = fake_amd().report();
  const auto cache = make_chain_cache();
  const auto state = [&](const AmdList& fields) {
    std::optional<Revocation> found;
    for (ChainCache* used : {static_cast<ChainCache*>(nullptr), cache.get(), cache.get()}) {
      const auto claims =
          fake_amd().authenticate(report, of({fake_amd().endorsement()}, {fake_amd().list(fields)}), kNow, used);
      EXPECT_TRUE(claims);
      if (claims) found = claims->revocation();
    }
    return found;
  };
  const std::vector<std::uint32_t> serials{0x10001};
  EXPECT_EQ(state({.signer = AmdKey::kStranger, .validity = around_now(), .revoked = serials}), Revocation::kUnknown);
  EXPECT_EQ(state({.issuer = "ARK-Genoa", .validity = around_now(), .revoked = serials}), Revocation::kUnknown);
  EXPECT_EQ(state({.validity = {kNow - std::chrono::days(9), kNow - std::chrono::seconds(1)}, .revoked = serials}),
            Revocation::kUnknown);
  EXPECT_EQ(state({.validity = {kNow + std::chrono::seconds(1), kNow + std::chrono::days(9)}, .revoked = serials}),
            Revocation::kUnknown);
  // AMD's intermediates may not sign lists.
  EXPECT_EQ(state({.issuer = "SEV-Milan", .signer = AmdKey::kAsk, .validity = around_now(), .revoked = {0}}),
            Revocation::kUnknown);
  const Bytes garbage = with_table({{kVcekGuid, fake_amd().endorsement().der()}, {kCrlGuid, Bytes(20, 1)}});
  EXPECT_EQ(refusal(garbage, {}), "accepted");
}

TEST(SnpRevocation, RefusesALeafThatItsIssuerRevoked) {
  // An intermediate that may sign lists.
  AmdCertificate fields = fake_amd().authority_fields("SEV-Milan", "ARK-Milan", AmdKey::kAsk);
  fields.extension("2.5.29.15") = Bytes{0x03, 0x02, 0x01, 0x06};
  VendorRoots roots = fake_amd().roots();
  roots[0] = make_roots(SnpProduct::kMilan, roots[0].ark, fake_amd().issue(fields, AmdKey::kArk), roots[0].asvk);
  const Bytes bytes = fake_amd().report();
  const auto under = [&](const AmdList& list) {
    return dangerous_authenticate_with_vendor_roots(
        *parse_evidence(bytes), of({fake_amd().endorsement()}, {fake_amd().list(list)}), roots, kNow, nullptr, nullptr);
  };
  EXPECT_EQ(id_of(under({.issuer = "SEV-Milan", .signer = AmdKey::kAsk, .validity = around_now(), .revoked = {0}})),
            "snp.chain.revoked");
  const auto good = under({.issuer = "SEV-Milan", .signer = AmdKey::kAsk, .validity = around_now(), .revoked = {9}});
  ASSERT_TRUE(good);
  EXPECT_EQ(good->revocation(), Revocation::kUnknown);  // the root said nothing about the intermediate
}

TEST(SnpChainCache, DoesNotTrustARootForAnother) {
  const auto cache = make_chain_cache();
  const Bytes bytes = fake_amd().report();
  const Collateral collateral = fake_amd().collateral();
  ASSERT_EQ(refusal(bytes, collateral, kNow, cache.get()), "accepted");
  const auto claims = authenticate(*parse_evidence(bytes), collateral, kNow, cache.get());
  EXPECT_EQ(id_of(claims), "snp.chain.anchor");
}

TEST(SnpChainCache, StillJudgesTheReport) {
  const auto cache = make_chain_cache();
  const Collateral collateral = fake_amd().collateral();
  ASSERT_EQ(refusal(fake_amd().report(), collateral, kNow, cache.get()), "accepted");
  Bytes changed = fake_amd().report();
  changed[0x90] ^= 1U;
  EXPECT_EQ(refusal(changed, collateral, kNow, cache.get()), "snp.signature");
  const Bytes bundled = with_table({{kVcekGuid, collateral.certificates[0].der()}}, kGenoa);
  EXPECT_EQ(refusal(bundled, {}, kNow, cache.get()), "snp.endorsement.product");
}

TEST(SnpChainCache, KeepsNoChainThatDidNotVerify) {
  const auto cache = make_chain_cache();
  const auto forged = fake_amd().issue(fake_amd().endorsement_fields(kMilan), AmdKey::kStranger);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(refusal(fake_amd().report(), of({forged}), kNow, cache.get()), "snp.chain.signature");
  }
}

}  // namespace
}  // namespace gateway::attestation::snp
