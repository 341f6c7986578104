#include "image/spec.h"

#include "image/lock.h"
#include "image/testing.h"

namespace gateway::image {
namespace {

constexpr std::string_view kFull = R"([image]
name = "echo"
version = "1.2"
kernel = "none"

[rootfs]
folder = "tree"

[[rootfs.files]]
from = "data/x"
to = "/opt/x"
mode = "0755"

[workload]
argv = ["/opt/x", "--a"]
env = { LANG = "C" }
readiness = { path = "/ready", timeout = "5s" }
restart = "always"

[ingress]
port = 8080
paths = ["/*"]
padding = "4KiB"

[limits]
max_body = "2MiB"
head_timeout = "3s"

[resources]
memory = "64MiB"
cpus = 1
)";

std::string edited(const std::string& what, const std::string& by) {
  std::string text(kFull);
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

Result<Spec> parsed(std::string_view text) { return parse_spec(text, "dir/image.toml"); }

TEST(Spec, ReadsWaysOutAndKms) {
  const auto spec = parsed(std::string(kFull) + R"([egress]
allow = ["api.example.org:443"]
insecure_allow = ["udp://192.0.2.1:123"]
transparent = true
tun = true
tls = "runtime"
roots = "/etc/roots.pem"
[kms]
region = "eu-central-1"
keys = ["arn:aws:kms:eu-central-1:111122223333:key/1234abcd"]
context = { purpose = "model" }
)");
  ASSERT_OK(spec);
  const Description& description = std::get<FullParts>(spec->parts).description;
  EXPECT_EQ(description.egress.allow.front(), "api.example.org:443");
  EXPECT_EQ(description.egress.insecure_allow.front(), "udp://192.0.2.1:123");
  EXPECT_TRUE(description.egress.transparent && description.egress.tun && description.egress.runtime_tls);
  ASSERT_TRUE(description.kms);
  EXPECT_EQ(description.kms->endpoint, "kms.eu-central-1.amazonaws.com:443");
  EXPECT_EQ(description.kms->context.at("purpose"), "model");
  ASSERT_OK(check(description));
  EXPECT_REFUSED(parsed(std::string(kFull) + "[egress]\ntls = \"nobody\"\n"), "toml.bad_value");
}

TEST(Spec, ReadsTheFullForm) {
  const auto spec = parsed(kFull);
  ASSERT_OK(spec);
  EXPECT_TRUE(std::holds_alternative<KernelNone>(spec->kernel));
  EXPECT_EQ(spec->cmdline, kDefaultCmdline);
  const auto& full = std::get<FullParts>(spec->parts);
  EXPECT_EQ(std::get<FolderSource>(full.rootfs.source).folder.path, "dir/tree");
  ASSERT_EQ(full.rootfs.files.size(), 1);
  EXPECT_EQ(full.rootfs.files[0].from.path, "dir/data/x");
  EXPECT_EQ(full.rootfs.files[0].from.written, "data/x");
  EXPECT_TRUE(full.rootfs.files[0].executable);
  EXPECT_EQ(full.rootfs.lock, "dir/image.lock");
  EXPECT_EQ(full.description.app_version, "1.2");
  EXPECT_EQ(full.description.ingress.port, 8080);
  EXPECT_EQ(full.description.ingress.padding, 4096U);
  EXPECT_EQ(full.description.limits.max_body, 2U * 1024 * 1024);
  EXPECT_EQ(full.description.limits.head_timeout, Duration(3000));
  EXPECT_EQ(full.description.resources.memory, 64U * 1024 * 1024);
  EXPECT_EQ(full.description.workload.restart, RestartPolicy::kAlways);
}

TEST(Spec, PaddingIsASizeWithinARecord) {
  EXPECT_REFUSED(parsed(edited("\"4KiB\"", "\"32KiB\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("\"4KiB\"", "\"100\"")), "image.description.value");
  EXPECT_REFUSED(parsed(edited("\"4KiB\"", "4096")), "toml.wrong_type");
}

TEST(Spec, ReadsRawParts) {
  const auto spec = parsed(
      "[image]\nname = \"sample\"\nkernel = \"bzImage\"\ncmdline = \"reboot=t panic=-1\"\n"
      "ramdisks = [\"first.cpio.gz\", \"/abs/second.cpio.gz\"]\n");
  ASSERT_OK(spec);
  EXPECT_EQ(std::get<KernelFile>(spec->kernel).image.path, "dir/bzImage");
  EXPECT_EQ(std::get<RawParts>(spec->parts).ramdisks[0].path, "dir/first.cpio.gz");
  EXPECT_EQ(std::get<RawParts>(spec->parts).ramdisks[1].path, "/abs/second.cpio.gz");
}

TEST(Spec, TakesDebiansKernelUnlessToldOtherwise) {
  const auto spec = parsed(edited("kernel = \"none\"\n", ""));
  ASSERT_OK(spec);
  EXPECT_TRUE(std::holds_alternative<KernelPackage>(spec->kernel));
  const auto file = parsed(edited("kernel = \"none\"", "kernel = \"vmlinuz\"\nmodules = [\"a.ko\"]"));
  ASSERT_OK(file);
  EXPECT_EQ(std::get<KernelFile>(file->kernel).modules[0].path, "dir/a.ko");
}

TEST(Spec, NamesFileLineAndNearestKeyOfAnUnknownKey) {
  const auto spec = parsed(edited("version = ", "verison = "));
  EXPECT_REFUSED(spec, "toml.unknown_key");
  EXPECT_THAT(spec.error().message() + spec.error().remedy(),
              ::testing::AllOf(::testing::HasSubstr("dir/image.toml:3"), ::testing::HasSubstr("version")));
  for (const char* section : {"[rootfs]", "[workload]", "[ingress]", "[limits]", "[resources]", "[[rootfs.files]]"}) {
    EXPECT_REFUSED(parsed(edited(section, std::string(section) + "\nsurprise = 1")), "toml.unknown_key");
  }
  EXPECT_REFUSED(parsed(std::string(kFull) + "[surprise]\n"), "toml.unknown_key");
  EXPECT_REFUSED(parsed(std::string(kFull) + "[slots]\nsurprise = 1\n"), "toml.unknown_key");
  EXPECT_REFUSED(parsed(std::string(kFull) + "[egress]\nsurprise = 1\n"), "toml.unknown_key");
  EXPECT_REFUSED(parsed(std::string(kFull) + "[kms]\nregion = \"eu-central-1\"\nsurprise = 1\n"), "toml.unknown_key");
  // The raw form knows nothing of the rest.
  EXPECT_REFUSED(
      parsed("[image]\nname=\"a\"\nkernel=\"none\"\ncmdline=\"\"\nramdisks=[\"r\"]\n[workload]\nargv=[\"/a\"]\n"),
      "toml.unknown_key");
}

TEST(Spec, RefusesWhatMakesNoSense) {
  EXPECT_REFUSED(parsed("image = 1"), "toml.wrong_type");
  EXPECT_REFUSED(parsed("]"), "toml.syntax");
  EXPECT_REFUSED(parsed(""), "toml.missing_key");
  EXPECT_REFUSED(parsed(edited("folder = \"tree\"", "folder = \"tree\"\noci = \"x\"")), "image.spec.rootfs");
  EXPECT_REFUSED(parsed(edited("folder = \"tree\"", "suite = \"forky\"\nfolder = \"tree\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("folder = \"tree\"", "packages = []")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("folder = \"tree\"", "packages = [\"-o\"]")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("folder = \"tree\"", "packages = [\"a\"]\nsuite = \"../x\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("to = \"/opt/x\"", "to = \"opt/x\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("to = \"/opt/x\"", "to = \"/opt/../x\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("mode = \"0755\"", "mode = \"4755\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("\"2MiB\"", "\"2MB\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("\"64MiB\"", "\"99999999999GiB\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("restart = \"always\"", "restart = \"maybe\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("port = 8080", "port = 80800")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("port = 8080", "port = 80")), "image.description.value");
  EXPECT_REFUSED(parsed(edited("kernel = \"none\"", "kernel = \"none\"\nmodules = [\"a\"]")), "toml.bad_value");
  EXPECT_REFUSED(parsed(edited("kernel = \"none\"", "kernel = \"none\"\ncmdline = \"a\\nb\"")), "toml.bad_value");
  EXPECT_REFUSED(parsed("[image]\nname=\"a\"\n[workload]\nargv=[\"/a\"]\n[ingress]\nport=8080\npaths=[\"/*\"]\n"),
                 "image.spec.rootfs");
  EXPECT_REFUSED(parsed("[image]\nname=\"a\"\n[rootfs]\n"), "image.spec.rootfs");
  EXPECT_REFUSED(parsed("[image]\nname=\"a\"\ncmdline=\"\"\nramdisks=[\"r\"]\n"), "toml.bad_value");
  EXPECT_REFUSED(parsed("[image]\nname=\"a\"\nkernel=\"debian\"\ncmdline=\"\"\nramdisks=[\"r\"]\n"), "toml.bad_value");
  EXPECT_REFUSED(parsed("[image]\nname=\"a\"\nkernel=\"none\"\ncmdline=\"\"\nramdisks=[]\n"), "toml.bad_value");
}

TEST(Spec, NamesTwoFilesForOnePlace) {
  EXPECT_REFUSED(parsed(std::string(kFull) + "[[rootfs.files]]\nfrom = \"y\"\nto = \"/opt/x\"\n"), "toml.bad_value");
}

TEST(Spec, SaysThatItIsMissing) {
  const testing::Folder folder;
  EXPECT_REFUSED(read_spec(folder / "none.toml"), "image.file.missing");
}

Lock sound_lock() {
  Lock lock;
  lock.epoch = 1'760'000'000;
  lock.compressor.version = "1.5.4";
  lock.runtime = std::string(64, 'a');
  lock.kernel = LockedPackage{"linux-image", "6.12-1~deb12u1", "amd64", std::string(64, 'b'), 5};
  lock.kernel_suite = "bookworm-security";
  lock.suite = "forky";
  lock.requested = {"llama.cpp-tools"};
  lock.packages = {{"zlib1g", "1:1.3", "amd64", std::string(64, 'c'), 7},
                   {"base-files", "14", "amd64", std::string(64, 'd'), 8}};
  lock.inputs = {{"odd \"name\"\n\\", std::string(64, 'e')}};
  return lock;
}

TEST(Lock, SurvivesARoundTripSorted) {
  const std::string text = encode_lock(sound_lock());
  const auto lock = parse_lock(text, "x.lock");
  ASSERT_OK(lock);
  EXPECT_EQ(encode_lock(*lock), text);
  EXPECT_EQ(lock->packages[0].name, "base-files");
  EXPECT_EQ(lock->kernel->version, "6.12-1~deb12u1");
  EXPECT_EQ(lock->inputs, sound_lock().inputs);
  EXPECT_EQ(lock->requested, sound_lock().requested);
}

TEST(Lock, RefusesWhatWouldNotBeALock) {
  const auto with = [](const std::string& what, const std::string& by) {
    std::string text = encode_lock(sound_lock());
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return parse_lock(text.replace(at, what.size(), by), "x.lock");
  };
  EXPECT_REFUSED(with("version = 1\n", "version = 2\n"), "image.lock.version");
  EXPECT_REFUSED(with("source_date_epoch = 1760000000", "source_date_epoch = -1"), "image.lock.value");
  EXPECT_REFUSED(with("name = \"zstd\"", "name = \"lzop\""), "image.lock.value");
  EXPECT_REFUSED(with("level = 9", "level = 99"), "image.lock.value");
  EXPECT_REFUSED(with(std::string(64, 'a'), "none"), "image.lock.value");
  EXPECT_REFUSED(with(std::string(64, 'c'), "c"), "image.lock.value");
  EXPECT_REFUSED(with(std::string(64, 'e'), "e"), "image.lock.value");
  EXPECT_REFUSED(with("size = 7", "size = 0"), "image.lock.value");
  EXPECT_REFUSED(with("\"zlib1g\"", "\"-o\""), "image.lock.value");
  EXPECT_REFUSED(with("\"1:1.3\"", "\"1 3\""), "image.lock.value");
  EXPECT_REFUSED(with("\"zlib1g\"", "\"base-files\""), "image.lock.duplicate");
  EXPECT_REFUSED(with("level = 9", "level = 9\nsurprise = 1"), "toml.unknown_key");
}

}  // namespace
}  // namespace gateway::image
