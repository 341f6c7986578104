#include "image/snp_launch.h"

#include <boost/json.hpp>

#include "crypto/vectors_for_test.h"
#include "image/testing.h"
#include "image/testing_ovmf.h"

namespace gateway::image {
namespace {

namespace json = boost::json;

std::string text(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

// "vcpu_types.CPU_SIGS['EPYC-v4']" as the cases have it.
std::string quoted(const std::string& expression) {
  const auto first = expression.find('\'');
  if (first == std::string::npos) return {};
  return expression.substr(first + 1, expression.rfind('\'') - first - 1);
}

struct Case {
  std::string name, mode, expected;
  Bytes firmware;
  SnpLaunch launch;
};

// Kernel and initrd of every case are /dev/null or none, so their digests are those of nothing.
Case case_from(const json::object& entry) {
  const json::object& args = entry.at("args").as_object();
  Case out;
  out.name = text(entry, "name");
  out.mode = text(args, "mode");
  out.expected = text(entry, "expected");
  const std::string path = quoted(text(args, "ovmf"));
  const std::string firmware = crypto::read_vector("snp/measure/" + path.substr(path.rfind('/') + 1));
  out.firmware = to_bytes(std::string_view(firmware));
  out.launch.vcpus = static_cast<unsigned>(std::stoul(text(args, "vcpus")));
  out.launch.guest_features = std::stoull(text(args, "guest_features"));
  if (const std::string type = quoted(text(args, "vcpu_sig")); !type.empty()) {
    out.launch.vcpu_signature = snp_vcpu_signature(type).value();
  }
  if (text(args, "kernel") != "None") {
    const ByteArray<1> zero{};
    out.launch.boot = KernelHashes{.kernel = crypto::sha256(ByteView{}),
                                   .initrd = crypto::sha256(ByteView{}),
                                   .cmdline = crypto::sha256({as_bytes(quoted(text(args, "append"))), zero})};
  }
  const std::string vmm = text(entry.at("kwargs").as_object(), "vmm_type");
  if (vmm.ends_with("ec2")) out.launch.vmm = SnpVmm::kEc2;
  if (vmm.ends_with("gce")) out.launch.vmm = SnpVmm::kGce;
  if (const auto digest = from_hex(text(entry, "ovmf_hash_given")); digest && !digest->empty()) {
    out.launch.firmware_digest.emplace();
    std::ranges::copy(*digest, out.launch.firmware_digest->begin());
  }
  return out;
}

std::string digest_of(const Case& from) {
  const auto hex = [](const auto& result) { return result ? to_hex(*result) : std::string(result.error().id()); };
  if (from.mode == "SevMode.SEV_SNP") return hex(snp_launch_digest(from.launch));
  const bool es = from.mode == "SevMode.SEV_ES";
  return hex(sev_launch_digest(from.launch, es ? OlderSevMode::kSevEs : OlderSevMode::kSev));
}

TEST(SnpLaunch, ComputesEveryRecordedLaunchDigest) {
  GATEWAY_NEEDS_VECTORS();
  const json::value cases = json::parse(crypto::read_vector("snp/measure/launch_digest_cases.json"));
  unsigned matched = 0, refused = 0, without_digest = 0, other_firmware = 0;
  for (const json::value& entry : cases.at("cases").as_array()) {
    if (text(entry.at("args").as_object(), "mode") == "SevMode.SEV_SNP_SVSM") {
      ++other_firmware;  // needs svsm.bin, which is not among the vectors
      continue;
    }
    Case from = case_from(entry.as_object());
    from.launch.firmware = from.firmware;
    SCOPED_TRACE(from.name);
    if (from.name.ends_with("should_fail")) {
      EXPECT_EQ(digest_of(from), "image.snp.kernel_hashes");
      ++refused;
    } else if (from.expected.empty()) {
      EXPECT_GE(digest_of(from).size(), 64U);  // the case is about a file that the tool leaves behind
      ++without_digest;
    } else {
      EXPECT_EQ(digest_of(from), from.expected);
      ++matched;
    }
  }
  EXPECT_EQ(matched, 21U);
  EXPECT_EQ(refused, 3U);
  EXPECT_EQ(without_digest, 2U);
  EXPECT_EQ(other_firmware, 3U);
}

using testing::Folder;
using testing::ovmf_file;
using testing::OvmfParts;

SnpLaunch sample(const Bytes& firmware) {
  return {.firmware = firmware, .boot = KernelHashes{}, .vcpus = 2, .vcpu_signature = 0x00a10f10};
}

TEST(SnpLaunch, EveryPartOfTheLaunchChangesTheDigest) {
  const Bytes firmware = ovmf_file({});
  std::vector<crypto::Sha384> seen;
  const auto add = [&seen](const SnpLaunch& launch) {
    const auto digest = snp_launch_digest(launch);
    ASSERT_OK(digest);
    EXPECT_THAT(seen, ::testing::Not(::testing::Contains(*digest)));
    seen.push_back(*digest);
  };
  const auto changed = [&](auto change) {
    SnpLaunch launch = sample(firmware);
    change(launch);
    add(launch);
  };
  changed([](SnpLaunch&) {});
  changed([](SnpLaunch& launch) { launch.boot.reset(); });
  changed([](SnpLaunch& launch) { launch.boot->kernel[0] = 1; });
  changed([](SnpLaunch& launch) { launch.boot->initrd[0] = 1; });
  changed([](SnpLaunch& launch) { launch.boot->cmdline[0] = 1; });
  changed([](SnpLaunch& launch) { launch.vcpus = 1; });
  changed([](SnpLaunch& launch) { launch.vcpus = 3; });
  changed([](SnpLaunch& launch) { launch.vcpu_signature = 0x00a00f11; });
  changed([](SnpLaunch& launch) { launch.vmm = SnpVmm::kEc2; });
  changed([](SnpLaunch& launch) { launch.vmm = SnpVmm::kGce; });
  changed([](SnpLaunch& launch) { launch.guest_features = 0x21; });
  Bytes other = firmware;
  other[0] ^= 1;
  add(sample(other));
  OvmfParts moved;
  moved.hash_table += 16;
  const Bytes table = ovmf_file(moved);
  SnpLaunch launch = sample(table);
  launch.firmware_digest = snp_firmware_digest(firmware);
  add(launch);
}

TEST(SnpLaunch, AFirmwareDigestFromElsewhereStandsForTheFirmware) {
  const Bytes firmware = ovmf_file({});
  SnpLaunch launch = sample(firmware);
  const auto whole = snp_launch_digest(launch);
  launch.firmware_digest = snp_firmware_digest(firmware);
  EXPECT_EQ(snp_launch_digest(launch).value(), whole.value());
}

TEST(SnpLaunch, RefusesVcpuCountsThatNoGuestHas) {
  const Bytes firmware = ovmf_file({});
  SnpLaunch launch = sample(firmware);
  for (const unsigned count : {0U, kSnpMaxVcpus + 1}) {
    launch.vcpus = count;
    EXPECT_REFUSED(snp_launch_digest(launch), "image.snp.vcpus");
    EXPECT_REFUSED(sev_launch_digest(launch, OlderSevMode::kSevEs), "image.snp.vcpus");
  }
  launch.vcpus = kSnpMaxVcpus;
  ASSERT_OK(snp_launch_digest(launch));
}

TEST(SnpLaunch, RefusesFeaturesThatMakeNoSnpGuest) {
  const Bytes firmware = ovmf_file({});
  SnpLaunch launch = sample(firmware);
  launch.guest_features = 0x20;
  EXPECT_REFUSED(snp_launch_digest(launch), "image.snp.guest_features");
}

TEST(SnpLaunch, RefusesFirmwareThatWouldNotMeasureTheKernel) {
  OvmfParts no_section;
  no_section.sections.pop_back();
  OvmfParts no_table;
  no_table.hash_table = 0;
  for (const OvmfParts& parts : {no_section, no_table}) {
    const Bytes firmware = ovmf_file(parts);
    SnpLaunch launch = sample(firmware);
    EXPECT_REFUSED(snp_launch_digest(launch), "image.snp.kernel_hashes");
    launch.boot.reset();
    ASSERT_OK(snp_launch_digest(launch));
  }
  EXPECT_REFUSED(sev_launch_digest(sample(ovmf_file(no_table)), OlderSevMode::kSev), "image.snp.kernel_hashes");
}

TEST(SnpLaunch, RefusesAHashTableOutsideOfItsPage) {
  for (const std::uint32_t gpa : {0x80'ffffU, 0x81'1000U - 175U, 0x81'1000U, 0xffff'ffffU}) {
    OvmfParts parts;
    parts.hash_table = gpa;
    const Bytes firmware = ovmf_file(parts);
    EXPECT_REFUSED(snp_launch_digest(sample(firmware)), "image.ovmf.hash_table");
  }
  OvmfParts last;
  last.hash_table = 0x81'1000U - 176U;
  const Bytes firmware = ovmf_file(last);
  ASSERT_OK(snp_launch_digest(sample(firmware)));
}

TEST(SnpLaunch, RefusesDamagedFirmware) {
  EXPECT_REFUSED(snp_launch_digest(sample(Bytes(4096))), "image.ovmf.no_table");
  EXPECT_REFUSED(sev_launch_digest(sample(Bytes(4096)), OlderSevMode::kSev), "image.ovmf.no_table");
}

TEST(SnpVcpus, SignaturesAreThoseOfTheProcessors) {
  EXPECT_EQ(snp_vcpu_signature("EPYC").value(), 0x0080'0f12U);
  EXPECT_EQ(snp_vcpu_signature("EPYC-v4").value(), 0x0080'0f12U);
  EXPECT_EQ(snp_vcpu_signature("EPYC-IBPB").value(), 0x0080'0f12U);
  EXPECT_EQ(snp_vcpu_signature("EPYC-Rome-v2").value(), 0x0083'0f10U);
  EXPECT_EQ(snp_vcpu_signature("EPYC-Milan").value(), 0x00a0'0f11U);
  EXPECT_EQ(snp_vcpu_signature("EPYC-Genoa-v1").value(), 0x00a1'0f10U);
  EXPECT_EQ(snp_vcpu_signature("EPYC-Turin").value(), 0x00b0'0f00U);
  EXPECT_EQ(snp_vcpu_signature("0x00b10f10").value(), 0x00b1'0f10U);
}

TEST(SnpVcpus, RefusesOtherNamesAndListsThoseThatItKnows) {
  for (const char* const name : {"", "epyc", "EPYC-v9", "EPYC ", "0x", "0x123456789", "0x12zz", "host", "Opteron_G5"}) {
    const auto refused = snp_vcpu_signature(name);
    EXPECT_REFUSED(refused, "image.snp.vcpu_type");
    EXPECT_THAT(refused.error().remedy(), ::testing::HasSubstr("EPYC-Milan, "));
  }
}

TEST(SnpVmms, HaveNames) {
  for (const SnpVmm vmm : {SnpVmm::kQemu, SnpVmm::kEc2, SnpVmm::kGce}) {
    EXPECT_EQ(snp_vmm(to_string(vmm)).value(), vmm);
  }
  EXPECT_REFUSED(snp_vmm("xen"), "image.snp.vmm_type");
}

TEST(KernelHashes, TheInitrdIsAllRamdisksOneAfterAnother) {
  const Folder folder;
  const Bytes kernel = to_bytes(std::string_view("kernel"));
  const Bytes one = to_bytes(std::string_view("one"));
  const Bytes two = to_bytes(std::string_view("two"));
  ASSERT_OK(write_eif({.kernel = kernel, .cmdline = "quiet", .metadata = {}, .ramdisks = {one, two}, .signature = {}},
                      folder / "image.eif"));
  const auto eif = Eif::open(folder / "image.eif");
  ASSERT_OK(eif);
  const auto hashes = kernel_hashes(*eif);
  ASSERT_OK(hashes);
  EXPECT_EQ(hashes->kernel, crypto::sha256(as_bytes("kernel")));
  EXPECT_EQ(hashes->initrd, crypto::sha256(as_bytes("onetwo")));
  EXPECT_EQ(hashes->cmdline, crypto::sha256(as_bytes(std::string_view("quiet\0", 6))));
}

TEST(KernelHashes, RefusesImagesThatNoVirtualMachineStarts) {
  const Folder folder;
  const Bytes ramdisk(10, 1);
  ASSERT_OK(write_eif({.kernel = {}, .cmdline = "c", .metadata = {}, .ramdisks = {ramdisk}, .signature = {}},
                      folder / "local.eif"));
  EXPECT_REFUSED(kernel_hashes(Eif::open(folder / "local.eif").value()), "image.snp.no_kernel");
  ASSERT_OK(write_eif({.kernel = ramdisk, .cmdline = "c", .metadata = {}, .ramdisks = {ramdisk}, .signature = {}},
                      folder / "arm.eif"));
  std::string bytes = testing::slurp(folder / "arm.eif");
  bytes[7] = 1;  // the header's flags: arm64
  EXPECT_REFUSED(kernel_hashes(Eif::parse(as_bytes(bytes)).value()), "image.snp.architecture");
}

}  // namespace
}  // namespace gateway::image
