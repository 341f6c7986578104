// SEV-SNP launch digests, computed without a TEE: what MEASUREMENT of a guest's report will be.
//
// Input:  the firmware file and the boot parts, untrusted; the processors and the VMM, which the operator knows.
// Output: the digest of exactly this launch. Nothing here says that the firmware or the image is good.
// Bounds: parse_ovmf()'s; kSnpMaxVcpus. Constant memory: firmware and parts are mapped and read once, page by page.
// Spec:   AMD 56860 (SEV-SNP firmware ABI), SNP_LAUNCH_UPDATE and PAGE_INFO; AMD 24593 (APM 2) table B-4 (VMSA); QEMU
//         target/i386/sev.c (order of pages, table of kernel hashes), x86 processor models.
// Errors: those of parse_ovmf(); kInvalidArgument image.snp.vcpus, .vcpu_type, .guest_features, .vmm_type;
//         kUnsupported image.snp.kernel_hashes, .no_kernel, .architecture
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/hash.h"
#include "image/eif.h"
#include "image/ovmf.h"

namespace gateway::image {

inline constexpr unsigned kSnpMaxVcpus = 4096;  // KVM's own limit
inline constexpr std::uint64_t kSnpActive =
    1;  // SEV_FEATURES bit 0; what Linux and QEMU set when nothing else is asked

// The VMMs differ in the registers that a processor starts with, and in which pages they measure.
enum class SnpVmm : std::uint8_t { kQemu, kEc2, kGce };
Result<SnpVmm> snp_vmm(std::string_view name);  // "qemu", "ec2", "gce"
std::string_view to_string(SnpVmm vmm);

// CPUID Fn0000_0001_EAX of one of QEMU's EPYC models, or a signature written as 0x….
Result<std::uint32_t> snp_vcpu_signature(std::string_view type);
std::string snp_vcpu_types();  // all names, for messages and help

// What the firmware compares the kernel, initrd and command line with that it is given through fw_cfg.
struct KernelHashes {
  crypto::Sha256 kernel{};
  crypto::Sha256 initrd{};
  crypto::Sha256 cmdline{};  // over the text and its terminating zero byte
};
// The initrd is the concatenation of the image's ramdisks in their order, as the kernel unpacks them.
Result<KernelHashes> kernel_hashes(const Eif& eif);

struct SnpLaunch {
  ByteView firmware;
  std::optional<KernelHashes> boot;  // absent: the firmware finds what it boots by itself, unmeasured
  unsigned vcpus = 1;
  std::uint32_t vcpu_signature = 0;  // EC2 and GCE do not use it
  SnpVmm vmm = SnpVmm::kQemu;
  std::uint64_t guest_features = kSnpActive;        // SEV_FEATURES of every processor
  std::optional<crypto::Sha384> firmware_digest{};  // known from elsewhere: then only the firmware's tables are read
};
Result<crypto::Sha384> snp_launch_digest(const SnpLaunch& launch);

// The digest after the firmware's pages and nothing else: what can be published with a firmware release.
crypto::Sha384 snp_firmware_digest(ByteView firmware);

// The launch digest of the older modes, which share the table of kernel hashes and the processors' pages: SHA-256
// over the firmware, the table and (SEV-ES) the processors. Their evidence is not accepted by any verifier here.
enum class OlderSevMode : std::uint8_t { kSev, kSevEs };
Result<crypto::Sha256> sev_launch_digest(const SnpLaunch& launch, OlderSevMode mode);

}  // namespace gateway::image
