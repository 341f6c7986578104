#include "image/snp_launch.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "image/read_through.h"

namespace gateway::image {
namespace {

using crypto::Hasher;
using crypto::Sha256;
using crypto::Sha384;
using Page = ByteArray<kGuestPage>;

// --- processors

struct VcpuModel {
  std::string_view name;
  unsigned family, model, stepping;
};
// QEMU's models and all versions of each: versions change features, never family, model and stepping.
constexpr VcpuModel kModels[] = {
    {"EPYC", 23, 1, 2},           {"EPYC-v1", 23, 1, 2},        {"EPYC-v2", 23, 1, 2},
    {"EPYC-v3", 23, 1, 2},        {"EPYC-v4", 23, 1, 2},        {"EPYC-v5", 23, 1, 2},
    {"EPYC-IBPB", 23, 1, 2},      {"EPYC-Rome", 23, 49, 0},     {"EPYC-Rome-v1", 23, 49, 0},
    {"EPYC-Rome-v2", 23, 49, 0},  {"EPYC-Rome-v3", 23, 49, 0},  {"EPYC-Rome-v4", 23, 49, 0},
    {"EPYC-Rome-v5", 23, 49, 0},  {"EPYC-Milan", 25, 1, 1},     {"EPYC-Milan-v1", 25, 1, 1},
    {"EPYC-Milan-v2", 25, 1, 1},  {"EPYC-Milan-v3", 25, 1, 1},  {"EPYC-Genoa", 25, 17, 0},
    {"EPYC-Genoa-v1", 25, 17, 0}, {"EPYC-Genoa-v2", 25, 17, 0}, {"EPYC-Turin", 26, 0, 0},
    {"EPYC-Turin-v1", 26, 0, 0},
};

// AMD 25481: families above 15 are split into a base of 15 and an extension; so are models.
constexpr std::uint32_t cpuid_signature(unsigned family, unsigned model, unsigned stepping) {
  const unsigned extended = family > 15 ? family - 15 : 0;
  return (extended << 20U) | ((model >> 4U) << 16U) | ((family - extended) << 8U) | ((model & 15U) << 4U) | stepping;
}
static_assert(cpuid_signature(25, 17, 0) == 0x00a10f10);

// --- pages

// VMSA: the registers that a processor starts with. Offsets of AMD 24593 table B-4; everything else is zero.
class Vmsa {
 public:
  const Page& page() const { return page_; }
  void segment(std::size_t at, unsigned selector, unsigned attributes, std::uint32_t limit, std::uint64_t base) {
    put(at, selector, 2);
    put(at + 2, attributes, 2);
    put(at + 4, limit, 4);
    put(at + 8, base, 8);
  }
  void put(std::size_t at, std::uint64_t value, std::size_t size = 8) {
    for (std::size_t i = 0; i < size; ++i) page_.at(at + i) = static_cast<std::uint8_t>(value >> (8 * i));
  }

