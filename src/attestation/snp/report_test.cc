#include "attestation/snp/report.h"

#include <gmock/gmock.h>

#include "attestation/testing/fake_amd.h"

namespace gateway::attestation::snp {
namespace {

using attestation::testing::AmdReport;
using attestation::testing::fake_amd;

std::string refusal(ByteView report) {
  CheckList checks;
  const auto parsed = parse_report(report, &checks);
  if (parsed) return "accepted";
  EXPECT_EQ(checks.lines().back().id, parsed.error().id());
  EXPECT_NE(checks.lines().back().outcome, Outcome::kOk);
  return std::string(parsed.error().id());
}

std::string refusal_after(const std::function<void(Bytes&)>& alter, AmdReport options = {}) {
  Bytes report = fake_amd().report(options);
  alter(report);
  return refusal(report);
}

std::string with_bit(std::size_t byte, unsigned bit, AmdReport options = {}) {
  return refusal_after([&](Bytes& report) { report.at(byte) ^= static_cast<std::uint8_t>(1U << bit); }, options);
}

const AmdReport kVersion2{.version = 2}, kVersion5{.version = 5}, kTurin{.product = SnpProduct::kTurin},
    kVlek{.key = SnpSigningKey::kVlek};

TEST(SnpReport, ReadsEveryField) {
  const Bytes bytes = fake_amd().report(kVersion5);
  CheckList checks;
  const auto report = parse_report(bytes, &checks);
  ASSERT_TRUE(report) << report.error().message();
  const SnpClaims& fields = report->fields;
  EXPECT_EQ(fields.version, 5U);
  EXPECT_EQ(fields.guest_svn, 7U);
  EXPECT_EQ(fields.policy.raw, 0x3001fU);
  EXPECT_EQ(fields.policy.abi_minor, 0x1f);
  EXPECT_EQ(fields.policy.abi_major, 0);
  EXPECT_TRUE(fields.policy.smt);
  EXPECT_FALSE(fields.policy.debug);
  EXPECT_EQ(fields.family_id, (ByteArray<16>{0xf1, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1,
                                             0xf1, 0xf1, 0xf1, 0xf1}));
  EXPECT_EQ(fields.image_id[15], 0xf2);
  EXPECT_EQ(fields.vmpl, 0U);
  EXPECT_TRUE(fields.platform_info.smt_en && fields.platform_info.ecc_en && fields.platform_info.alias_check_complete);
  EXPECT_FALSE(fields.platform_info.tsme_en || fields.platform_info.rapl_dis || fields.platform_info.tio_en ||
               fields.platform_info.iommu_write_safe || fields.platform_info.ciphertext_hiding_dram_en);
  EXPECT_FALSE(fields.author_key_en || fields.mask_chip_key);
  EXPECT_EQ(fields.signing_key, SnpSigningKey::kVcek);
  EXPECT_EQ(fields.report_data[63], 0x11);
  EXPECT_EQ(fields.measurement[47], 0x22);
  EXPECT_EQ(fields.host_data[31], 0x33);
  EXPECT_EQ(fields.id_key_digest[47], 0x44);
  EXPECT_EQ(fields.author_key_digest[47], 0x55);
  EXPECT_EQ(fields.report_id[31], 0x66);
  EXPECT_EQ(fields.report_id_ma[31], 0xff);
  EXPECT_EQ(fields.chip_id, attestation::testing::fake_chip_id(SnpProduct::kMilan));
  for (const SnpTcb& tcb : {fields.current_tcb, fields.reported_tcb, fields.committed_tcb, fields.launch_tcb}) {
    EXPECT_EQ(tcb.raw, attestation::testing::fake_tcb(SnpProduct::kMilan));
  }
  for (const SnpVersion& version : {fields.current_version, fields.committed_version}) {
    EXPECT_EQ(version.major, 1);
    EXPECT_EQ(version.minor, 55);
    EXPECT_EQ(version.build, 29);
  }
  EXPECT_EQ(fields.cpuid_family, 0x19);
  EXPECT_EQ(fields.cpuid_model, 0x01);
  EXPECT_EQ(fields.cpuid_stepping, 0x01);
  EXPECT_EQ(fields.launch_mitigations, 3U);
  EXPECT_EQ(fields.current_mitigations, 7U);
  EXPECT_EQ(report->product, SnpProduct::kMilan);
  EXPECT_EQ(report->signed_bytes.size(), kSignedSize);
  for (const Check& line : checks.lines()) EXPECT_EQ(line.outcome, Outcome::kOk) << line.id;
}

TEST(SnpReport, ReadsEveryBit) {
  const auto policy = [](unsigned bit) {
    const Bytes bytes = fake_amd().report({.alter = [&](Bytes& report) {
      report[0x0a] = 0x02;
      report.at(8 + bit / 8) |= static_cast<std::uint8_t>(1U << (bit % 8));
    }});
    return parse_report(bytes)->fields.policy;
  };
  EXPECT_TRUE(policy(16).smt);
  EXPECT_TRUE(policy(18).migrate_ma);
  EXPECT_TRUE(policy(19).debug);
  EXPECT_TRUE(policy(20).single_socket);
  EXPECT_TRUE(policy(21).cxl_allow);
  EXPECT_TRUE(policy(22).mem_aes_256_xts);
  EXPECT_TRUE(policy(23).rapl_dis);
  EXPECT_TRUE(policy(24).ciphertext_hiding_dram);
  EXPECT_TRUE(policy(25).page_swap_disable);
  EXPECT_FALSE(policy(25).debug || policy(25).smt || policy(25).migrate_ma);
  const auto platform = [](unsigned bit) {
    const Bytes bytes =
        fake_amd().report({.alter = [&](Bytes& report) { report[0x40] = static_cast<std::uint8_t>(1U << bit); }});
    return parse_report(bytes)->fields.platform_info;
  };
  EXPECT_TRUE(platform(0).smt_en);
  EXPECT_TRUE(platform(1).tsme_en);
  EXPECT_TRUE(platform(2).ecc_en);
  EXPECT_TRUE(platform(3).rapl_dis);
  EXPECT_TRUE(platform(4).ciphertext_hiding_dram_en);
  EXPECT_TRUE(platform(5).alias_check_complete);
  EXPECT_TRUE(platform(6).iommu_write_safe);
  EXPECT_TRUE(platform(7).tio_en);
  const Bytes author = fake_amd().report({.alter = [](Bytes& report) { report[0x48] |= 1U; }});
  EXPECT_TRUE(parse_report(author)->fields.author_key_en);
}

TEST(SnpReport, ReadsVersion2) {
  const Bytes bytes = fake_amd().report(kVersion2);
  const auto report = parse_report(bytes);
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->product);
  EXPECT_FALSE(report->fields.cpuid_family);
  EXPECT_FALSE(report->fields.launch_mitigations);
}

TEST(SnpReport, RefusesAnyOtherSize) {
  const Bytes report = fake_amd().report();
  for (std::size_t size = 0; size < report.size(); ++size) {
    EXPECT_EQ(refusal(ByteView(report).first(size)), "snp.report.size");
  }
  Bytes longer = report;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), "snp.report.size");
}

