#include "attestation/snp/endorsement.h"

#include <gmock/gmock.h>

#include "attestation/testing/fake_amd.h"
#include "codec/der.h"

namespace gateway::attestation::snp {
namespace {

using attestation::testing::AmdCertificate;
using attestation::testing::AmdReport;
using attestation::testing::fake_amd;
using attestation::testing::fake_chip_id;
using attestation::testing::fake_tcb;
namespace tag = codec::der_tag;

const AmdReport kMilan{}, kTurin{.product = SnpProduct::kTurin}, kVlek{.key = SnpSigningKey::kVlek};
constexpr const char* kProductName = "1.3.6.1.4.1.3704.1.2";
constexpr const char* kHwid = "1.3.6.1.4.1.3704.1.4";
constexpr const char* kCsp = "1.3.6.1.4.1.3704.1.5";

Result<Endorsement> read(const AmdReport& options, const std::function<void(AmdCertificate&)>& alter = {}) {
  return read_endorsement(fake_amd().endorsement(options, alter));
}
std::string refusal(const AmdReport& options, const std::function<void(AmdCertificate&)>& alter) {
  const auto endorsement = read(options, alter);
  return endorsement ? "accepted" : std::string(endorsement.error().id());
}
Bytes text(std::string_view value, std::uint8_t of = tag::kIa5String) { return codec::der(of, {as_bytes(value)}); }

TEST(SnpEndorsement, ReadsEveryProduct) {
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    const auto endorsement = read({.product = product});
    ASSERT_TRUE(endorsement) << endorsement.error().message();
    EXPECT_EQ(endorsement->kind, SnpSigningKey::kVcek);
    EXPECT_EQ(endorsement->product, product);
    EXPECT_EQ(endorsement->tcb, tcb_of(fake_tcb(product), product));
    EXPECT_EQ(endorsement->chip_id, fake_chip_id(product));
    EXPECT_FALSE(endorsement->csp_id);
  }
}

TEST(SnpEndorsement, ReadsAVlek) {
  const auto endorsement = read(kVlek);
  ASSERT_TRUE(endorsement) << endorsement.error().message();
  EXPECT_EQ(endorsement->kind, SnpSigningKey::kVlek);
  EXPECT_EQ(endorsement->csp_id, "CN=fake-cloud.example");
}

TEST(SnpEndorsement, ReadsEveryComponentFromItsOwnExtension) {
  const auto tcb = [](const AmdReport& options, int oid) {
    return read(options,
                [&](AmdCertificate& fields) {
                  fields.extension("1.3.6.1.4.1.3704.1.3." + std::to_string(oid)) = Bytes{0x02, 0x01, 0x7f};
                })
        ->tcb;
  };
  EXPECT_EQ(tcb(kMilan, 1).boot_loader, 0x7f);
  EXPECT_EQ(tcb(kMilan, 2).tee, 0x7f);
  EXPECT_EQ(tcb(kMilan, 3).snp, 0x7f);
  EXPECT_EQ(tcb(kMilan, 8).microcode, 0x7f);
  EXPECT_EQ(tcb(kMilan, 4).raw, fake_tcb(SnpProduct::kMilan) | 0x7f0000U);
  EXPECT_EQ(tcb(kMilan, 7).raw, fake_tcb(SnpProduct::kMilan) | 0x7f0000000000U);
  EXPECT_EQ(tcb(kTurin, 9).fmc, 0x7f);
  EXPECT_EQ(tcb(kTurin, 1).boot_loader, 0x7f);
  EXPECT_EQ(tcb(kTurin, 2).tee, 0x7f);
  EXPECT_EQ(tcb(kTurin, 3).snp, 0x7f);
  EXPECT_EQ(tcb(kTurin, 8).microcode, 0x7f);
  EXPECT_EQ(tcb(kTurin, 5).raw, fake_tcb(SnpProduct::kTurin) | 0x7f00000000U);
}

TEST(SnpEndorsement, ReadsBothEncodingsOfTheHardwareId) {
  for (const AmdReport& options : {kMilan, kTurin}) {
    const auto wrapped = read(options, [](AmdCertificate& fields) {
      fields.extension(kHwid) = codec::der(tag::kOctetString, {fields.extension(kHwid)});
    });
    ASSERT_TRUE(wrapped);
    EXPECT_EQ(wrapped->chip_id, fake_chip_id(options.product));
  }
}

TEST(SnpEndorsement, KnowsTheNamesOfGenoasSiblings) {
  for (const char* name : {"Genoa", "Genoa-B1", "Bergamo-A0", "Siena-B0"}) {
    EXPECT_TRUE(read({.product = SnpProduct::kGenoa}, [&](AmdCertificate& fields) {
      fields.extension(kProductName) = text(name);
    })) << name;
  }
}

TEST(SnpEndorsement, RefusesWhatAmdDoesNotIssue) {
  constexpr const char* kId = "snp.endorsement.format";
  const auto changed = [&](const char* oid, Bytes value) {
    return refusal(kMilan, [&](AmdCertificate& fields) { fields.extension(oid) = value; });
  };
  EXPECT_EQ(refusal(kMilan, [](AmdCertificate& fields) { fields.subject = "SEV-VCEX"; }), kId);
  EXPECT_EQ(refusal(kMilan, [](AmdCertificate& fields) { fields.issuer = "SEV-VLEK-Milan"; }), kId);
  EXPECT_EQ(refusal(kMilan, [](AmdCertificate& fields) { fields.issuer = "SEV-Venice"; }), kId);
  EXPECT_EQ(refusal(kVlek, [](AmdCertificate& fields) { fields.issuer = "SEV-Milan"; }), kId);
  for (const char* oid : {kProductName, kHwid, "1.3.6.1.4.1.3704.1.3.1", "1.3.6.1.4.1.3704.1.3.2",
                          "1.3.6.1.4.1.3704.1.3.3", "1.3.6.1.4.1.3704.1.3.8"}) {
    EXPECT_EQ(refusal(kMilan, [&](AmdCertificate& fields) { fields.drop(oid); }), kId) << oid;
  }
  EXPECT_EQ(refusal(kMilan, [](AmdCertificate& fields) { fields.drop("1.3.6.1.4.1.3704.1.3.4"); }), "accepted");
  EXPECT_EQ(refusal(kTurin, [](AmdCertificate& fields) { fields.drop("1.3.6.1.4.1.3704.1.3.9"); }), kId);
  EXPECT_EQ(refusal(kVlek, [](AmdCertificate& fields) { fields.drop(kCsp); }), kId);
  // Product names of another product, of another type, with something behind.
  EXPECT_EQ(changed(kProductName, text("Genoa-B0")), kId);
  EXPECT_EQ(changed(kProductName, text("Siena-B0")), kId);
  EXPECT_EQ(changed(kProductName, text("-B0")), kId);
  EXPECT_EQ(changed(kProductName, text("")), kId);
  EXPECT_EQ(changed(kProductName, text("Milan-B0", tag::kOctetString)), kId);
  EXPECT_EQ(changed(kProductName, Bytes{0x16, 0x01, 'M', 0x00}), kId);
  // Levels beyond a byte, negative, not minimal, of another type, with something behind.
  constexpr const char* kLevel = "1.3.6.1.4.1.3704.1.3.8";
  EXPECT_EQ(changed(kLevel, {0x02, 0x02, 0x00, 0xff}), "accepted");
  EXPECT_EQ(changed(kLevel, {0x02, 0x02, 0x01, 0x00}), kId);
  EXPECT_EQ(changed(kLevel, {0x02, 0x01, 0xff}), kId);
  EXPECT_EQ(changed(kLevel, {0x02, 0x02, 0x00, 0x01}), kId);
  EXPECT_EQ(changed(kLevel, {0x04, 0x01, 0x01}), kId);
  EXPECT_EQ(changed(kLevel, {0x02, 0x01, 0x01, 0x00}), kId);
  EXPECT_EQ(changed(kLevel, {}), kId);
  // Hardware ids of other sizes, bare and wrapped; Turin's have eight bytes.
  EXPECT_EQ(changed(kHwid, Bytes(63)), kId);
  EXPECT_EQ(changed(kHwid, Bytes(8)), kId);
  EXPECT_EQ(changed(kHwid, codec::der(tag::kOctetString, {Bytes(63)})), kId);
  EXPECT_EQ(changed(kHwid, codec::der(tag::kIa5String, {Bytes(64)})), kId);
  Bytes trailing = codec::der(tag::kOctetString, {Bytes(64)});
  trailing.push_back(0);
  EXPECT_EQ(changed(kHwid, trailing), kId);
  EXPECT_EQ(refusal(kTurin, [](AmdCertificate& fields) { fields.extension(kHwid) = Bytes(64); }), kId);
  // Providers without a name, or with one that must not be printed.
  const auto csp = [](Bytes value) {
    return refusal(kVlek, [&](AmdCertificate& fields) { fields.extension(kCsp) = std::move(value); });
  };
  EXPECT_EQ(csp(text("CN=x", tag::kUtf8String)), "accepted");
  EXPECT_EQ(csp(text("")), kId);
  EXPECT_EQ(csp(text("a\nb")), kId);
  EXPECT_EQ(csp(text(std::string(255, 'a'))), "accepted");
  EXPECT_EQ(csp(text(std::string(256, 'a'))), kId);
  EXPECT_EQ(csp(text("CN=x", tag::kOctetString)), kId);
  EXPECT_EQ(csp({0x16, 0x01, 'a', 0x00}), kId);
  // Keys that cannot have signed, and keys that may issue.
  const auto p256 = crypto::PrivateKey::generate(crypto::KeyType::kP256)->public_key();
  EXPECT_EQ(refusal(kMilan, [&](AmdCertificate& fields) { fields.spki = p256.spki(); }), kId);
  EXPECT_EQ(refusal(kMilan,
                    [](AmdCertificate& fields) {
                      fields.extensions.push_back({"2.5.29.19", Bytes{0x30, 0x03, 0x01, 0x01, 0xff}, true});
                    }),
            kId);
}

TEST(SnpEndorsement, PassesOverOtherChips) {
  const auto milan = fake_amd().endorsement(kMilan);
  EXPECT_TRUE(may_endorse_chip(milan, fake_chip_id(SnpProduct::kMilan)));
  EXPECT_TRUE(may_endorse_chip(fake_amd().endorsement(kTurin), fake_chip_id(SnpProduct::kTurin)));
  EXPECT_FALSE(may_endorse_chip(milan, ByteArray<64>{}));
  EXPECT_FALSE(may_endorse_chip(fake_amd().endorsement(kVlek), fake_chip_id(SnpProduct::kMilan)));
  const auto empty = fake_amd().endorsement(kMilan, [](AmdCertificate& fields) { fields.extension(kHwid) = {}; });
  EXPECT_FALSE(may_endorse_chip(empty, fake_chip_id(SnpProduct::kMilan)));
}

TEST(SnpEndorsement, SaysWhereAmdServesIt) {
  const Bytes milan = fake_amd().report();
  EXPECT_EQ(vcek_url(*parse_report(milan)), "https://kdsintf.amd.com/vcek/v1/Milan/" +
                                                to_hex(fake_chip_id(SnpProduct::kMilan)) +
                                                "?blSPL=04&teeSPL=01&snpSPL=24&ucodeSPL=219");
  const Bytes turin = fake_amd().report(kTurin);
  EXPECT_EQ(
      vcek_url(*parse_report(turin)),
      "https://kdsintf.amd.com/vcek/v1/Turin/a0a1a2a3a4a5a6a7?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=200");
  const Bytes old = fake_amd().report({.version = 2});
  EXPECT_THAT(vcek_url(*parse_report(old)), ::testing::StartsWith("https://kdsintf.amd.com/vcek/v1/{Milan|Genoa}/a0"));
}

}  // namespace
}  // namespace gateway::attestation::snp
