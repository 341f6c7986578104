#include "image/tar.h"

#include "image/testing.h"

namespace gateway::image {
namespace {

using testing::pax_record;
using testing::tar_end;
using testing::tar_entry;

struct Read {
  std::string name;
  TarType type;
  std::string link;
  std::string contents;
};

Result<std::vector<Read>> read_all(const std::string& archive, const TarLimits& limits = {}) {
  MemorySource source(as_bytes(archive));
  BufferedSource buffered(source);
  TarReader reader(buffered, limits);
  std::vector<Read> out;
  while (true) {
    GATEWAY_ASSIGN(const auto entry, reader.next());
    if (!entry) return out;
    Read read{entry->name, entry->type, entry->link, {}};
    Bytes buffer(100);
    while (true) {
      GATEWAY_ASSIGN(const std::size_t got, reader.read(buffer));
      if (got == 0) break;
      read.contents += as_text(ByteView(buffer).first(got));
    }
    out.push_back(std::move(read));
  }
}

TEST(Tar, ReadsFilesFoldersAndLinks) {
  const auto read =
      read_all(tar_entry("./", '5') + tar_entry("./bin/", '5') + tar_entry("./bin/a", '0', std::string(1000, 'x')) +
               tar_entry("./bin/b", '2', {}, "/bin/a") + tar_entry("./bin/c", '1', {}, "./bin/a") + tar_end());
  ASSERT_OK(read);
  ASSERT_EQ(read->size(), 5);
  EXPECT_EQ((*read)[0].name, "");
  EXPECT_EQ((*read)[1].name, "bin");
  EXPECT_EQ((*read)[2].contents, std::string(1000, 'x'));
  EXPECT_EQ((*read)[3].link, "/bin/a");
  EXPECT_EQ((*read)[4].type, TarType::kHardLink);
  EXPECT_EQ((*read)[4].link, "bin/a");
}

TEST(Tar, ReadsLongNamesInBothDialects) {
  const std::string name = std::string(90, 'a') + "/" + std::string(90, 'b');
  const auto pax = read_all(tar_entry("x", 'x', pax_record("mtime", "1.5") + pax_record("path", name)) +
                            tar_entry("short", '0', "1") + tar_end());
  ASSERT_OK(pax);
  EXPECT_EQ(pax->at(0).name, name);
  const auto gnu = read_all(tar_entry("././@LongLink", 'L', name + std::string(1, '\0')) +
                            tar_entry("././@LongLink", 'K', "target" + std::string(1, '\0')) +
                            tar_entry("short", '2', {}, "t") + tar_end());
  ASSERT_OK(gnu);
  EXPECT_EQ(gnu->at(0).name, name);
  EXPECT_EQ(gnu->at(0).link, "target");
}

TEST(Tar, AcceptsZerosAfterTheEndAndNothingElse) {
  const std::string file = tar_entry("a", '0', "1");
  ASSERT_OK(read_all(file + tar_end() + std::string(9216, '\0')));
  EXPECT_REFUSED(read_all(file + tar_end() + std::string(600, '\0') + "x"), "image.tar.trailing");
  EXPECT_REFUSED(read_all(file + std::string(512, '\0') + file + tar_end()), "image.tar.trailing");
}

TEST(Tar, EveryPrefixIsRefused) {
  const std::string archive = tar_entry("a", '0', "contents") + tar_end();
  for (std::size_t size = 0; size < archive.size(); ++size) {
    EXPECT_REFUSED(read_all(archive.substr(0, size)), "image.tar.truncated");
  }
}

TEST(Tar, RefusesNamesThatLeaveTheTree) {
  for (const char* name : {"/etc/passwd", "../x", "a/../../b", "..", "a//b"}) {
    EXPECT_REFUSED(read_all(tar_entry(name, '0', "x") + tar_end()), "image.tar.name");
  }
  EXPECT_REFUSED(read_all(tar_entry("a", '1', {}, "../x") + tar_end()), "image.tar.name");
  EXPECT_REFUSED(read_all(tar_entry("a", '1', {}, "/etc/passwd") + tar_end()), "image.tar.name");
  EXPECT_REFUSED(read_all(tar_entry("a", '2') + tar_end()), "image.tar.name");
  EXPECT_REFUSED(read_all(tar_entry("x", 'x', pax_record("path", "../../x")) + tar_entry("a", '0', "x") + tar_end()),
                 "image.tar.name");
}

TEST(Tar, RefusesBrokenHeadersByName) {
  std::string spoiled = tar_entry("a", '0', "x");
  spoiled[0] = 'b';
  EXPECT_REFUSED(read_all(spoiled + tar_end()), "image.tar.checksum");
  for (const std::size_t field : {100UZ, 124UZ}) {  // mode, size: no octal number, and the checksum says so too
    std::string odd = tar_entry("a", '0', "x");
    odd.replace(field, 2, "9'");  // another sum than "00" has
    odd.replace(148, 8, "        ");
    unsigned sum = 0;
    for (const char c : odd.substr(0, 512)) sum += static_cast<unsigned char>(c);
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", sum);
    odd.replace(148, 8, std::string(digits, 6) + std::string("\0 ", 2));
    EXPECT_REFUSED(read_all(odd + tar_end()), "image.tar.header");
  }
  EXPECT_REFUSED(read_all(tar_entry("a", 'S', "x") + tar_end()), "image.tar.sparse");
  EXPECT_REFUSED(read_all(tar_entry("a", 'M', "x") + tar_end()), "image.tar.type");
  const auto pax = [](const std::string& records) {
    return read_all(tar_entry("x", 'x', records) + tar_entry("a", '0', "x") + tar_end());
  };
  EXPECT_REFUSED(pax("nonsense"), "image.tar.pax");
  EXPECT_REFUSED(pax("99 path=x\n"), "image.tar.pax");
  EXPECT_REFUSED(pax("9 path=xy"), "image.tar.pax");
  EXPECT_REFUSED(pax(pax_record("size", "x1")), "image.tar.pax");
  EXPECT_REFUSED(pax(pax_record("GNU.sparse.major", "1")), "image.tar.sparse");
  EXPECT_REFUSED(read_all(tar_entry("g", 'g', pax_record("path", "x")) + tar_entry("a", '0') + tar_end()),
                 "image.tar.pax");
  EXPECT_REFUSED(read_all(tar_entry("x", 'x', pax_record("path", "x")) + tar_end()), "image.tar.pax");
}

TEST(Tar, KeepsItsLimits) {
  const std::string two = tar_entry("a", '0', "123") + tar_entry("b", '0', "456") + tar_end();
  EXPECT_REFUSED(read_all(two, {.entries = 1}), "image.tar.entries");
  EXPECT_REFUSED(read_all(two, {.entries = 5, .bytes = 5}), "image.tar.bytes");
  EXPECT_REFUSED(read_all(tar_entry("x", 'x', pax_record("comment", std::string(200, 'c'))) + two,
                          {.entries = 5, .bytes = 100, .extended = 100}),
                 "image.tar.extended_size");
  EXPECT_REFUSED(
      read_all(tar_entry("x", 'x', pax_record("size", "18446744073709551615")) + tar_entry("a", '0') + tar_end()),
      "image.tar.bytes");
}

TEST(Tar, ReadsBase256Sizes) {
  std::string entry = tar_entry("a", '0', "x");
  entry.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\x01", 12));
  entry.replace(148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(entry[i]);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  entry.replace(148, 8, std::string(text, 6) + std::string("\0 ", 2));
  const auto read = read_all(entry + tar_end());
  ASSERT_OK(read);
  EXPECT_EQ(read->at(0).contents, "x");
}

}  // namespace
}  // namespace gateway::image
