#include "image/rootfs.h"

#include <sys/stat.h>

#include "image/testing.h"

namespace gateway::image {
namespace {

using testing::Folder;
using testing::MemorySink;
using testing::tar_end;
using testing::tar_entry;
using Tree = RootFilesystem;
using Listing = std::map<std::string, std::string>;

Tree::TarRules package() { return {Tree::FolderOverLink::kKeepLink, Tree::Whiteouts::kPlainNames, {}}; }
Tree::TarRules layer() { return {Tree::FolderOverLink::kReplace, Tree::Whiteouts::kApply, {}}; }

class RootfsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = Tree::create(folder_.path());
    ASSERT_OK(made);
    tree_.emplace(*std::move(made));
  }
  Status add(const std::string& archive, const Tree::TarRules& rules) {
    MemorySource source(as_bytes(archive));
    return tree_->add_tar(source, rules);
  }
  // name → "d", "l TARGET", "f MODE CONTENTS"
  Listing listing() const {
    MemorySink sink;
    CpioWriter writer(sink, 0);
    EXPECT_TRUE(tree_->write(writer, "r") && writer.finish());
    MemorySource source(sink.bytes);
    BufferedSource buffered(source);
    CpioReader reader(buffered, {});
    Listing out;
    std::string previous;
    while (true) {
      const auto entry = reader.next();
      EXPECT_TRUE(entry);
      if (!entry || !*entry) return out;
      const CpioEntry& e = **entry;
      EXPECT_LT(previous, e.name) << "entries are sorted";
      previous = e.name;
      if (e.type == FileType::kFolder) out[e.name] = "d";
      if (e.type == FileType::kSymlink) out[e.name] = "l " + *reader.link_target();
      if (e.type == FileType::kRegular) {
        Bytes contents(static_cast<std::size_t>(e.size));
        if (e.size > 0) {
          EXPECT_TRUE(reader.read(contents));
        }
        out[e.name] = (e.permissions == 0755 ? "x " : "f ") + std::string(as_text(contents));
      }
    }
  }
  Folder folder_;
  std::optional<Tree> tree_;
};

TEST_F(RootfsTest, FollowsLinksInsideTheTreeOnly) {
  ASSERT_OK(add(tar_entry("usr/lib/", '5') + tar_entry("lib", '2', {}, "usr/lib") +
                    tar_entry("abs", '2', {}, "/usr/lib") + tar_entry("up", '2', {}, "../../../../usr") +
                    tar_entry("lib/a", '0', "1") + tar_entry("abs/b", '0', "2") + tar_entry("up/c", '0', "3") +
                    tar_end(),
                package()));
  EXPECT_EQ(listing(), (Listing{{"r", "d"},
                                {"r/abs", "l /usr/lib"},
                                {"r/lib", "l usr/lib"},
                                {"r/up", "l ../../../../usr"},
                                {"r/usr", "d"},
                                {"r/usr/c", "f 3"},
                                {"r/usr/lib", "d"},
                                {"r/usr/lib/a", "f 1"},
                                {"r/usr/lib/b", "f 2"}}));
  EXPECT_TRUE(tree_->has_file("/lib/a"));
  EXPECT_FALSE(tree_->has_file("/lib"));
  EXPECT_FALSE(tree_->has_file("/nowhere"));
}

TEST_F(RootfsTest, PackagesFolderLeavesALinkAloneAndALayersReplacesIt) {
  const std::string base = tar_entry("usr/lib/", '5') + tar_entry("lib", '2', {}, "usr/lib") + tar_end();
  ASSERT_OK(add(base, package()));
  ASSERT_OK(add(tar_entry("lib/", '5') + tar_entry("lib/x", '0', "1") + tar_end(), package()));
  EXPECT_EQ(listing().at("r/usr/lib/x"), "f 1");
  ASSERT_OK(add(tar_entry("lib/", '5') + tar_entry("lib/y", '0', "2") + tar_end(), layer()));
  EXPECT_EQ(listing().at("r/lib"), "d");
  EXPECT_EQ(listing().at("r/lib/y"), "f 2");
}

TEST_F(RootfsTest, NormalisesModesAndDropsDevices) {
  ASSERT_OK(add(tar_entry("a", '0', "1", {}, 04755) + tar_entry("b", '0', "2", {}, 0600) + tar_entry("dev/null", '3') +
                    tar_entry("f", '6') + tar_end(),
                package()));
  EXPECT_EQ(listing(), (Listing{{"r", "d"}, {"r/a", "x 1"}, {"r/b", "f 2"}}));
}

