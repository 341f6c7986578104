#include "attestation/snp/evidence.h"

#include <gmock/gmock.h>

#include "attestation/testing/fake_amd.h"

namespace gateway::attestation::snp {
namespace {

using attestation::testing::certificate_table;
using attestation::testing::fake_amd;
using attestation::testing::kArkGuid;
using attestation::testing::kAskGuid;
using attestation::testing::kCrlGuid;
using attestation::testing::kVcekGuid;
using attestation::testing::kVlekGuid;
using attestation::testing::TableEntry;
using attestation::testing::TableOrder;

constexpr std::string_view kRuntimeData = R"({"keys":[],"user-data":"00"})";

std::string refusal(ByteView evidence) {
  CheckList checks;
  const auto parsed = parse_evidence(evidence, &checks);
  if (parsed) return "accepted";
  EXPECT_EQ(checks.lines().back().id, parsed.error().id());
  return std::string(parsed.error().id());
}

Bytes with_table(Bytes table) {
  Bytes evidence = fake_amd().report();
  append(evidence, table);
  return evidence;
}
std::string table_refusal(const std::function<void(Bytes& table)>& alter) {
  Bytes table = certificate_table({{kVcekGuid, Bytes(100, 1)}, {kAskGuid, Bytes(50, 2)}});
  alter(table);
  return refusal(with_table(std::move(table)));
}
std::string hcl_refusal(const std::function<void(Bytes& hcl)>& alter) {
  Bytes hcl = fake_amd().hcl({}, kRuntimeData);
  alter(hcl);
  return refusal(hcl);
}

TEST(SnpEvidence, IsAReportAlone) {
  const Bytes bytes = fake_amd().report();
  const auto evidence = parse_evidence(bytes);
  ASSERT_TRUE(evidence);
  EXPECT_EQ(evidence->format, "snp.report");
  EXPECT_FALSE(evidence->certificates.vcek);
  EXPECT_FALSE(evidence->runtime_data);
}

TEST(SnpEvidence, IsAReportAndItsCertificates) {
  const Bytes page(4096);
  for (const TableOrder order : {TableOrder::kText, TableOrder::kMixed}) {
    Bytes bytes = with_table(certificate_table({{kVcekGuid, Bytes(100, 1)},
                                                {kVlekGuid, Bytes(90, 2)},
                                                {kAskGuid, Bytes(80, 3)},
                                                {kArkGuid, Bytes(70, 4)},
                                                {kCrlGuid, Bytes(60, 5)},
                                                {"ecae0c0f950243b1afa20ae2e0d565b6", Bytes(8, 6)}},
                                               order));
    append(bytes, page);  // hosts hand over whole pages
    const auto evidence = parse_evidence(bytes);
    ASSERT_TRUE(evidence) << evidence.error().message();
    EXPECT_EQ(evidence->format, "snp.report_with_certificates");
    EXPECT_THAT(*evidence->certificates.vcek, ::testing::ElementsAreArray(Bytes(100, 1)));
    EXPECT_THAT(*evidence->certificates.vlek, ::testing::ElementsAreArray(Bytes(90, 2)));
    EXPECT_THAT(*evidence->certificates.ask, ::testing::ElementsAreArray(Bytes(80, 3)));
    EXPECT_THAT(*evidence->certificates.ark, ::testing::ElementsAreArray(Bytes(70, 4)));
    EXPECT_THAT(*evidence->certificates.crl, ::testing::ElementsAreArray(Bytes(60, 5)));
  }
}

TEST(SnpEvidence, IsAzuresForm) {
  const Bytes bytes = fake_amd().hcl({}, kRuntimeData);
  EXPECT_TRUE(looks_like_hcl(bytes));
  const auto evidence = parse_evidence(bytes);
  ASSERT_TRUE(evidence) << evidence.error().message();
  EXPECT_EQ(evidence->format, "snp.hcl");
  EXPECT_EQ(as_text(*evidence->runtime_data), kRuntimeData);
  EXPECT_EQ(evidence->report.product, SnpProduct::kMilan);
}

TEST(SnpEvidence, IsRecognised) {
  const Bytes report = fake_amd().report();
  EXPECT_TRUE(looks_like_snp(report));
  EXPECT_TRUE(looks_like_snp(fake_amd().report({.version = 2})));
  EXPECT_TRUE(looks_like_snp(fake_amd().hcl({}, kRuntimeData)));
  EXPECT_TRUE(looks_like_snp(ByteView(report).first(100)));
  EXPECT_FALSE(looks_like_snp({}));
  EXPECT_FALSE(looks_like_snp(ByteView(report).first(20)));
  EXPECT_FALSE(looks_like_snp(Bytes(2000)));
  Bytes quote = report;  // DCAP: version 4, key type 2
  quote[0] = 4;
  quote[2] = 2;
  EXPECT_FALSE(looks_like_snp(quote));
  EXPECT_FALSE(looks_like_snp(attestation::testing::fake_nitro().document()));
}

TEST(SnpEvidence, RefusesNothingAndTooMuch) {
  EXPECT_EQ(refusal({}), "snp.evidence.empty");
  EXPECT_EQ(refusal(Bytes(kMaxEvidenceSize + 1)), "snp.evidence.size");
}

TEST(SnpEvidence, RefusesTrailingBytes) {
  for (const std::size_t size : {1UZ, 23UZ}) EXPECT_EQ(refusal(with_table(Bytes(size))), "snp.table.terminator");
  EXPECT_EQ(refusal(with_table(Bytes(24))), "snp.table.empty");
  EXPECT_EQ(refusal(with_table(Bytes(4096))), "snp.table.empty");
  EXPECT_EQ(refusal(with_table(Bytes(24, 0xff))), "snp.table.terminator");
}

TEST(SnpTable, RefusesAHeaderWithoutAnEnd) {
  const Bytes table = certificate_table({{kVcekGuid, Bytes(100, 1)}});
  for (std::size_t size = 1; size < 48; ++size) {
    EXPECT_EQ(refusal(with_table(to_bytes(ByteView(table).first(size)))), "snp.table.terminator") << size;
  }
  for (std::size_t size = 48; size < table.size(); ++size) {
    EXPECT_EQ(refusal(with_table(to_bytes(ByteView(table).first(size)))), "snp.table.bounds") << size;
  }
  EXPECT_EQ(refusal(with_table(table)), "accepted");
}

TEST(SnpTable, RefusesTooManyEntries) {
  std::vector<TableEntry> entries;
  for (std::size_t i = 0; i < kMaxEntries; ++i) entries.push_back({"ecae0c0f950243b1afa20ae2e0d565b6", Bytes(1, 1)});
  EXPECT_EQ(refusal(with_table(certificate_table(entries))), "accepted");
  entries.push_back(entries.front());
  EXPECT_EQ(refusal(with_table(certificate_table(entries))), "snp.table.entries");
}

TEST(SnpTable, RefusesEntriesOutsideIt) {
  EXPECT_EQ(table_refusal([](Bytes& table) { table[16] = 0xff; }), "snp.table.bounds");  // offset of the first
  EXPECT_EQ(table_refusal([](Bytes& table) { table[20] = 0xff; }), "snp.table.bounds");  // its length
  EXPECT_EQ(table_refusal([](Bytes& table) { table[19] = 0xff; }), "snp.table.bounds");  // offset beyond 2^31
  EXPECT_EQ(table_refusal([](Bytes& table) { std::fill(table.begin() + 20, table.begin() + 24, 0xff); }),
            "snp.table.bounds");                                                      // their sum beyond 2^32
  EXPECT_EQ(table_refusal([](Bytes& table) { table[20] = 0; }), "snp.table.bounds");  // nothing
}

TEST(SnpTable, RefusesEntriesThatOverlap) {
  EXPECT_EQ(table_refusal([](Bytes& table) { table[16] = 71; }), "snp.table.overlap");  // the header's last byte
  EXPECT_EQ(table_refusal([](Bytes& table) { table[20] = 101; }), "snp.table.overlap");
  EXPECT_EQ(table_refusal([](Bytes& table) { table[40] = 72; }), "snp.table.overlap");  // the second where the first is
}

TEST(SnpTable, RefusesTheSameCertificateTwice) {
  EXPECT_EQ(refusal(with_table(certificate_table({{kVcekGuid, Bytes(9, 1)}, {kVcekGuid, Bytes(9, 1)}}))),
            "snp.table.duplicate");
}

TEST(SnpTable, RefusesBytesThatNoEntryCovers) {
  EXPECT_EQ(table_refusal([](Bytes& table) { table.push_back(1); }), "snp.table.padding");
  EXPECT_EQ(table_refusal([](Bytes& table) { table.insert(table.end(), 4000, 0); }), "accepted");
  EXPECT_EQ(table_refusal([](Bytes& table) { table[20] = 99; }), "snp.table.padding");  // a byte between the two
}

TEST(SnpTable, RefusesMoreThanItsLimit) {
  Bytes table = certificate_table({{kVcekGuid, Bytes(100, 1)}});
  table.resize(kMaxTableSize + 1);
  CheckList checks;
  EXPECT_EQ(parse_certificate_table(table, checks).error().id(), "snp.table.size");
  table.resize(kMaxTableSize);
  EXPECT_TRUE(parse_certificate_table(table, checks));
}

TEST(SnpHcl, RefusesOtherHeaders) {
  const auto parse = [](const Bytes& bytes) {
    CheckList checks;
    const auto parsed = parse_hcl(bytes, checks);
    return parsed ? std::string("accepted") : std::string(parsed.error().id());
  };
  Bytes hcl = fake_amd().hcl({}, kRuntimeData);
  hcl[0] ^= 1U;
  EXPECT_EQ(parse(hcl), "snp.hcl.header");
  EXPECT_FALSE(looks_like_hcl(hcl));
  EXPECT_EQ(parse(Bytes(100)), "snp.hcl.size");
  EXPECT_EQ(parse(Bytes(kMaxHclSize + 1)), "snp.hcl.size");
  Bytes tdx = fake_amd().hcl({}, kRuntimeData);
  tdx[0x20 + 0x4a0 + 8] = 4;
  EXPECT_EQ(parse(tdx), "snp.hcl.report_type");
  EXPECT_FALSE(looks_like_hcl(tdx));
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[16] = 1; }), "snp.hcl.header");  // status
  EXPECT_EQ(parse([] {
              Bytes bytes = fake_amd().hcl({}, kRuntimeData);
              bytes[31] = 1;  // reserved
              return bytes;
            }()),
            "snp.hcl.header");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[4] = 3; }), "snp.hcl.version");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[4] = 1; }), "accepted");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[0x4c0 + 4] = 2; }), "snp.hcl.version");
}

