#include "image/packages.h"

#include <lzma.h>

#include "image/build.h"
#include "image/process.h"
#include "image/testing.h"
#include "image/unpack.h"

namespace gateway::image {
namespace {

namespace fs = std::filesystem;
using testing::Folder;
using testing::slurp;

// apt's programs are replaced by scripts over a folder of real packages, made by the real dpkg-deb: everything on our
// side of apt is what runs in earnest.
constexpr const char* kAptGet = R"sh(#!/bin/sh
state=; case "$1" in -c) state=$(dirname "$2"); shift 2;; esac
suite=$(basename "$state")
case "$*" in
  indextargets*) cat "$FAKE_MIRROR/targets";;
  *update*) [ ! -e "$FAKE_MIRROR/down" ] || { echo "E: no route to mirror" >&2; exit 100; };;
  *print-uris*install*) cat "$FAKE_MIRROR/uris-$suite";;
  *print-uris*download*) for last; do :; done; grep "$last" "$FAKE_MIRROR/uris-$suite";;
  *download*) cp "$FAKE_MIRROR"/debs/*.deb .;;
esac
)sh";
constexpr const char* kAptCache = R"sh(#!/bin/sh
suite=$(basename "$(dirname "$2")"); shift 2
case "$1" in
  madison) cat "$FAKE_MIRROR/madison";;
  search) cat "$FAKE_MIRROR/search";;
esac
)sh";

std::string xz(const std::string& text) {
  std::string out(text.size() + 1000, '\0');
  std::size_t size = 0;
  ::lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                            text.size(), reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size());
  out.resize(size);
  return out;
}

class PackagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!run_program({"dpkg-deb", "--version"})) GTEST_SKIP() << "SKIPPED: dpkg-deb is not installed";
    script("apt-get", kAptGet);
    script("apt-cache", kAptCache);
    folder_.write("mirror/targets",
                  "Debian|http://mirror.invalid/debian/\nDebian-Security|http://mirror.invalid/security/\n");
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", ((folder_ / "bin") + ":" + old_path_).c_str(), 1);
    ::setenv("FAKE_MIRROR", (folder_ / "mirror").c_str(), 1);
    base_ = package("base-files", "14",
                    {{"usr/lib/os-release", "NAME=x\n"}, {"usr/share/doc/base-files/copyright", "free"}});
    fs::create_directory_symlink("usr/bin", folder_ / "base-files/bin");
    base_ = pack("base-files", "14");
    app_ = package("app", "1:2.0-1",
                   {{"usr/bin/app", "#!/bin/sh\n"},
                    {"usr/share/man/man1/app.1", "manual"},
                    {"usr/share/doc/app/README", "words"}});
    publish();
  }
  void TearDown() override {
    if (!old_path_.empty()) ::setenv("PATH", old_path_.c_str(), 1);
  }
  void script(const std::string& name, const char* text) {
    const std::string path = folder_.write("bin/" + name, text);
    fs::permissions(path, fs::perms::owner_all);
  }
  LockedPackage pack(const std::string& name, const std::string& version) {
    const std::string file = (folder_ / "mirror/debs/") + name + ".deb";
    fs::create_directories(folder_ / "mirror/debs");
    EXPECT_TRUE(run_program({"dpkg-deb", "-Zgzip", "--root-owner-group", "--build", folder_ / name, file}));
    return {name, version, "amd64", *hash_file(file), fs::file_size(file)};
  }
  LockedPackage package(const std::string& name, const std::string& version,
                        const std::map<std::string, std::string>& files) {
    for (const auto& [path, contents] : files) folder_.write(name + "/" + path, contents);
    folder_.write(name + "/DEBIAN/control", "Package: " + name + "\nVersion: " + version +
                                                "\nArchitecture: amd64\nMaintainer: a <a@b.invalid>\nDescription: x\n");
    return pack(name, version);
  }
  static std::string uri(const LockedPackage& package) {
    std::string version = package.version;
    if (const std::size_t colon = version.find(':'); colon != std::string::npos) version.replace(colon, 1, "%3a");
    return "'http://mirror.invalid/x.deb' " + package.name + "_" + version + "_amd64.deb " +
           std::to_string(package.size) + " SHA256:" + package.sha256 + "\n";
  }
  void publish() {
    folder_.write("mirror/uris-forky", uri(app_) + uri(base_));
    folder_.write("mirror/madison", " app | " + app_.version +
                                        " | http://mirror.invalid forky/main amd64 Packages\n base-files | 14 | x\n");
  }
  PackageCache cache() {
    return {folder_ / "cache", [](std::string_view) {}};
  }
  Result<BuildReport> build(LockUse use = LockUse::kPinned) {
    folder_.write("runtime", "runtime");
    folder_.write(
        "image.toml",
        "[image]\nname = \"a\"\nkernel = \"none\"\n[rootfs]\npackages = [\"app\"]\n[workload]\nargv = [\"/bin/app\"]\n"
        "[ingress]\nport = 8080\npaths = [\"/*\"]\n");
    said_.clear();
    return build_image({.spec_path = folder_ / "image.toml",
                        .output_path = folder_ / "out.eif",
                        .runtime_path = folder_ / "runtime",
                        .lock = use,
                        .now = Time(std::chrono::seconds(1'760'000'000)),
                        .epoch = std::nullopt,
                        .cache_folder = folder_ / "cache",
                        .progress = [this](std::string_view line) { said_ += std::string(line) + "\n"; }});
  }
  Folder folder_;
  std::string old_path_;
  LockedPackage base_;
  LockedPackage app_;
  std::string said_;
};

TEST_F(PackagesTest, ResolvesFetchesAndUnpacks) {
  const auto report = build();
  ASSERT_OK(report);
  EXPECT_TRUE(report->lock_written);
  EXPECT_THAT(said_, ::testing::HasSubstr("NOTICE: there is no lock yet"));
  const auto lock = parse_lock(slurp(folder_ / "image.lock"), "image.lock");
  ASSERT_OK(lock);
  ASSERT_EQ(lock->packages.size(), 2);
  EXPECT_EQ(lock->packages[0].version, "1:2.0-1");
  const auto eif = Eif::open(folder_ / "out.eif");
  ASSERT_OK(eif);
  const auto ramdisks = eif->ramdisks();
  ASSERT_OK(unpack_ramdisks(ramdisks, folder_ / "tree"));
  EXPECT_EQ(slurp(folder_ / "tree/rootfs/usr/bin/app"), "#!/bin/sh\n");
  EXPECT_EQ(fs::read_symlink(folder_ / "tree/rootfs/bin"), "usr/bin");
  EXPECT_FALSE(fs::exists(folder_ / "tree/rootfs/usr/share/man/man1"));
  EXPECT_FALSE(fs::exists(folder_ / "tree/rootfs/usr/share/doc/app/README"));
  EXPECT_TRUE(fs::exists(folder_ / "tree/rootfs/usr/share/doc/base-files/copyright"));
}

TEST_F(PackagesTest, BuildsFromTheCacheWithoutAMirror) {
  ASSERT_OK(build());
  const std::string first = slurp(folder_ / "out.eif");
  folder_.write("mirror/down", "");
  ASSERT_OK(build());
  EXPECT_EQ(slurp(folder_ / "out.eif"), first);
}

TEST_F(PackagesTest, FetchesADamagedCacheEntryAgain) {
  ASSERT_OK(build());
  folder_.write("cache/debs/" + app_.sha256 + ".deb", "damaged");
  ASSERT_OK(build());
  EXPECT_EQ(*hash_file(folder_ / ("cache/debs/" + app_.sha256 + ".deb")), app_.sha256);
}

TEST_F(PackagesTest, NamesAVersionThatTheMirrorNoLongerHas) {
  ASSERT_OK(build());
  fs::remove_all(folder_ / "cache");
  folder_.write("app/usr/bin/app", "newer");
  app_ = package("app", "2:3.0-1", {});
  publish();
  const auto refused = build();
  EXPECT_REFUSED(refused, "image.lock.version_gone");
  EXPECT_THAT(refused.error().detail(), ::testing::HasSubstr("app 1:2.0-1 (it has 2:3.0-1)"));
  EXPECT_THAT(refused.error().remedy(), ::testing::HasSubstr("--update-lock"));
  const auto updated = build(LockUse::kUpdateAll);
  ASSERT_OK(updated);
  EXPECT_THAT(said_, ::testing::AllOf(::testing::HasSubstr("NOTICE: resolved anew"),
                                      ::testing::HasSubstr("changed: app 1:2.0-1 → 2:3.0-1")));
  ASSERT_OK(build());
}

TEST_F(PackagesTest, RefusesAPackageThatIsNotThePinnedOne) {
  ASSERT_OK(build());
  fs::remove_all(folder_ / "cache");
  folder_.write("app/usr/bin/app", "evil");
  pack("app", "1:2.0-1");
  EXPECT_REFUSED(build(), "image.lock.package_hash");
  EXPECT_FALSE(fs::exists(folder_ / "cache/debs") && !fs::is_empty(folder_ / "cache/debs"));
}

TEST_F(PackagesTest, SaysWhatIsWrongWithTheMirror) {
  folder_.write("mirror/down", "");
  const auto down = build();
  EXPECT_REFUSED(down, "image.process.failed");
  EXPECT_THAT(down.error().detail(), ::testing::HasSubstr("no route to mirror"));
  folder_.write("mirror/targets", "Other|http://mirror.invalid/\n");
  EXPECT_REFUSED(build(), "image.packages.mirror");
}

TEST_F(PackagesTest, RefusesOutputOfAptThatItDoesNotUnderstand) {
  folder_.write("mirror/uris-forky", "'uri' app_1_amd64.deb 12 MD5Sum:00\n");
  EXPECT_REFUSED(build(), "image.packages.output");
  folder_.write("mirror/uris-forky", "nothing here\n");
  EXPECT_REFUSED(build(), "image.packages.none");
}

TEST_F(PackagesTest, RefusesALockForOtherPackages) {
  ASSERT_OK(build());
  std::string lock = slurp(folder_ / "image.lock");
  const std::string requested = "requested = [\"app\"]";
  folder_.write("image.lock", lock.replace(lock.find(requested), requested.size(), "requested = [\"other\"]"));
  EXPECT_REFUSED(build(), "image.lock.stale");
}

TEST_F(PackagesTest, ChoosesTheNewestKernelByNumber) {
  folder_.write("mirror/search",
                "linux-image-6.12.9+deb12-cloud-amd64 - x\nlinux-image-6.12.117+deb12-cloud-amd64 - "
                "x\nlinux-image-6.12.20+deb12-cloud-amd64 - x\n");
  LockedPackage kernel{"linux-image-6.12.117+deb12-cloud-amd64", "6.12.117-1", "amd64", std::string(64, 'a'), 5};
  folder_.write("mirror/uris-bookworm-security", uri(kernel));
  auto packages = cache();
  const auto found = packages.resolve_kernel();
  ASSERT_OK(found);
  EXPECT_EQ(found->name, kernel.name);
  folder_.write("mirror/search", "");
  EXPECT_REFUSED(packages.resolve_kernel(), "image.packages.none");
}

TEST_F(PackagesTest, TakesKernelAndModulesOutOfTheirPackage) {
  std::string elf(
      "\x7f"
      "ELF",
      4);
  elf.append(100, 'm');
  const std::string modules = "lib/modules/6.12.1/kernel/drivers/";
  std::map<std::string, std::string> files{{"boot/vmlinuz-6.12.1", "bzImage"}, {modules + "other.ko.xz", xz(elf)}};
  for (const char* name :
       {"virtio_mmio", "vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport", "nsm"}) {
    files[modules + name + ".ko.xz"] = xz(elf + name);
  }
  package("linux-image", "6.12.1", files);
  const auto kernel = unpack_kernel(folder_ / "mirror/debs/linux-image.deb");
  ASSERT_OK(kernel);
  EXPECT_EQ(as_text(kernel->image), "bzImage");
  EXPECT_EQ(kernel->release, "6.12.1");
  ASSERT_EQ(kernel->modules.size(), 5);
  EXPECT_EQ(kernel->modules[0].name, "virtio_mmio");
  EXPECT_EQ(kernel->modules[4].name, "nsm");
  EXPECT_EQ(as_text(kernel->modules[4].contents), elf + "nsm");

  // Ways out have modules of their own, after those that everything needs.
  EXPECT_REFUSED(unpack_kernel(folder_ / "mirror/debs/linux-image.deb", {.redirect = false, .tun = true}),
                 "image.kernel.package");
  for (const char* name : {"libcrc32c", "nf_defrag_ipv4", "nf_defrag_ipv6", "nf_conntrack", "nf_nat", "nfnetlink",
                           "nf_tables", "nft_chain_nat", "nft_redir", "tun"}) {
    files[modules + name + ".ko.xz"] = xz(elf + name);
  }
  package("linux-image", "6.12.1", files);
  const auto with_ways = unpack_kernel(folder_ / "mirror/debs/linux-image.deb", {.redirect = true, .tun = true});
  ASSERT_OK(with_ways);
  ASSERT_EQ(with_ways->modules.size(), 15);
  EXPECT_EQ(with_ways->modules[13].name, "nft_redir");
  EXPECT_EQ(with_ways->modules[14].name, "tun");
  EXPECT_EQ(unpack_kernel(folder_ / "mirror/debs/linux-image.deb")->modules.size(), 5);

  fs::remove(folder_ / ("linux-image/" + modules + "nsm.ko.xz"));
  pack("linux-image", "6.12.1");
  EXPECT_REFUSED(unpack_kernel(folder_ / "mirror/debs/linux-image.deb"), "image.kernel.package");
  fs::remove_all(folder_ / "linux-image/boot");
  pack("linux-image", "6.12.1");
  EXPECT_REFUSED(unpack_kernel(folder_ / "mirror/debs/linux-image.deb"), "image.kernel.package");
  EXPECT_FALSE(unpack_kernel(folder_.write("no.deb", "no package")));
}

TEST(Process, NamesAProgramThatIsMissingOrFails) {
  EXPECT_REFUSED(run_program({"gateway-no-such-program"}), "image.process.missing");
  EXPECT_REFUSED(run_program({"false"}), "image.process.failed");
  const auto said = run_program({"sh", "-c", "echo why >&2; exit 3"});
  EXPECT_REFUSED(said, "image.process.failed");
  EXPECT_THAT(said.error().detail(), ::testing::HasSubstr("why"));
  EXPECT_EQ(*run_program({"sh", "-c", "echo out; head -c 300000 /dev/zero >&2"}), "out\n");
}

}  // namespace
}  // namespace gateway::image
