// The image: its bytes, its checksum, and the boundaries between its parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

#include "callers.h"
#include "image/eif.h"
#include "image/stream.h"
#include "suite.h"

namespace gateway::hostile_suite {
namespace {

using ::testing::HasSubstr;

constexpr const char* kMarker = "a sentence in a file of the image";

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

// Owned parts of an image, to be put together in another way.
struct Parts {
  Bytes kernel;
  std::string cmdline;
  std::string metadata;
  std::vector<Bytes> ramdisks;

  static Parts of(const std::string& path) {
    const image::Eif eif = must(image::Eif::open(path));
    Parts parts{to_bytes(eif.kernel()), std::string(eif.cmdline()), {}, {}};
    if (const auto metadata = eif.metadata()) parts.metadata = as_text(*metadata);
    for (const ByteView ramdisk : eif.ramdisks()) parts.ramdisks.push_back(to_bytes(ramdisk));
    return parts;
  }
  // With the checksum that these bytes ask for.
  std::string write(const std::string& name) const {
    const std::string path = site().file(name);
    image::EifParts eif{.kernel = kernel,
                        .cmdline = cmdline,
                        .metadata = metadata,
                        .ramdisks = {},
                        .signature = {},
                        .default_memory = 256UZ * 1024 * 1024,
                        .default_cpus = 1};
    for (const Bytes& ramdisk : ramdisks) eif.ramdisks.emplace_back(ramdisk);
    if (const auto written = image::write_eif(eif, path); !written) throw std::runtime_error(written.error().message());
    return path;
  }
};

Bytes unpacked(ByteView packed) {
  auto source = must(image::open_member(packed, image::recognise_compression(packed)));
  Bytes out;
  Bytes chunk(65'536);
  while (const std::size_t size = must(source->read(chunk))) append(out, ByteView(chunk).first(size));
  return out;
}

std::string inspected(const std::string& image) {
  const auto ended = site().gateway({"inspect", image, "--json"});
  EXPECT_EQ(ended.status, 0) << ended.both();
  return ended.out;
}

void expect_same_pcrs(const std::string& a, const std::string& b, const std::vector<const char*>& registers) {
  const std::string one = inspected(a);
  const std::string two = inspected(b);
  for (const char* index : registers) {
    const std::string pointer = std::string("/pcrs/") + index;
    EXPECT_EQ(harness::json_at(one, pointer), harness::json_at(two, pointer)) << "PCR" << index;
  }
}

// `gateway run` says no, and nothing of that name runs.
void expect_does_not_run(const std::string& image, const std::string& name, const std::string& id) {
  const auto ended = site().try_run(image, name);
  EXPECT_EQ(ended.status, 1) << ended.both();
  EXPECT_THAT(ended.err, HasSubstr(id));
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(site().gateway({"ps", "--json"}).out, ::testing::Not(HasSubstr("\"" + name + "\"")));
}

std::string image_with_marker(const std::string& name) {
  const std::string text = site().write("marker.txt", kMarker);
  return site().build_echo(
      {.name = name, .more = "[[rootfs.files]]\nfrom = \"" + text + "\"\nto = \"/usr/share/marker\"\n"});
}

TEST(Image, OneByteOfAFileChangedIsAnotherImage) {
  attack("one byte of a file in ramdisk 2 changed, every checksum repaired", "`policy.measurement`");
  const std::string genuine = image_with_marker("marked");
  const auto started = site().run_enclave(genuine, "marked");
  const std::string policy_file = site().write_policy("marked.toml", harness::entry_for(started));
  site().stop_enclave("marked");

  Parts parts = Parts::of(genuine);
  Bytes& application = parts.ramdisks.back();
  application = unpacked(application);
  const std::size_t at = as_text(application).find(kMarker);
  ASSERT_NE(at, std::string::npos);
  application[at] ^= 1;
  const auto tampered = site().run_enclave(parts.write("tampered.eif"), "tampered");
  EXPECT_NE(tampered.measurements[0], started.measurements[0]);
  EXPECT_EQ(tampered.measurements[1], started.measurements[1]);
  EXPECT_NE(tampered.measurements[2], started.measurements[2]);
  expect_refused(tampered.listen, policy_file, "policy.measurement");
  site().stop_enclave("tampered");
}

TEST(Image, OneByteChangedWithoutItsChecksumDoesNotRun) {
  attack("one byte of the image changed, its checksum left as it was", "`image.eif.crc`");
  const std::string damaged = site().file("damaged.eif");
  std::string bytes = harness::read_text(echo_image());
  bytes[bytes.size() - 1'000] = static_cast<char>(bytes[bytes.size() - 1'000] ^ 1);
  harness::write_text(damaged, bytes);
  expect_does_not_run(damaged, "damaged", "image.eif.crc");

  attack("… and repaired: the compressed ramdisk has a checksum of its own", "`image.stream.corrupt`");
  const auto repaired = harness::run({.argv = {harness::program("gateway-hostile-host"), "repair-crc", damaged}});
  EXPECT_EQ(repaired.status, 0) << repaired.both();
  expect_does_not_run(damaged, "damaged", "image.stream.corrupt");
}

// PCRs hash kernel ‖ cmdline ‖ ramdisks without lengths. An image with a kernel, whose bytes may be anything on local.
class Boundary : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string kernel = site().write("kernel.bin", "a kernel that ends with words quiet ");
    genuine_ = site().build_echo({.name = "booted", .kernel = kernel, .cmdline = "panic=-1 lockdown=integrity"});
    const auto started = site().run_enclave(genuine_, "booted");
    EXPECT_EQ(started.measurements[0].size(), 96U);
    site().stop_enclave("booted");
  }
  static std::string genuine_;
};
std::string Boundary::genuine_;