TEST(SnpHcl, RefusesLengthsThatDisagree) {
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { ++bytes[8]; }), "snp.hcl.size");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { ++bytes[0x4c0]; }), "snp.hcl.size");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { ++bytes[0x4c0 + 16]; }), "snp.hcl.size");
  // All three agree, and there are fewer bytes.
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes.resize(bytes.size() - 101); }), "snp.hcl.size");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes.resize(bytes.size() - 100); }), "accepted");
}

TEST(SnpHcl, RefusesOtherRuntimeData) {
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[0x4c0 + 20] ^= 1U; }), "snp.hcl.runtime_data");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[0x20 + 0x50] ^= 1U; }), "snp.hcl.runtime_data");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[0x20 + 0x50 + 32] ^= 1U; }), "snp.hcl.runtime_data");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[0x4c0 + 12] = 2; }), "snp.hcl.runtime_data");  // SHA-384
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[0x4c0 + 12] = 4; }), "snp.hcl.hash_type");
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[0x4c0 + 12] = 0; }), "snp.hcl.hash_type");
}

TEST(SnpHcl, KnowsTheLongerHashes) {
  const auto rehash = [](std::uint8_t type, ByteView digest) {
    return hcl_refusal([&](Bytes& bytes) {
      bytes[0x4c0 + 12] = type;
      std::ranges::copy(digest, bytes.begin() + 0x20 + 0x50);
    });
  };
  EXPECT_EQ(rehash(2, crypto::sha384(as_bytes(kRuntimeData))), "accepted");
  EXPECT_EQ(rehash(3, crypto::sha512(as_bytes(kRuntimeData))), "accepted");
}

TEST(SnpHcl, RefusesOtherBytesBehind) {
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes.back() = 1; }), "snp.hcl.padding");
}

TEST(SnpHcl, JudgesTheReportInside) {
  EXPECT_EQ(hcl_refusal([](Bytes& bytes) { bytes[0x20] = 9; }), "snp.report.version");
}

}  // namespace
}  // namespace gateway::attestation::snp