TEST(SnpReport, RefusesOtherVersions) {
  for (const unsigned version : {0U, 1U, 4U, 6U, 7U, 255U}) {
    EXPECT_EQ(refusal_after([&](Bytes& report) { report[0] = static_cast<std::uint8_t>(version); }),
              "snp.report.version");
  }
  EXPECT_EQ(refusal_after([](Bytes& report) { report[3] = 1; }), "snp.report.version");
}

TEST(SnpReport, RefusesReservedBytesThatAreNotZero) {
  constexpr const char* kId = "snp.report.reserved_not_zero";
  for (const std::size_t at :
       {0x04cUZ, 0x04fUZ, 0x18bUZ, 0x19fUZ, 0x1ebUZ, 0x1efUZ, 0x1f8UZ, 0x207UZ, 0x208UZ, 0x29fUZ}) {
    EXPECT_EQ(with_bit(at, 0), kId) << at;
  }
  // The CPUID fields came with version 3, the mitigation vectors with version 5.
  for (const std::size_t at : {0x188UZ, 0x189UZ, 0x18aUZ}) EXPECT_EQ(with_bit(at, 0, kVersion2), kId) << at;
  for (const std::size_t at : {0x1f8UZ, 0x207UZ}) EXPECT_EQ(with_bit(at, 7, kVersion5), "accepted") << at;
  for (const std::size_t at : {0x208UZ, 0x29fUZ}) EXPECT_EQ(with_bit(at, 0, kVersion5), kId) << at;
  // Flags above the signing key.
  EXPECT_EQ(with_bit(0x048, 5), kId);
  EXPECT_EQ(with_bit(0x04b, 7), kId);
}

