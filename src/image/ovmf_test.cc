#include "image/ovmf.h"

#include "image/testing.h"
#include "image/testing_ovmf.h"

namespace gateway::image {
namespace {

using testing::ovmf_file;
using testing::OvmfParts;

Result<Ovmf> parsed(const OvmfParts& parts) { return parse_ovmf(ovmf_file(parts)); }

TEST(Ovmf, ReadsWhereProcessorsStartAndWhatIsMeasured) {
  const auto found = parsed({});
  ASSERT_OK(found);
  EXPECT_EQ(found->ap_reset_eip, 0x0080'b004U);
  EXPECT_EQ(found->hash_table_gpa, 0x0081'0c00U);
  ASSERT_EQ(found->sections.size(), 5U);
  EXPECT_EQ(found->sections.at(0).gpa, 0x80'0000U);
  EXPECT_EQ(found->sections.at(0).size, 0x9000U);
  EXPECT_EQ(found->sections.at(4).type, OvmfSectionType::kKernelHashes);
}

TEST(Ovmf, PassesOverEntriesOfTheTableThatItDoesNotNeed) {
  OvmfParts parts;
  parts.entries.push_back({ByteArray<16>{1, 2, 3}, Bytes(100, 7)});
  ASSERT_OK(parsed(parts));
}

TEST(Ovmf, KnowsThatAFirmwareHasNoPlaceForKernelHashes) {
  OvmfParts parts;
  parts.hash_table = 0;
  const auto zero = parsed(parts);
  ASSERT_OK(zero);
  EXPECT_FALSE(zero->hash_table_gpa);
  parts.without = {testing::kOvmfHashTable};
  const auto none = parsed(parts);
  ASSERT_OK(none);
  EXPECT_FALSE(none->hash_table_gpa);
}

TEST(Ovmf, RefusesFilesThatAreNotWholePages) {
  EXPECT_REFUSED(parse_ovmf({}), "image.ovmf.page_size");
  Bytes file = ovmf_file({});
  file.insert(file.begin(), 0);
  EXPECT_REFUSED(parse_ovmf(file), "image.ovmf.page_size");
}

TEST(Ovmf, RefusesFilesBeyondTheLimit) {
  EXPECT_REFUSED(parse_ovmf(Bytes(kOvmfMaxSize + kGuestPage)), "image.ovmf.size");
}

TEST(Ovmf, RefusesFilesWithoutTheTable) {
  EXPECT_REFUSED(parse_ovmf(Bytes(kGuestPage)), "image.ovmf.no_table");
  Bytes file = ovmf_file({});
  file[file.size() - 33] ^= 1;  // the last byte of the footer's GUID
  EXPECT_REFUSED(parse_ovmf(file), "image.ovmf.no_table");
}

TEST(Ovmf, RefusesATableThatTheFileDoesNotHold) {
  for (const unsigned size : {0U, 17U, 4096U - 32U + 1U, 0xffffU}) {
    OvmfParts parts;
    parts.table_size = static_cast<std::uint16_t>(size);
    EXPECT_REFUSED(parsed(parts), "image.ovmf.table");
  }
}

TEST(Ovmf, RefusesEntriesThatDoNotFillTheTable) {
  OvmfParts short_entry;
  short_entry.entries.push_back({ByteArray<16>{1}, {}, 17});
  EXPECT_REFUSED(parsed(short_entry), "image.ovmf.entry");
  OvmfParts long_entry;
  long_entry.entries.push_back({ByteArray<16>{1}, {}, 0xffff});
  EXPECT_REFUSED(parsed(long_entry), "image.ovmf.entry");
  OvmfParts bytes_left;
  bytes_left.slack = 17;
  EXPECT_REFUSED(parsed(bytes_left), "image.ovmf.entry");
}

TEST(Ovmf, RefusesSevEntriesOfAnotherLength) {
  for (const auto& guid : {testing::kOvmfReset, testing::kOvmfHashTable, testing::kOvmfMetadata}) {
    OvmfParts parts;
    parts.without = {guid};
    parts.entries.push_back({guid, Bytes(5, 1)});
    EXPECT_REFUSED(parsed(parts), "image.ovmf.entry");
  }
}

TEST(Ovmf, RefusesTheSameSevEntryTwice) {
  for (const auto& guid : {testing::kOvmfReset, testing::kOvmfHashTable, testing::kOvmfMetadata}) {
    OvmfParts parts;
    parts.entries.push_back({guid, Bytes(guid == testing::kOvmfHashTable ? 8 : 4, 1)});
    EXPECT_REFUSED(parsed(parts), "image.ovmf.duplicate");
  }
}

TEST(Ovmf, RefusesFirmwareWithoutAResetBlock) {
  OvmfParts parts;
  parts.without = {testing::kOvmfReset};
  EXPECT_REFUSED(parsed(parts), "image.ovmf.no_reset");
  OvmfParts zero;
  zero.reset_eip = 0;
  EXPECT_REFUSED(parsed(zero), "image.ovmf.no_reset");
}

TEST(Ovmf, RefusesFirmwareWithoutSevMetadata) {
  OvmfParts parts;
  parts.without = {testing::kOvmfMetadata};
  EXPECT_REFUSED(parsed(parts), "image.ovmf.no_metadata");
}

TEST(Ovmf, RefusesMetadataThatIsNotWhereTheTableSays) {
  for (const std::uint32_t offset : {0U, 15U, 4097U, 0xffff'ffffU, 700U}) {
    OvmfParts parts;
    parts.metadata_offset = offset;
    EXPECT_REFUSED(parsed(parts), "image.ovmf.metadata");
  }
}

TEST(Ovmf, RefusesMetadataWhoseLengthDoesNotFit) {
  for (const std::uint32_t size : {0U, 16U + 4 * 12U, 16U + 5 * 12U + 1, 0xffff'ffffU}) {
    OvmfParts parts;
    parts.metadata_size = size;
    EXPECT_REFUSED(parsed(parts), "image.ovmf.metadata");
  }
}

TEST(Ovmf, RefusesMetadataThatTheFileCutsOff) {
  OvmfParts parts;
  parts.sections.assign(64, parts.sections.front());
  parts.metadata_at_end = true;
  EXPECT_REFUSED(parsed(parts), "image.ovmf.metadata");
}

TEST(Ovmf, RefusesMetadataOfAnotherVersion) {
  OvmfParts parts;
  parts.metadata_version = 2;
  EXPECT_REFUSED(parsed(parts), "image.ovmf.metadata_version");
}

TEST(Ovmf, RefusesTooManySections) {
  OvmfParts parts;
  parts.sections.clear();
  for (std::uint32_t i = 0; i < kOvmfMaxSections; ++i) parts.sections.push_back({i * 4096, 4096, 1});
  ASSERT_OK(parsed(parts));
  parts.sections.push_back({0x80'0000, 4096, 1});
  EXPECT_REFUSED(parsed(parts), "image.ovmf.limit");
}

TEST(Ovmf, RefusesTooMuchMeasuredMemory) {
  OvmfParts parts;
  parts.sections = {{0, static_cast<std::uint32_t>(kOvmfMaxSectionMemory), 1}};
  ASSERT_OK(parsed(parts));
  parts.sections.push_back({0x8000'0000, 4096, 1});
  EXPECT_REFUSED(parsed(parts), "image.ovmf.limit");
}

TEST(Ovmf, RefusesSectionsThatAreNotWholePagesBelowTheFirmware) {
  const testing::OvmfItem bad[] = {{0x80'0001, 4096, 1},   {0x80'0000, 4097, 1},   {0x80'0000, 0, 1},
                                   {0xffff'f000, 4096, 1}, {0xffff'e000, 8192, 1}, {0xffff'f000, 0xffff'f000, 1},
                                   {0x80'0000, 8192, 2},   {0x80'0000, 8192, 3},   {0x80'0000, 8192, 0x10}};
  for (const auto& item : bad) {
    OvmfParts parts;
    parts.sections = {item};
    EXPECT_REFUSED(parsed(parts), "image.ovmf.section");
  }
  OvmfParts last;
  last.sections = {{0xffff'e000, 4096, 1}};  // ends where a firmware of one page begins
  ASSERT_OK(parsed(last));
}

TEST(Ovmf, RefusesSectionsThatOverlap) {
  OvmfParts parts;
  parts.sections = {{0x80'2000, 4096, 1}, {0x80'0000, 0x3000, 1}};
  EXPECT_REFUSED(parsed(parts), "image.ovmf.section");
  parts.sections = {{0x80'3000, 4096, 1}, {0x80'0000, 0x3000, 1}};
  ASSERT_OK(parsed(parts));
}

TEST(Ovmf, RefusesSectionsThatItDoesNotKnow) {
  for (const std::uint32_t type : {0U, 5U, 15U, 17U, 0xffff'ffffU}) {
    OvmfParts parts;
    parts.sections = {{0x80'0000, 4096, type}};
    EXPECT_REFUSED(parsed(parts), "image.ovmf.section_type");
  }
}

}  // namespace
}  // namespace gateway::image