TEST_F(RootfsTest, MakesHardLinksFilesOfTheirOwn) {
  ASSERT_OK(add(tar_entry("a", '0', "same") + tar_entry("b", '1', {}, "a") + tar_end(), package()));
  EXPECT_EQ(listing().at("r/b"), "f same");
  EXPECT_REFUSED(add(tar_entry("c", '1', {}, "nothing") + tar_end(), package()), "image.rootfs.hard_link");
}

TEST_F(RootfsTest, RefusesLinksInACircleAndFilesBelowFiles) {
  EXPECT_REFUSED(
      add(tar_entry("a", '2', {}, "b") + tar_entry("b", '2', {}, "a") + tar_entry("a/x", '0', "1") + tar_end(),
          package()),
      "image.rootfs.link_loop");
  EXPECT_REFUSED(add(tar_entry("f", '0', "1") + tar_entry("f/x", '0', "1") + tar_end(), package()),
                 "image.rootfs.conflict");
  EXPECT_REFUSED(add(tar_entry("d/", '5') + tar_entry("d", '0', "1") + tar_end(), package()), "image.rootfs.conflict");
}

TEST_F(RootfsTest, AppliesWhiteoutsToLowerLayersOnly) {
  ASSERT_OK(add(tar_entry("d/", '5') + tar_entry("d/old", '0', "1") + tar_entry("d/gone", '0', "1") +
                    tar_entry("e/", '5') + tar_entry("e/old", '0', "1") + tar_entry("whole/", '5') +
                    tar_entry("whole/x", '0', "1") + tar_end(),
                layer()));
  ASSERT_OK(add(tar_entry("d/.wh.gone", '0') + tar_entry("e/new", '0', "2") + tar_entry("e/.wh..wh..opq", '0') +
                    tar_entry(".wh.whole", '0') + tar_end(),
                layer()));
  EXPECT_EQ(listing(), (Listing{{"r", "d"}, {"r/d", "d"}, {"r/d/old", "f 1"}, {"r/e", "d"}, {"r/e/new", "f 2"}}));
  EXPECT_REFUSED(add(tar_entry(".wh.", '0') + tar_end(), layer()), "image.rootfs.whiteout");
  EXPECT_REFUSED(add(tar_entry(".wh...", '0') + tar_end(), layer()), "image.rootfs.whiteout");
}

TEST_F(RootfsTest, TakesAFolderOfTheHostWithItsLinksUnfollowed) {
  folder_.write("host/bin/tool", "#!");
  std::filesystem::permissions(folder_ / "host/bin/tool", std::filesystem::perms::owner_all);
  folder_.write("host/etc/conf", "c");
  std::filesystem::create_symlink("/etc/passwd", folder_ / "host/link");
  ASSERT_OK(tree_->add_folder(folder_ / "host"));
  EXPECT_EQ(listing(), (Listing{{"r", "d"},
                                {"r/bin", "d"},
                                {"r/bin/tool", "x #!"},
                                {"r/etc", "d"},
                                {"r/etc/conf", "f c"},
                                {"r/link", "l /etc/passwd"}}));
  EXPECT_REFUSED(tree_->add_folder(folder_ / "none"), "image.file.missing");
}

TEST_F(RootfsTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_REFUSED(tree_->add_file("/fifo", folder_ / "fifo", Tree::FileMode::kPlain), "image.rootfs.kind");
  EXPECT_REFUSED(tree_->add_file("/x", folder_.path(), Tree::FileMode::kPlain), "image.rootfs.kind");
  EXPECT_REFUSED(tree_->add_file("/../x", folder_ / "fifo", Tree::FileMode::kPlain), "image.rootfs.kind");
  EXPECT_REFUSED(tree_->add_file("/x", folder_ / "none", Tree::FileMode::kPlain), "image.file.missing");
  std::filesystem::create_directory(folder_ / "host");
  ASSERT_EQ(::mkfifo((folder_ / "host/fifo").c_str(), 0600), 0);
  EXPECT_REFUSED(tree_->add_folder(folder_ / "host"), "image.rootfs.kind");
}

TEST_F(RootfsTest, KeepsItsLimit) {
  auto small = Tree::create(folder_.path(), {.entries = 2});
  ASSERT_OK(small);
  const std::string archive = tar_entry("a", '0') + tar_entry("b", '0') + tar_entry("c", '0') + tar_end();
  MemorySource three(as_bytes(archive));
  EXPECT_REFUSED(small->add_tar(three, package()), "image.rootfs.entries");
}

}  // namespace
}  // namespace gateway::image
