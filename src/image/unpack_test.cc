#include "image/unpack.h"

#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <functional>

#include "image/testing.h"

namespace gateway::image {
namespace {

namespace fs = std::filesystem;
using testing::Folder;
using testing::MemorySink;
using testing::slurp;

std::string hex8(std::uint64_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "%08llx", static_cast<unsigned long long>(value));
  return text;
}

struct Extra {
  unsigned inode = 1;
  unsigned links = 1;
};
std::string entry(const std::string& name, unsigned mode, const std::string& contents = {}, Extra extra = {}) {
  std::string out = "070701" + hex8(extra.inode) + hex8(mode) + hex8(0) + hex8(0) + hex8(extra.links) + hex8(0) +
                    hex8(contents.size()) + hex8(0) + hex8(0) + hex8(0) + hex8(0) + hex8(name.size() + 1) + hex8(0) +
                    name + '\0';
  out.append((4 - out.size() % 4) % 4, '\0');
  out += contents;
  out.append((4 - out.size() % 4) % 4, '\0');
  return out;
}
std::string trailer() { return entry("TRAILER!!!", 0); }
std::string file(const std::string& name, const std::string& contents) { return entry(name, 0100644, contents); }
std::string folder(const std::string& name) { return entry(name, 0040755); }
std::string symlink(const std::string& name, const std::string& target) { return entry(name, 0120777, target); }

std::string gzip(const std::string& text) {
  z_stream stream{};
  ::deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 200, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}
std::string xz(const std::string& text) {
  std::string out(text.size() + 1000, '\0');
  std::size_t size = 0;
  ::lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                            text.size(), reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size());
  out.resize(size);
  return out;
}
std::string zstd(const std::string& text) { return std::string(as_text(testing::packed_zstd(as_bytes(text)))); }

class Unpack : public ::testing::Test {
 protected:
  Result<Unpacked> unpack(const std::vector<std::string>& ramdisks, const UnpackLimits& limits = {}) {
    std::vector<ByteView> views;
    for (const std::string& ramdisk : ramdisks) views.push_back(as_bytes(ramdisk));
    return unpack_ramdisks(views, store_ / "tree", limits);
  }
  std::string at(const std::string& name) const { return slurp(store_ / ("tree/" + name)); }
  Folder store_;
};

TEST_F(Unpack, MakesTheTreeOfAllRamdisks) {
  const auto done =
      unpack({folder("bin") + file("bin/a", "1") + trailer(), symlink("l", "/bin/a") + file("b", "2") + trailer()});
  ASSERT_OK(done);
  EXPECT_EQ(at("bin/a"), "1");
  EXPECT_EQ(at("b"), "2");
  EXPECT_EQ(fs::read_symlink(store_ / "tree/l"), "/bin/a");
  EXPECT_EQ(done->entries, 4);
  EXPECT_EQ(done->bytes, 2);
  EXPECT_THAT(store_.names(), ::testing::ElementsAre("tree"));
}

TEST_F(Unpack, ReadsEveryPackingAndAnyConcatenation) {
  const std::string zeros(512, '\0');
  ASSERT_OK(unpack({gzip(file("gz", "1") + trailer()) + zeros +
                    zstd(file("zst", "2") + trailer() + zeros + file("zst2", "3") + trailer()) +
                    xz(file("xz", "4") + trailer()) + zeros + file("raw", "5") + trailer() + zeros +
                    gzip(file("gz2", "6") + trailer())}));
  EXPECT_EQ(at("gz") + at("zst") + at("zst2") + at("xz") + at("raw") + at("gz2"), "123456");
}

TEST_F(Unpack, LaterArchivesReplaceEarlierFiles) {
  ASSERT_OK(
      unpack({file("a", "old and long") + folder("d") + trailer(), file("a", "new") + symlink("d", "a") + trailer()}));
  EXPECT_EQ(at("a"), "new");
  EXPECT_TRUE(fs::is_symlink(store_ / "tree/d"));
}

struct Hostile {
  const char* name;
  const char* id;
  std::string ramdisk;
};

