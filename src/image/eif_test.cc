#include "image/eif.h"

#include <zlib.h>

#include <functional>

#include "image/testing.h"

namespace gateway::image {
namespace {

using testing::Folder;
using testing::slurp;

struct RawSection {
  std::uint16_t type;
  std::string data;
  std::uint16_t flags = 0;
};

// An image written from the specification, apart from the writer under test. `edit` may spoil it before the checksum.
Bytes make_image(const std::vector<RawSection>& sections, const std::function<void(Bytes&)>& edit = {}) {
  ByteWriter writer;
  writer.put(".eif");
  writer.u16be(4);
  writer.u16be(0);
  writer.u64be(1ULL << 30U);
  writer.u64be(2);
  writer.u16be(0);
  writer.u16be(static_cast<std::uint16_t>(sections.size()));
  std::uint64_t offset = 548;
  for (std::size_t i = 0; i < 32; ++i) {
    writer.u64be(i < sections.size() ? offset : 0);
    if (i < sections.size()) offset += 12 + sections[i].data.size();
  }
  for (std::size_t i = 0; i < 32; ++i) writer.u64be(i < sections.size() ? sections[i].data.size() : 0);
  writer.u32be(0);
  writer.u32be(0);
  for (const RawSection& section : sections) {
    writer.u16be(section.type);
    writer.u16be(section.flags);
    writer.u64be(section.data.size());
    writer.put(section.data);
  }
  Bytes bytes = std::move(writer).take();
  if (edit) edit(bytes);
  if (bytes.size() >= 548) {
    auto crc = ::crc32(0, bytes.data(), 544);
    crc = ::crc32(crc, bytes.data() + 548, static_cast<unsigned>(bytes.size() - 548));
    for (std::size_t i = 0; i < 4; ++i) bytes[544 + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
  }
  return bytes;
}

const std::vector<RawSection> kSound{
    {1, "kernel"}, {2, "console=ttyS0"}, {5, "{}"}, {3, "ramdisk one"}, {3, "ramdisk two"}};

TEST(Eif, ReadsASoundImage) {
  const Bytes bytes = make_image(kSound);
  const auto eif = Eif::parse(bytes);
  ASSERT_OK(eif);
  EXPECT_EQ(as_text(eif->kernel()), "kernel");
  EXPECT_EQ(eif->cmdline(), "console=ttyS0");
  ASSERT_EQ(eif->ramdisks().size(), 2);
  EXPECT_EQ(as_text(eif->ramdisks()[1]), "ramdisk two");
  EXPECT_EQ(as_text(*eif->metadata()), "{}");
  EXPECT_FALSE(eif->signature());
  EXPECT_FALSE(eif->local_only());
  EXPECT_FALSE(eif->arm64());
  EXPECT_EQ(eif->default_memory(), 1ULL << 30U);
  ASSERT_OK(eif->check_crc());
}

TEST(Eif, ReadsAnImageWithoutAKernelAsLocalOnly) {
  const Bytes bytes = make_image({{2, ""}, {3, "r"}});
  const auto eif = Eif::parse(bytes);
  ASSERT_OK(eif);
  EXPECT_TRUE(eif->local_only());
  EXPECT_EQ(eif->cmdline(), "");
}

TEST(Eif, ReadsTheArm64Flag) {
  const Bytes bytes = make_image(kSound, [](Bytes& b) { b[7] = 1; });
  const auto eif = Eif::parse(bytes);
  ASSERT_OK(eif);
  EXPECT_TRUE(eif->arm64());
}

TEST(Eif, EveryPrefixIsRefused) {
  const Bytes bytes = make_image(kSound);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Eif::parse(ByteView(bytes).first(size))) << size;
  }
  EXPECT_REFUSED(Eif::parse(ByteView(bytes).first(100)), "image.eif.truncated");
  EXPECT_REFUSED(Eif::parse(ByteView(bytes).first(bytes.size() - 1)), "image.eif.truncated");
}

struct Spoiled {
  const char* name;
  const char* id;
  std::function<void(Bytes&)> edit;
};

TEST(Eif, RefusesASpoiledHeaderByName) {
  const std::vector<Spoiled> cases{
      {"magic", "image.eif.magic", [](Bytes& b) { b[0] = 'x'; }},
      {"version 3", "image.eif.version", [](Bytes& b) { b[5] = 3; }},
      {"version 5", "image.eif.version", [](Bytes& b) { b[5] = 5; }},
      {"flags", "image.eif.flags", [](Bytes& b) { b[7] = 2; }},
      {"reserved", "image.eif.reserved", [](Bytes& b) { b[24] = 1; }},
      {"unused", "image.eif.reserved", [](Bytes& b) { b[543] = 1; }},
      {"no sections", "image.eif.section_count", [](Bytes& b) { b[27] = 0; }},
      {"33 sections", "image.eif.section_count", [](Bytes& b) { b[27] = 33; }},
      {"one section more", "image.eif.offset", [](Bytes& b) { b[27] = 6; }},
      {"one section fewer", "image.eif.unused_entry", [](Bytes& b) { b[27] = 4; }},
      {"first offset", "image.eif.offset", [](Bytes& b) { b[28 + 7] += 1; }},
      {"overlap", "image.eif.offset", [](Bytes& b) { b[36 + 7] -= 1; }},
      {"offset beyond the file", "image.eif.offset", [](Bytes& b) { b[36] = 0xff; }},
      {"size in the table", "image.eif.size", [](Bytes& b) { b[284 + 7] += 1; }},
      {"size in both", "image.eif.truncated",
       [](Bytes& b) {
         b[284] = 0x7f;
         b[548 + 4] = 0x7f;
       }},
      {"section type 0", "image.eif.section_type", [](Bytes& b) { b[549] = 0; }},
      {"section type 6", "image.eif.section_type", [](Bytes& b) { b[549] = 6; }},
      {"section flags", "image.eif.section_flags", [](Bytes& b) { b[551] = 1; }},
      {"trailing byte", "image.eif.trailing", [](Bytes& b) { b.push_back(0); }},
  };
  for (const Spoiled& spoiled : cases) {
    SCOPED_TRACE(spoiled.name);
    const Bytes bytes = make_image(kSound, spoiled.edit);
    EXPECT_REFUSED(Eif::parse(bytes), spoiled.id);
  }
}

TEST(Eif, RefusesACompositionThatNobodyShouldBoot) {
  const auto refused = [](const std::vector<RawSection>& sections) {
    const Bytes bytes = make_image(sections);
    const auto eif = Eif::parse(bytes);
    return eif ? std::string("accepted") : std::string(eif.error().id());
  };
  EXPECT_EQ(refused({{1, "k"}, {1, "k"}, {2, "c"}, {3, "r"}}), "image.eif.duplicate");
  EXPECT_EQ(refused({{1, "k"}, {2, "c"}, {2, "c"}, {3, "r"}}), "image.eif.duplicate");
  EXPECT_EQ(refused({{1, "k"}, {2, "c"}, {5, "{}"}, {5, "{}"}, {3, "r"}}), "image.eif.duplicate");
  EXPECT_EQ(refused({{1, "k"}, {2, "c"}, {3, "r"}, {4, "s"}, {4, "s"}}), "image.eif.duplicate");
  EXPECT_EQ(refused({{1, "k"}, {2, "c"}}), "image.eif.no_ramdisk");
  EXPECT_EQ(refused({{1, "k"}, {3, "r"}}), "image.eif.no_cmdline");
  EXPECT_EQ(refused({{2, "c"}, {1, "k"}, {3, "r"}}), "image.eif.order");
  EXPECT_EQ(refused({{1, "k"}, {3, "r"}, {2, "c"}}), "image.eif.order");
  EXPECT_EQ(refused({{1, ""}, {2, "c"}, {3, "r"}}), "image.eif.empty");
  EXPECT_EQ(refused({{1, "k"}, {2, "c"}, {3, ""}}), "image.eif.empty");
  EXPECT_EQ(refused({{1, "k"}, {2, std::string("a\0b", 3)}, {3, "r"}}), "image.eif.cmdline");
  EXPECT_EQ(refused({{1, "k"}, {2, std::string(kMaxCmdline + 1, 'c')}, {3, "r"}}), "image.eif.limit");
  EXPECT_EQ(refused({{1, "k"}, {2, "c"}, {3, "r"}, {4, std::string(kMaxSignature + 1, 's')}}), "image.eif.limit");
  EXPECT_EQ(refused({{1, "k"}, {2, "c"}, {5, std::string(kMaxMetadata + 1, ' ')}, {3, "r"}}), "image.eif.limit");
}

TEST(Eif, RefusesAWrongChecksum) {
  Bytes bytes = make_image(kSound);
  bytes.back() ^= 1U;
  const auto eif = Eif::parse(bytes);
  ASSERT_OK(eif);
  EXPECT_REFUSED(eif->check_crc(), "image.eif.crc");
}

TEST(Eif, RefusesAMissingFileAndAFolderByName) {
  const Folder folder;
  EXPECT_REFUSED(Eif::open(folder / "none.eif"), "image.file.missing");
  EXPECT_REFUSED(Eif::open(folder.path()), "image.file.kind");
  EXPECT_REFUSED(Eif::open(folder.write("empty.eif", "")), "image.eif.truncated");
}

TEST(EifWriter, WritesWhatTheSpecificationSays) {
  const Folder folder;
  const Bytes one = to_bytes("ramdisk one");
  const Bytes two = to_bytes("ramdisk two");
  const Bytes kernel = to_bytes("kernel");
  const EifParts parts{
      .kernel = kernel, .cmdline = "console=ttyS0", .metadata = "{}", .ramdisks = {one, two}, .signature = {}};
  ASSERT_OK(write_eif(parts, folder / "a.eif"));
  EXPECT_EQ(slurp(folder / "a.eif"), std::string(as_text(make_image(kSound))));
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("a.eif"));
}

TEST(EifWriter, RefusesPartsThatMakeNoImageAndLeavesNothing) {
  const Folder folder;
  EXPECT_REFUSED(
      write_eif({.kernel = {}, .cmdline = "c", .metadata = {}, .ramdisks = {}, .signature = {}}, folder / "a.eif"),
      "image.eif.no_ramdisk");
  const Bytes ramdisk = to_bytes("r");
  EXPECT_REFUSED(write_eif({.kernel = {},
                            .cmdline = "c",
                            .metadata = {},
                            .ramdisks = std::vector<ByteView>(33, ramdisk),
                            .signature = {}},
                           folder / "a.eif"),
                 "image.eif.section_count");
  EXPECT_REFUSED(
      write_eif({.kernel = {}, .cmdline = std::string("\0", 1), .metadata = {}, .ramdisks = {ramdisk}, .signature = {}},
                folder / "a.eif"),
      "image.eif.cmdline");
  EXPECT_REFUSED(write_eif({.kernel = {}, .cmdline = "c", .metadata = {}, .ramdisks = {ramdisk}, .signature = {}},
                           folder / "no/such/folder/a.eif"),
                 "image.file.write");
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace gateway::image