TEST(SnpReport, RefusesWhatAProductReserves) {
  constexpr const char* kId = "snp.report.reserved_not_zero";
  for (const std::size_t tcb : {0x038UZ, 0x180UZ, 0x1e0UZ, 0x1f0UZ}) {
    for (const std::size_t byte : {2UZ, 3UZ, 4UZ, 5UZ}) EXPECT_EQ(with_bit(tcb + byte, 0), kId) << tcb << " " << byte;
    for (const std::size_t byte : {0UZ, 1UZ, 6UZ, 7UZ}) EXPECT_EQ(with_bit(tcb + byte, 0), "accepted") << byte;
    for (const std::size_t byte : {4UZ, 5UZ, 6UZ}) EXPECT_EQ(with_bit(tcb + byte, 0, kTurin), kId) << byte;
    for (const std::size_t byte : {0UZ, 1UZ, 2UZ, 3UZ, 7UZ}) EXPECT_EQ(with_bit(tcb + byte, 0, kTurin), "accepted");
  }
  EXPECT_EQ(with_bit(0x1a8, 0, kTurin), kId);
  EXPECT_EQ(with_bit(0x1df, 0, kTurin), kId);
}

TEST(SnpReport, RefusesPoliciesThatFirmwareRefuses) {
  EXPECT_EQ(with_bit(0x00a, 1), "snp.report.policy");  // bit 17 must be one
  EXPECT_EQ(with_bit(0x00b, 2), "snp.report.policy");  // bit 26
  EXPECT_EQ(with_bit(0x00f, 7), "snp.report.policy");
  EXPECT_EQ(with_bit(0x00b, 1), "accepted");
}

TEST(SnpReport, RefusesUnknownPlatformInformation) {
  EXPECT_EQ(with_bit(0x041, 0), "snp.report.platform_info");
  EXPECT_EQ(with_bit(0x047, 7), "snp.report.platform_info");
  EXPECT_EQ(with_bit(0x040, 7), "accepted");
}

TEST(SnpReport, RefusesImpossiblePrivilegeLevels) {
  const auto vmpl = [](Bytes value) {
    return refusal_after([&](Bytes& report) { std::ranges::copy(value, report.begin() + 0x30); });
  };
  EXPECT_EQ(vmpl({3, 0, 0, 0}), "accepted");
  EXPECT_EQ(vmpl({0xff, 0xff, 0xff, 0xff}), "accepted");
  EXPECT_EQ(vmpl({4, 0, 0, 0}), "snp.report.vmpl");
  EXPECT_EQ(vmpl({0xfe, 0xff, 0xff, 0xff}), "snp.report.vmpl");
}

