#include "image/cpio.h"

#include "image/testing.h"

namespace gateway::image {
namespace {

using testing::MemorySink;

std::string hex8(std::uint64_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "%08llx", static_cast<unsigned long long>(value));
  return text;
}

// One entry, written from the format's description.
std::string raw_entry(const std::string& name, unsigned mode, const std::string& contents = {}) {
  std::string out = "070701" + hex8(1) + hex8(mode) + hex8(0) + hex8(0) + hex8(1) + hex8(0) + hex8(contents.size()) +
                    hex8(0) + hex8(0) + hex8(0) + hex8(0) + hex8(name.size() + 1) + hex8(0) + name + '\0';
  out.append((4 - out.size() % 4) % 4, '\0');
  out += contents;
  out.append((4 - out.size() % 4) % 4, '\0');
  return out;
}
std::string trailer() { return raw_entry("TRAILER!!!", 0); }

// Names and contents of all entries of one archive.
Result<std::vector<std::pair<std::string, std::string>>> read_all(const std::string& archive,
                                                                  const CpioLimits& limits = {}) {
  MemorySource source(as_bytes(archive));
  BufferedSource buffered(source);
  CpioReader reader(buffered, limits);
  std::vector<std::pair<std::string, std::string>> out;
  while (true) {
    GATEWAY_ASSIGN(const auto entry, reader.next());
    if (!entry) return out;
    std::string contents(static_cast<std::size_t>(entry->size), '\0');
    std::size_t at = 0;
    while (at < contents.size()) {
      GATEWAY_ASSIGN(const std::size_t got,
                     reader.read({reinterpret_cast<std::uint8_t*>(contents.data()) + at, contents.size() - at}));
      at += got;
    }
    out.emplace_back(entry->name, contents);
  }
}

TEST(Cpio, ReadsWhatItWrites) {
  MemorySink sink;
  CpioWriter writer(sink, 1'700'000'000);
  ASSERT_OK(writer.folder("bin", 0755));
  ASSERT_OK(writer.file("bin/a", 0755, as_bytes("12345")));
  ASSERT_OK(writer.symlink("bin/b", "a"));
  ASSERT_OK(writer.file("empty", 0644, {}));
  ASSERT_OK(writer.finish());
  const auto read = read_all(std::string(as_text(sink.bytes)));
  ASSERT_OK(read);
  EXPECT_THAT(*read, ::testing::ElementsAre(::testing::Pair("bin", ""), ::testing::Pair("bin/a", "12345"),
                                            ::testing::Pair("bin/b", "a"), ::testing::Pair("empty", "")));
  EXPECT_EQ(sink.bytes.size() % 4, 0);
}

TEST(Cpio, WriterCountsInodesUpAndKeepsTheTime) {
  MemorySink sink;
  CpioWriter writer(sink, 0x12345678);
  ASSERT_OK(writer.folder("a", 0755));
  ASSERT_OK(writer.folder("b", 0755));
  const std::string text(as_text(sink.bytes));
  EXPECT_EQ(text.substr(0, 22), "070701" + hex8(1) + hex8(040755));
  EXPECT_EQ(text.substr(6 + 5 * 8, 8), "12345678");
  EXPECT_EQ(text.substr(112 + 6, 8), hex8(2));
}

TEST(Cpio, WriterRefusesAFileThatTheFormatCannotHold) {
  MemorySink sink;
  CpioWriter writer(sink, 0);
  EXPECT_REFUSED(writer.begin_file("big", 0644, 1ULL << 32U), "image.cpio.file_size");
  ASSERT_OK(writer.begin_file("small", 0644, 2));
  EXPECT_REFUSED(writer.write(as_bytes("123")), "image.cpio.contents");
}

TEST(Cpio, NormalisesNamesAndRefusesTricks) {
  EXPECT_EQ(normalised_name("./usr/bin"), "usr/bin");
  EXPECT_EQ(normalised_name("usr/bin/"), "usr/bin");
  EXPECT_EQ(normalised_name("."), "");
  EXPECT_EQ(normalised_name("./"), "");
  EXPECT_EQ(normalised_name("a.b/..c/..."), "a.b/..c/...");
  for (const char* name :
       {"/etc/passwd", "..", "../x", "a/../b", "a/..", "a//b", "a/./b", "/", "././a", "a\nb", "a\x7f"}) {
    EXPECT_FALSE(normalised_name(name)) << name;
  }
  EXPECT_FALSE(normalised_name(std::string("a\0b", 3)));
  EXPECT_FALSE(normalised_name(std::string(256, 'a')));
}

TEST(Cpio, RefusesNamesThatLeaveTheTree) {
  for (const char* name : {"/etc/passwd", "../x", "a/../../b"}) {
    EXPECT_REFUSED(read_all(raw_entry(name, 0100644, "x") + trailer()), "image.cpio.name");
  }
}

TEST(Cpio, RefusesBrokenArchivesByName) {
  const std::string sound = raw_entry("a", 0100644, "abc") + trailer();
  ASSERT_OK(read_all(sound));
  for (std::size_t size = 0; size < sound.size(); ++size)
    EXPECT_REFUSED(read_all(sound.substr(0, size)), "image.cpio.truncated");
  const auto spoiled = [&](std::size_t at, char c) {
    std::string text = sound;
    text[at] = c;
    return read_all(text);
  };
  EXPECT_REFUSED(spoiled(5, '2'), "image.cpio.magic");
  EXPECT_REFUSED(spoiled(6, 'g'), "image.cpio.header");
  EXPECT_REFUSED(spoiled(6, '-'), "image.cpio.header");
  EXPECT_REFUSED(spoiled(111, 'x'), "image.cpio.name");                                       // the name's zero byte
  EXPECT_REFUSED(spoiled(115, 'x'), "image.cpio.padding");                                    // after the contents
  EXPECT_REFUSED(read_all(raw_entry("a", 0110644) + trailer()), "image.cpio.header");         // no such type
  EXPECT_REFUSED(read_all(raw_entry("a", 0040755, "abc") + trailer()), "image.cpio.header");  // a folder with contents
  EXPECT_REFUSED(read_all(raw_entry("TRAILER!!!", 0, "abc")), "image.cpio.trailer");
}

TEST(Cpio, KeepsItsLimits) {
  const std::string two = raw_entry("a", 0100644, "abc") + raw_entry("b", 0100644, "abc") + trailer();
  EXPECT_REFUSED(read_all(two, {.entries = 1}), "image.cpio.entries");
  EXPECT_REFUSED(read_all(two, {.entries = 9, .bytes = 5}), "image.cpio.bytes");
  EXPECT_REFUSED(read_all(raw_entry(std::string(5000, 'a'), 0100644) + trailer()), "image.cpio.name");
}

TEST(Cpio, RefusesALinkWithoutATarget) {
  const std::string archive = raw_entry("a", 0120777) + trailer();
  MemorySource source(as_bytes(archive));
  BufferedSource buffered(source);
  CpioReader reader(buffered, {});
  ASSERT_OK(reader.next());
  EXPECT_REFUSED(reader.link_target(), "image.cpio.link");
}

}  // namespace
}  // namespace gateway::image