TEST_F(Boundary, CmdlineMovedIntoTheKernelDoesNotStart) {
  attack("cmdline moved across the boundary into the kernel: PCR0–2 unchanged", "`runtime.cmdline_mismatch`");
  Parts parts = Parts::of(genuine_);
  append(parts.kernel, as_bytes("panic=-1 "));
  parts.cmdline = "lockdown=integrity";
  const std::string moved = parts.write("moved.eif");
  expect_same_pcrs(genuine_, moved, {"0", "1", "2"});
  expect_does_not_run(moved, "moved", "runtime.cmdline_mismatch");
}

TEST_F(Boundary, KernelsEndMovedIntoTheCmdlineDoesNotStart) {
  attack("the kernel's last bytes moved into the cmdline: PCR0–2 unchanged", "`runtime.cmdline_mismatch`");
  Parts parts = Parts::of(genuine_);
  const std::string words = "quiet ";
  parts.kernel.resize(parts.kernel.size() - words.size());
  parts.cmdline = words + parts.cmdline;
  const std::string moved = parts.write("lengthened.eif");
  expect_same_pcrs(genuine_, moved, {"0", "1", "2"});
  expect_does_not_run(moved, "lengthened", "runtime.cmdline_mismatch");
}

TEST_F(Boundary, CmdlineMovedIntoTheRamdiskDoesNotRun) {
  attack("cmdline moved across the boundary into ramdisk 1: PCR0–2 unchanged", "`image.unpack.archive`");
  Parts parts = Parts::of(genuine_);
  const std::string words = "lockdown=integrity";
  parts.cmdline.resize(parts.cmdline.size() - words.size());
  Bytes ramdisk = to_bytes(words);
  append(ramdisk, parts.ramdisks.front());
  parts.ramdisks.front() = std::move(ramdisk);
  const std::string moved = parts.write("shortened.eif");
  expect_same_pcrs(genuine_, moved, {"0", "1", "2"});
  expect_does_not_run(moved, "shortened", "image.unpack.archive");
}

TEST_F(Boundary, CmdlineOfTheHostsOwnIsAnotherImage) {
  attack("another cmdline", "`runtime.cmdline_mismatch`");
  Parts parts = Parts::of(genuine_);
  parts.cmdline += " init=/bin/sh";
  expect_does_not_run(parts.write("init.eif"), "init", "runtime.cmdline_mismatch");
}

}  // namespace
}  // namespace gateway::hostile_suite