TEST(SnpReport, RefusesOtherProducts) {
  const auto cpu = [](std::uint8_t family, std::uint8_t model) {
    return refusal_after([&](Bytes& report) {
      report[0x188] = family;
      report[0x189] = model;
    });
  };
  EXPECT_EQ(cpu(0x17, 0x01), "snp.report.product");
  EXPECT_EQ(cpu(0x19, 0x20), "snp.report.product");
  EXPECT_EQ(cpu(0x19, 0x9f), "snp.report.product");
  EXPECT_EQ(cpu(0x1a, 0x50), "snp.report.product");
  EXPECT_EQ(product_of_cpu(0x19, 0x00), SnpProduct::kMilan);
  EXPECT_EQ(product_of_cpu(0x19, 0x0f), SnpProduct::kMilan);
  EXPECT_EQ(product_of_cpu(0x19, 0x10), SnpProduct::kGenoa);
  EXPECT_EQ(product_of_cpu(0x19, 0x1f), SnpProduct::kGenoa);
  EXPECT_EQ(product_of_cpu(0x19, 0xa0), SnpProduct::kGenoa);
  EXPECT_EQ(product_of_cpu(0x19, 0xaf), SnpProduct::kGenoa);
  EXPECT_EQ(product_of_cpu(0x19, 0xb0), std::nullopt);
  EXPECT_EQ(product_of_cpu(0x1a, 0x02), SnpProduct::kTurin);
  EXPECT_EQ(product_of_cpu(0x1a, 0x11), SnpProduct::kTurin);
  EXPECT_EQ(product_of_cpu(0x1a, 0x20), std::nullopt);
}

TEST(SnpReport, RefusesOtherSignatureAlgorithms) {
  EXPECT_EQ(with_bit(0x034, 0), "snp.report.signature_algo");
  EXPECT_EQ(with_bit(0x037, 7), "snp.report.signature_algo");
}

TEST(SnpReport, RefusesOtherSigningKeys) {
  for (const unsigned key : {2U, 3U, 4U, 5U, 6U}) {
    EXPECT_EQ(refusal_after([&](Bytes& report) { report[0x48] = static_cast<std::uint8_t>(key << 2U); }),
              "snp.report.signing_key");
  }
}

TEST(SnpReport, RefusesUnsignedReports) {
  EXPECT_EQ(refusal_after([](Bytes& report) { report[0x48] = 7U << 2U; }), "snp.unsigned");
  EXPECT_EQ(refusal_after([](Bytes& report) { report[0x48] = 2; }), "snp.unsigned");  // MASK_CHIP_KEY
  EXPECT_EQ(refusal_after([](Bytes& report) { std::fill(report.begin() + 0x2a0, report.end(), 0); }), "snp.unsigned");
  // The chip's key is masked, the provider's signs.
  EXPECT_EQ(refusal_after([](Bytes& report) { report[0x48] |= 2U; }, kVlek), "accepted");
}

TEST(SnpReport, RefusesAMaskedChipUnlessAVlekSigns) {
  const auto mask = [](Bytes& report) { std::fill(report.begin() + 0x1a0, report.begin() + 0x1e0, 0); };
  EXPECT_EQ(refusal_after(mask), "snp.report.chip_id_masked");
  EXPECT_EQ(refusal_after(mask, kVlek), "accepted");
}

TEST(SnpReport, RefusesSignaturesOfAnotherShape) {
  for (const std::size_t at : {0x2d0UZ, 0x2e7UZ, 0x318UZ, 0x32fUZ, 0x330UZ, 0x49fUZ}) {
    EXPECT_EQ(with_bit(at, 0), "snp.report.signature_format") << at;
  }
}

TEST(SnpReport, KnowsTheLayoutsOfTheTcb) {
  const SnpTcb milan = tcb_of(0x0807'0605'0403'0201, SnpProduct::kMilan);
  EXPECT_FALSE(milan.fmc);
  EXPECT_EQ(milan.boot_loader, 1);
  EXPECT_EQ(milan.tee, 2);
  EXPECT_EQ(milan.snp, 7);
  EXPECT_EQ(milan.microcode, 8);
  EXPECT_EQ(tcb_of(0x0807'0605'0403'0201, SnpProduct::kGenoa), milan);
  const SnpTcb turin = tcb_of(0x0807'0605'0403'0201, SnpProduct::kTurin);
  EXPECT_EQ(turin.fmc, 1);
  EXPECT_EQ(turin.boot_loader, 2);
  EXPECT_EQ(turin.tee, 3);
  EXPECT_EQ(turin.snp, 4);
  EXPECT_EQ(turin.microcode, 8);
}

}  // namespace
}  // namespace gateway::attestation::snp