 private:
  Page page_{};
};

constexpr std::uint32_t kBspEip = 0xffff'fff0;

struct Registers {  // where the VMMs differ
  unsigned cs_attributes, ss_attributes, tr_attributes;
  std::uint64_t rdx, g_pat;
  std::uint32_t mxcsr;
  unsigned fcw;
};

Registers registers_of(SnpVmm vmm, std::uint32_t eip, std::uint32_t signature) {
  constexpr std::uint64_t kResetPat = 0x0007'0406'0007'0406;
  switch (vmm) {
    case SnpVmm::kEc2: return {eip == kBspEip ? 0x9aU : 0x9bU, 0x92, 0x83, 0x600, kResetPat, 0, 0};
    case SnpVmm::kGce: return {0x9b, 0x93, 0x8b, 0x600, 0x0007'0106, 0, 0};
    case SnpVmm::kQemu: break;
  }
  return {0x9b, 0x93, 0x8b, signature, kResetPat, 0x1f80, 0x37f};
}

Page vmsa_page(const SnpLaunch& launch, std::uint32_t eip, std::uint64_t sev_features) {
  const Registers from = registers_of(launch.vmm, eip, launch.vcpu_signature);
  Vmsa vmsa;
  vmsa.segment(0x00, 0, 0x93, 0xffff, 0);                                                      // ES
  vmsa.segment(0x10, 0xf000, from.cs_attributes, 0xffff, eip & 0xffff'0000U);                  // CS
  vmsa.segment(0x20, 0, from.ss_attributes, 0xffff, 0);                                        // SS
  for (const std::size_t at : {0x30UZ, 0x40UZ, 0x50UZ}) vmsa.segment(at, 0, 0x93, 0xffff, 0);  // DS, FS, GS
  vmsa.segment(0x60, 0, 0, 0xffff, 0);                                                         // GDTR
  vmsa.segment(0x70, 0, 0x82, 0xffff, 0);                                                      // LDTR
  vmsa.segment(0x80, 0, 0, 0xffff, 0);                                                         // IDTR
  vmsa.segment(0x90, 0, from.tr_attributes, 0xffff, 0);                                        // TR
  vmsa.put(0x0d0, 0x1000);                                                                     // EFER: SVME
  vmsa.put(0x148, 0x40);                                                                       // CR4: MCE
  vmsa.put(0x158, 0x10);                                                                       // CR0: ET
  vmsa.put(0x160, 0x400);                                                                      // DR7
  vmsa.put(0x168, 0xffff'0ff0);                                                                // DR6
  vmsa.put(0x170, 0x2);                                                                        // RFLAGS
  vmsa.put(0x178, eip & 0xffffU);                                                              // RIP
  vmsa.put(0x268, from.g_pat);
  vmsa.put(0x310, from.rdx);
  vmsa.put(0x3b0, sev_features);
  vmsa.put(0x3e8, 1);  // XCR0: x87
  vmsa.put(0x408, from.mxcsr, 4);
  vmsa.put(0x410, from.fcw, 2);
  return vmsa.page();
}

// The table of kernel hashes, as QEMU lays it out: a header and three entries, each GUID, length, content.
constexpr std::size_t kHashTableSize = 176;  // 168, rounded up to 16
Bytes hash_table(const KernelHashes& hashes) {
  constexpr ByteArray<16> kTable = {0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                    0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21};
  constexpr ByteArray<16> kKernel = {0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
                                     0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b};
  constexpr ByteArray<16> kInitrd = {0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
                                     0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d};
  constexpr ByteArray<16> kCmdline = {0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
                                      0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a};
  constexpr std::uint16_t kEntry = 16 + 2 + 32;
  ByteWriter writer;
  const auto entry = [&writer](const ByteArray<16>& guid, const Sha256& digest) {
    writer.put(guid);
    writer.u16le(kEntry);
    writer.put(digest);
  };
  writer.put(kTable);
  writer.u16le(16 + 2 + 3 * kEntry);
  entry(kCmdline, hashes.cmdline);
  entry(kInitrd, hashes.initrd);
  entry(kKernel, hashes.kernel);
  writer.zeros(kHashTableSize - writer.bytes().size());
  return std::move(writer).take();
}

// --- the digest

enum class PageType : std::uint8_t { kNormal = 1, kVmsa = 2, kZero = 3, kUnmeasured = 4, kSecrets = 5, kCpuid = 6 };

// The guest context's running digest: each page is one PAGE_INFO, hashed with the digest so far.
class LaunchDigest {
 public:
  LaunchDigest() = default;
  explicit LaunchDigest(const Sha384& so_far) : digest_(so_far) {}
  const Sha384& value() const { return digest_; }

  void page(PageType type, std::uint64_t gpa, const Sha384& contents = {}) {
    ByteArray<16> tail{};  // length, page type, IMI and VMPL permissions (all zero), address
    tail[0] = 0x70;
    tail[2] = static_cast<std::uint8_t>(type);
    for (std::size_t i = 0; i < 8; ++i) tail.at(8 + i) = static_cast<std::uint8_t>(gpa >> (8 * i));
    digest_ = crypto::sha384({digest_, contents, tail});
  }
  void normal(std::uint64_t gpa, ByteView whole_pages) {
    for (std::size_t at = 0; at < whole_pages.size(); at += kGuestPage) {
      page(PageType::kNormal, gpa + at, crypto::sha384(whole_pages.subspan(at, kGuestPage)));
    }
  }
  void empty(PageType type, const OvmfSection& section) {
    for (std::uint64_t at = 0; at < section.size; at += kGuestPage) page(type, section.gpa + at);
  }

 private:
  Sha384 digest_{};
};

void measure_firmware(LaunchDigest& digest, ByteView firmware) {
  digest.normal(0x1'0000'0000ULL - firmware.size(), firmware);
}

void measure_kernel_hashes(LaunchDigest& digest, const OvmfSection& section, const SnpLaunch& launch,
                           const Ovmf& ovmf) {
  if (!launch.boot) return digest.empty(PageType::kZero, section);
  Page page{};
  const Bytes table = hash_table(*launch.boot);
  std::ranges::copy(table, page.begin() + (*ovmf.hash_table_gpa % kGuestPage));
  digest.normal(section.gpa, page);
}

void measure_section(LaunchDigest& digest, const OvmfSection& section, const SnpLaunch& launch, const Ovmf& ovmf) {
  switch (section.type) {
    case OvmfSectionType::kSecMem:
      return digest.empty(launch.vmm == SnpVmm::kGce ? PageType::kUnmeasured : PageType::kZero, section);
    case OvmfSectionType::kSvsmCaa: return digest.empty(PageType::kZero, section);
    case OvmfSectionType::kSecrets: return digest.page(PageType::kSecrets, section.gpa);
    case OvmfSectionType::kCpuid:
      if (launch.vmm != SnpVmm::kEc2) digest.page(PageType::kCpuid, section.gpa);
      return;
    case OvmfSectionType::kKernelHashes: return measure_kernel_hashes(digest, section, launch, ovmf);
  }
}

// EC2 gives the CPUID pages after everything else.
void measure_late_sections(LaunchDigest& digest, const SnpLaunch& launch, const Ovmf& ovmf) {
  if (launch.vmm != SnpVmm::kEc2) return;
  for (const OvmfSection& section : ovmf.sections) {
    if (section.type == OvmfSectionType::kCpuid) digest.page(PageType::kCpuid, section.gpa);
  }
}

Sha256 sha256_of(Hasher hasher) {
  Sha256 out{};
  std::ranges::copy(hasher.finish(), out.begin());
  return out;
}

// --- what is refused

std::unexpected<Error> firmware_without_hashes() {
  return fail(
      ErrorCode::kUnsupported, "image.snp.kernel_hashes",
      "the firmware has no page for the hashes of kernel, initrd and command line, so it would not measure them",
      "use a firmware that measures direct boot: OVMF's AmdSev build (OVMF.amdsev.fd)");
}

Status check_vcpus(unsigned vcpus) {
  if (vcpus == 0 || vcpus > kSnpMaxVcpus) {
    return fail(ErrorCode::kInvalidArgument, "image.snp.vcpus",
                "expected 1 to " + std::to_string(kSnpMaxVcpus) + " virtual processors, found " + std::to_string(vcpus),
                "give --vcpus the number that the guest is started with: each one's state is measured");
  }
  return {};
}

Status check_hash_page(const SnpLaunch& launch, const Ovmf& ovmf) {
  if (!launch.boot) return {};
  const auto section = std::ranges::find(ovmf.sections, OvmfSectionType::kKernelHashes, &OvmfSection::type);
  if (section == ovmf.sections.end() || !ovmf.hash_table_gpa) return firmware_without_hashes();
  const std::uint32_t table = *ovmf.hash_table_gpa;
  if (table < section->gpa || std::uint64_t{table} + kHashTableSize > std::uint64_t{section->gpa} + kGuestPage) {
    return fail(ErrorCode::kMalformed, "image.ovmf.hash_table",
                "the firmware's table of kernel hashes lies outside of the page that is measured for it",
                "use a firmware built with support for measured direct boot");
  }
  return {};
}

Sha256 hash_parts(const Eif& eif, const std::vector<ByteView>& parts) {
  Hasher hasher(crypto::HashAlgorithm::kSha256);
  for (const ByteView part : parts) read_through(eif, part, [&hasher](ByteView chunk) { hasher.update(chunk); });
  return sha256_of(std::move(hasher));
}

}  // namespace

Result<SnpVmm> snp_vmm(std::string_view name) {
  for (const SnpVmm vmm : {SnpVmm::kQemu, SnpVmm::kEc2, SnpVmm::kGce}) {
    if (name == to_string(vmm)) return vmm;
  }
  return fail(ErrorCode::kInvalidArgument, "image.snp.vmm_type", "this VMM is not known", "one of: qemu, ec2, gce");
}

std::string_view to_string(SnpVmm vmm) {
  switch (vmm) {
    case SnpVmm::kQemu: return "qemu";
    case SnpVmm::kEc2: return "ec2";
    case SnpVmm::kGce: return "gce";
  }
  return {};
}

Result<std::uint32_t> snp_vcpu_signature(std::string_view type) {
  for (const VcpuModel& model : kModels) {
    if (type == model.name) return cpuid_signature(model.family, model.model, model.stepping);
  }
  if (type.starts_with("0x")) {
    std::uint32_t signature = 0;
    const char* const end = type.data() + type.size();
    const auto [at, error] = std::from_chars(type.data() + 2, end, signature, 16);
    if (error == std::errc{} && at == end) return signature;
  }
  return fail(ErrorCode::kInvalidArgument, "image.snp.vcpu_type", "this type of virtual processor is not known",
              "one of: " + snp_vcpu_types() + "; or the CPUID signature itself, as in 0xa10f10");
}

std::string snp_vcpu_types() {
  std::string out;
  for (const VcpuModel& model : kModels) {
    if (!out.empty()) out += ", ";
    out += model.name;
  }
  return out;
}

Result<KernelHashes> kernel_hashes(const Eif& eif) {
  if (eif.local_only()) {
    return fail(ErrorCode::kUnsupported, "image.snp.no_kernel",
                "this image has no kernel, so no virtual machine can start it",
                "build it with a kernel: leave `kernel` out of [image], or name one there");
  }
  if (eif.arm64()) {
    return fail(ErrorCode::kUnsupported, "image.snp.architecture", "this image is for arm64; SEV-SNP is AMD's x86-64",
                "build the image for x86-64");
  }
  const ByteArray<1> zero{};
  return KernelHashes{.kernel = hash_parts(eif, {eif.kernel()}),
                      .initrd = hash_parts(eif, eif.ramdisks()),
                      .cmdline = crypto::sha256({as_bytes(eif.cmdline()), zero})};
}

crypto::Sha384 snp_firmware_digest(ByteView firmware) {
  LaunchDigest digest;
  measure_firmware(digest, firmware);
  return digest.value();
}

Result<crypto::Sha384> snp_launch_digest(const SnpLaunch& launch) {
  GATEWAY_TRY(check_vcpus(launch.vcpus));
  if ((launch.guest_features & kSnpActive) == 0) {
    return fail(ErrorCode::kInvalidArgument, "image.snp.guest_features",
                "bit 0 of the guest features (SNPActive) is not set, so this would be no SEV-SNP guest",
                "give the SEV_FEATURES that the guest runs with: 0x1, or 0x21 with DebugSwap");
  }
  GATEWAY_ASSIGN(const Ovmf ovmf, parse_ovmf(launch.firmware));
  GATEWAY_TRY(check_hash_page(launch, ovmf));
  LaunchDigest digest(launch.firmware_digest ? *launch.firmware_digest : snp_firmware_digest(launch.firmware));
  for (const OvmfSection& section : ovmf.sections) measure_section(digest, section, launch, ovmf);
  measure_late_sections(digest, launch, ovmf);
  // The RMP records a VMSA page under the highest page address of 48 bits, not under the one that it lies at.
  constexpr std::uint64_t kVmsaGpa = 0xffff'ffff'f000;
  const Sha384 first = crypto::sha384(vmsa_page(launch, kBspEip, launch.guest_features));
  const Sha384 others = crypto::sha384(vmsa_page(launch, ovmf.ap_reset_eip, launch.guest_features));
  for (unsigned i = 0; i < launch.vcpus; ++i) digest.page(PageType::kVmsa, kVmsaGpa, i == 0 ? first : others);
  return digest.value();
}

Result<crypto::Sha256> sev_launch_digest(const SnpLaunch& launch, OlderSevMode mode) {
  GATEWAY_TRY(check_vcpus(launch.vcpus));
  GATEWAY_ASSIGN(const Ovmf ovmf, parse_ovmf(launch.firmware));
  if (launch.boot && !ovmf.hash_table_gpa) return firmware_without_hashes();
  Hasher hasher(crypto::HashAlgorithm::kSha256);
  hasher.update(launch.firmware);
  if (launch.boot) hasher.update(hash_table(*launch.boot));
  for (unsigned i = 0; mode == OlderSevMode::kSevEs && i < launch.vcpus; ++i) {
    hasher.update(vmsa_page(launch, i == 0 ? kBspEip : ovmf.ap_reset_eip, 0));
  }
  return sha256_of(std::move(hasher));
}

}  // namespace gateway::image