TEST_F(Unpack, RefusesEveryWayOutOfTheTreeAndLeavesNothing) {
  const std::string outside = store_ / "outside";
  fs::create_directory(outside);
  const std::vector<Hostile> cases{
      {"climbs", "image.cpio.name", file("../outside/x", "1") + trailer()},
      {"absolute", "image.cpio.name", file(outside + "/x", "1") + trailer()},
      {"through a link to a folder", "image.unpack.through_link", symlink("l", outside) + file("l/x", "1") + trailer()},
      {"through a relative link", "image.unpack.through_link",
       symlink("l", "../outside") + file("l/x", "1") + trailer()},
      {"folder through a link", "image.unpack.through_link", symlink("l", outside) + folder("l/x") + trailer()},
      {"link in a later archive", "image.unpack.through_link",
       symlink("l", outside) + trailer() + file("l/x", "1") + trailer()},
      {"through a file", "image.unpack.through_link", file("f", "1") + file("f/x", "1") + trailer()},
      {"no folder", "image.unpack.no_parent", file("d/x", "1") + trailer()},
      {"hard link through a link", "image.unpack.hard_link",
       symlink("l", outside + "/secret") + entry("l2", 0100644, {}, {7, 2}) + symlink("l2", outside + "/secret") +
           entry("x", 0100644, "1", {7, 2}) + trailer()},
      {"file over a full folder", "image.unpack.replaces_folder",
       folder("d") + file("d/x", "1") + file("d", "1") + trailer()},
      {"root is a file", "image.unpack.archive", entry(".", 0100644, "x") + trailer()},
      {"not an archive", "image.unpack.archive", "hello"},
      {"nothing", "image.unpack.archive", ""},
      {"rubbish after an archive", "image.unpack.archive", file("a", "1") + trailer() + "x"},
      {"rubbish in a packed archive", "image.unpack.archive", gzip(file("a", "1") + trailer() + "xxxx")},
      {"cut gzip", "image.stream.truncated", gzip(file("a", std::string(5000, 'a')) + trailer()).substr(0, 60)},
      {"cut zstd", "image.stream.truncated", zstd(file("a", "1") + trailer()).substr(0, 30)},
      {"cut xz", "image.stream.truncated", xz(file("a", "1") + trailer()).substr(0, 40)},
      {"cut archive", "image.cpio.truncated", file("a", "1")},
  };
  for (const Hostile& hostile : cases) {
    SCOPED_TRACE(hostile.name);
    EXPECT_REFUSED(unpack({hostile.ramdisk}), hostile.id);
    EXPECT_THAT(store_.names(), ::testing::ElementsAre("outside"));
    EXPECT_TRUE(fs::is_empty(outside));
  }
}

TEST_F(Unpack, RefusesDamagedStreams) {
  const auto spoiled = [](std::string text) {
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 0x55);
    return text;
  };
  const std::string archive = file("a", std::string(3000, 'a') + std::string(3000, 'b')) + trailer();
  for (const std::string& packed : {gzip(archive), zstd(archive), xz(archive)}) EXPECT_FALSE(unpack({spoiled(packed)}));
  EXPECT_TRUE(store_.names().empty());
}

TEST_F(Unpack, FilesDoNotFollowALinkOfTheSameName) {
  const std::string outside = store_.write("secret", "untouched");
  ASSERT_OK(unpack({symlink("l", outside) + file("l", "new") + trailer()}));
  EXPECT_EQ(slurp(outside), "untouched");
  EXPECT_EQ(at("l"), "new");
}

TEST_F(Unpack, JoinsHardLinksWhoseContentsComeLast) {
  ASSERT_OK(unpack({entry("a", 0100444, {}, {7, 2}) + entry("b", 0100444, "same", {7, 2}) + trailer()}));
  EXPECT_EQ(at("a"), "same");
  EXPECT_EQ(fs::hard_link_count(store_ / "tree/a"), 2);
}

TEST_F(Unpack, SkipsDevicesAndDropsSpecialBits) {
  const auto done =
      unpack({folder("dev") + entry("dev/console", 0020600) + entry("dev/sda", 0060600) + entry("fifo", 0010600) +
              entry("su", 0106755, "x") + entry("shut", 0040500) + file("shut/in", "1") + trailer()});
  ASSERT_OK(done);
  EXPECT_EQ(done->skipped, 3);
  struct stat status{};
  ASSERT_EQ(::stat((store_ / "tree/su").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0755);
  EXPECT_TRUE(fs::is_empty(store_ / "tree/dev"));
}

TEST_F(Unpack, KeepsItsLimits) {
  const std::string two = file("a", "12345") + file("b", "12345") + trailer();
  EXPECT_REFUSED(unpack({two}, {.archive = {.entries = 1}}), "image.cpio.entries");
  EXPECT_REFUSED(unpack({two, two}, {.archive = {.entries = 3}}), "image.cpio.entries");
  EXPECT_REFUSED(unpack({zstd(two)}, {.archive = {.entries = 9, .bytes = 9}}), "image.cpio.bytes");
  std::string deep;
  std::string name = "d";
  for (int i = 0; i < 10; ++i, name += "/d") deep += folder(name);
  EXPECT_REFUSED(unpack({deep + trailer()}, {.archive = {}, .depth = 5}), "image.unpack.limit");
}

TEST_F(Unpack, LeavesATreeThatIsThereAlready) {
  ASSERT_OK(unpack({file("a", "1") + trailer()}));
  ASSERT_OK(unpack({file("a", "2") + trailer()}));
  EXPECT_EQ(at("a"), "1");
  EXPECT_THAT(store_.names(), ::testing::ElementsAre("tree"));
}

TEST_F(Unpack, RemovesATreeWithoutFollowingLinks) {
  const std::string outside = store_.write("keep/x", "1");
  ASSERT_OK(unpack(
      {folder("d") + entry("d/shut", 0040500) + symlink("d/l", store_ / "keep") + file("d/f", "1") + trailer()}));
  ASSERT_OK(remove_tree(store_ / "tree"));
  ASSERT_OK(remove_tree(store_ / "tree"));
  EXPECT_EQ(slurp(outside), "1");
  EXPECT_FALSE(fs::exists(store_ / "tree"));
}

TEST_F(Unpack, SaysWhenTheStoreIsMissing) {
  std::vector<ByteView> none;
  EXPECT_REFUSED(unpack_ramdisks(none, store_ / "no/store/tree"), "image.unpack.write");
}

}  // namespace
}  // namespace gateway::image
