#include "image/build.h"

#include <lzma.h>

#include "crypto/hash.h"
#include "image/testing.h"
#include "image/unpack.h"

namespace gateway::image {
namespace {

namespace fs = std::filesystem;
using testing::Folder;
using testing::slurp;

constexpr const char* kTail = R"(
[workload]
argv = ["/bin/app"]
[ingress]
socket = "/run/gateway/app.sock"
paths = ["/*"]
)";

class BuildTest : public ::testing::Test {
 protected:
  void SetUp() override { runtime_ = folder_.write("runtime", "the runtime binary"); }
  std::string spec(const std::string& text) { return folder_.write("image.toml", text); }
  Result<BuildReport> build(const std::string& spec_path, LockUse use = LockUse::kPinned,
                            const std::string& output = "out.eif") {
    said_.clear();
    return build_image({.spec_path = spec_path,
                        .output_path = folder_ / output,
                        .runtime_path = runtime_,
                        .lock = use,
                        .now = *from_rfc3339("2026-01-02T03:04:05Z"),
                        .epoch = std::nullopt,
                        .cache_folder = folder_ / "cache",
                        .progress = [this](std::string_view line) { said_ += std::string(line) + "\n"; }});
  }
  // Unpacks the image's ramdisks and returns the folder.
  std::string unpacked(const std::string& output = "out.eif") {
    const auto eif = Eif::open(folder_ / output);
    EXPECT_TRUE(eif);
    const std::string target = folder_ / ("tree-" + std::to_string(++trees_));
    const auto ramdisks = eif->ramdisks();
    const auto done = unpack_ramdisks(ramdisks, target);
    EXPECT_TRUE(done) << done.error().message();
    return target;
  }
  bool half_made() const {
    for (const std::string& name : folder_.names()) {
      if (name.starts_with("out.eif") || name.starts_with(".spool")) return true;
    }
    return false;
  }
  Folder folder_;
  std::string runtime_;
  std::string said_;
  int trees_ = 0;
};

TEST_F(BuildTest, MakesAnImageOfAFolderWithoutAKernel) {
  folder_.write("tree/bin/app", "#!/bin/sh\n");
  fs::permissions(folder_ / "tree/bin/app", fs::perms::owner_all);
  folder_.write("data", "contents");
  const auto report = build(spec(std::string("[image]\nname = \"a\"\nkernel = \"none\"\n[rootfs]\nfolder = \"tree\"\n"
                                             "[[rootfs.files]]\nfrom = \"data\"\nto = \"/opt/data\"\n") +
                                 kTail));
  ASSERT_OK(report);
  EXPECT_TRUE(report->local_only);
  EXPECT_FALSE(report->lock_written);
  const std::string tree = unpacked();
  EXPECT_EQ(slurp(tree + "/init"), "the runtime binary");
  EXPECT_EQ(slurp(tree + "/gateway/cmdline"), kDefaultCmdline);
  EXPECT_EQ(slurp(tree + "/rootfs/bin/app"), "#!/bin/sh\n");
  EXPECT_EQ(slurp(tree + "/rootfs/opt/data"), "contents");
  for (const char* mount_point : {"dev", "proc", "sys", "run", "tmp"}) {
    EXPECT_TRUE(fs::is_directory(tree + "/" + mount_point));
    EXPECT_TRUE(fs::is_directory(tree + "/rootfs/" + mount_point));
  }
  const auto description = parse_description(slurp(tree + "/gateway/image.json"));
  ASSERT_OK(description);
  EXPECT_EQ(description->workload.argv[0], "/bin/app");
  EXPECT_FALSE(fs::exists(folder_ / "image.lock"));
}

TEST_F(BuildTest, MakesTheSameBytesAgain) {
  folder_.write("tree/bin/app", "1");
  folder_.write("tree/etc/b", std::string(3'000'000, 'b'));
  const std::string path =
      spec(std::string("[image]\nname = \"a\"\nkernel = \"none\"\n[rootfs]\nfolder = \"tree\"\n") + kTail);
  const auto first = build(path, LockUse::kPinned, "one.eif");
  ASSERT_OK(first);
  fs::last_write_time(folder_ / "tree/bin/app", fs::file_time_type::clock::now() - std::chrono::hours(99));
  const auto second = build(path, LockUse::kPinned, "two.eif");
  ASSERT_OK(second);
  EXPECT_EQ(slurp(folder_ / "one.eif"), slurp(folder_ / "two.eif"));
  folder_.write("tree/etc/b", "changed");
  const auto third = build(path, LockUse::kPinned, "three.eif");
  ASSERT_OK(third);
  EXPECT_NE(first->measurements.pcr2, third->measurements.pcr2);
  EXPECT_EQ(first->measurements.pcr1, third->measurements.pcr1);
}

TEST_F(BuildTest, MakesAnImageOfRawParts) {
  folder_.write("bzImage", "kernel");
  folder_.write("1.gz", "one");
  folder_.write("2.gz", "two");
  const auto report = build(
      spec("[image]\nname = \"s\"\nkernel = \"bzImage\"\ncmdline = \"reboot=t\"\nramdisks = [\"1.gz\", \"2.gz\"]\n"));
  ASSERT_OK(report);
  const auto eif = Eif::open(folder_ / "out.eif");
  ASSERT_OK(eif);
  EXPECT_EQ(as_text(eif->kernel()), "kernel");
  EXPECT_EQ(eif->cmdline(), "reboot=t");
  EXPECT_EQ(as_text(eif->ramdisks()[0]), "one");
  const ByteArray<48> zero{};
  EXPECT_EQ(report->measurements.pcr0, crypto::sha384({zero, crypto::sha384(as_bytes("kernelreboot=tonetwo"))}));
  EXPECT_FALSE(report->lock);
}

TEST_F(BuildTest, NamesEveryMissingInputAndLeavesNothing) {
  const auto missing = [this](const std::string& text, const std::string& id, const std::string& name) {
    const auto report = build(spec(text));
    EXPECT_REFUSED(report, id);
    EXPECT_THAT(report.error().detail(), ::testing::HasSubstr(name));
    EXPECT_FALSE(half_made());
  };
  const std::string head = "[image]\nname = \"a\"\nkernel = \"none\"\n[rootfs]\n";
  missing(head + "folder = \"nowhere\"\n" + kTail, "image.file.missing", "nowhere");
  missing(head + "oci = \"no.tar\"\n" + kTail, "image.file.missing", "no.tar");
  missing(head + "[[rootfs.files]]\nfrom = \"gone\"\nto = \"/bin/app\"\n" + kTail, "image.file.missing", "gone");
  missing(
      "[image]\nname = \"a\"\nkernel = \"nokernel\"\n[rootfs]\n[[rootfs.files]]\nfrom = \"runtime\"\nto = "
      "\"/bin/app\"\n" +
          std::string(kTail),
      "image.file.missing", "nokernel");
  missing("[image]\nname=\"a\"\nkernel=\"none\"\ncmdline=\"\"\nramdisks=[\"lost.gz\"]\n", "image.file.missing",
          "lost.gz");
  missing(head + "[[rootfs.files]]\nfrom = \"runtime\"\nto = \"/bin/other\"\n" + kTail, "image.build.program_missing",
          "/bin/app");
  runtime_ = folder_ / "no-runtime";
  missing(head + "[[rootfs.files]]\nfrom = \"image.toml\"\nto = \"/bin/app\"\n" + kTail, "image.build.runtime_missing",
          "gateway-enclave");
  EXPECT_REFUSED(build(folder_ / "none.toml"), "image.file.missing");
}

TEST_F(BuildTest, TakesAKernelFileWithModules) {
  std::string elf(
      "\x7f"
      "ELF",
      4);
  elf.append(100, 'm');
  folder_.write("vmlinuz", "kernel");
  folder_.write("b.ko", elf);
  folder_.write("a.ko.zst", as_text(testing::packed_zstd(as_bytes(elf))));
  folder_.write("bad.ko", "no module");
  const std::string rest = std::string("[rootfs]\n[[rootfs.files]]\nfrom = \"runtime\"\nto = \"/bin/app\"\n") + kTail;
  ASSERT_OK(build(spec("[image]\nname = \"a\"\nkernel = \"vmlinuz\"\nmodules = [\"b.ko\", \"a.ko.zst\"]\n" + rest)));
  const std::string tree = unpacked();
  EXPECT_EQ(slurp(tree + "/gateway/modules/00-b.ko"), elf);
  EXPECT_EQ(slurp(tree + "/gateway/modules/01-a.ko"), elf);
  EXPECT_REFUSED(build(spec("[image]\nname = \"a\"\nkernel = \"vmlinuz\"\nmodules = [\"bad.ko\"]\n" + rest)),
                 "image.kernel.module");
}

TEST_F(BuildTest, LocksLocalInputsWhenAsked) {
  folder_.write("app", "1");
  const std::string path = spec(
      std::string(
          "[image]\nname = \"a\"\nkernel = \"none\"\n[rootfs]\n[[rootfs.files]]\nfrom = \"app\"\nto = \"/bin/app\"\n") +
      kTail);
  ASSERT_OK(build(path, LockUse::kUpdateAll));
  const std::string lock = slurp(folder_ / "image.lock");
  EXPECT_THAT(lock, ::testing::HasSubstr("source_date_epoch = 1767323045"));
  ASSERT_OK(build(path));
  folder_.write("app", "2");
  EXPECT_REFUSED(build(path), "image.lock.input_changed");
  ASSERT_OK(build(path, LockUse::kUpdateInputs));
  EXPECT_THAT(said_, ::testing::HasSubstr("NOTICE"));
  folder_.write("runtime", "another runtime");
  EXPECT_REFUSED(build(path), "image.lock.input_changed");
  // A lock may leave the runtime open; it stays open when it is updated.
  std::string open = slurp(folder_ / "image.lock");
  open.replace(open.find("[runtime]\nsha256 = \"") + 20, 64, "any");
  folder_.write("image.lock", open);
  ASSERT_OK(build(path));
  ASSERT_OK(build(path, LockUse::kUpdateInputs));
  EXPECT_EQ(slurp(folder_ / "image.lock"), open);
}

TEST_F(BuildTest, RefusesALockThatDoesNotFitTheSpec) {
  folder_.write("app", "1");
  const std::string head =
      "[image]\nname = \"a\"\nkernel = \"none\"\n[rootfs]\n[[rootfs.files]]\nfrom = \"app\"\nto = \"/bin/app\"\n";
  ASSERT_OK(build(spec(head + kTail), LockUse::kUpdateAll));
  const std::string lock = slurp(folder_ / "image.lock");
  const auto with = [&](const std::string& what, const std::string& by) {
    std::string text = lock;
    folder_.write("image.lock", text.replace(text.find(what), what.size(), by));
    return build(spec(head + kTail));
  };
  EXPECT_REFUSED(with("version = \"" + ZstdSink::version(), "version = \"0.0.1"), "image.lock.compressor");
  EXPECT_REFUSED(with("name = \"app\"", "name = \"other\""), "image.lock.stale");
  EXPECT_REFUSED(with("[[input]]", "[rootfs]\nsuite = \"forky\"\nrequested = [\"a\"]\n[[input]]"), "image.lock.stale");
  EXPECT_REFUSED(with("version = 1", "version = one"), "toml.syntax");
  folder_.write("image.lock", lock);
  EXPECT_REFUSED(build(spec(head + "[[rootfs.files]]\nfrom = \"app\"\nto = \"/bin/b\"\n" +
                            "[[rootfs.files]]\nfrom = \"runtime\"\nto = \"/bin/c\"\n" + kTail)),
                 "image.lock.stale");
  EXPECT_REFUSED(build(spec("[image]\nname = \"a\"\n[rootfs]\n[[rootfs.files]]\nfrom = \"app\"\nto = \"/bin/app\"\n" +
                            std::string(kTail))),
                 "image.lock.stale");
}

}  // namespace
}  // namespace gateway::image
