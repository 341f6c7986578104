// Fields of an AMD SEV-SNP ATTESTATION_REPORT that was authenticated.
//
// Spec: AMD 56860 (SEV-SNP firmware ABI), ATTESTATION_REPORT and TCB_VERSION; the fields keep AMD's names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace gateway::attestation {

enum class SnpProduct : std::uint8_t { kMilan, kGenoa, kTurin };
std::string_view to_string(SnpProduct product);  // "Milan", "Genoa", "Turin"

enum class SnpSigningKey : std::uint8_t { kVcek, kVlek };
std::string_view to_string(SnpSigningKey key);  // "vcek", "vlek"

// TCB_VERSION, component by component: they are compared one by one, never as one number.
struct SnpTcb {
  std::optional<std::uint8_t> fmc;  // Turin and later
  std::uint8_t boot_loader = 0;
  std::uint8_t tee = 0;
  std::uint8_t snp = 0;
  std::uint8_t microcode = 0;
  std::uint64_t raw = 0;
  friend bool operator==(const SnpTcb&, const SnpTcb&) = default;
};

struct SnpPolicy {  // GUEST_POLICY
  std::uint8_t abi_minor = 0;
  std::uint8_t abi_major = 0;
  bool smt = false;
  bool migrate_ma = false;
  bool debug = false;
  bool single_socket = false;
  bool cxl_allow = false;
  bool mem_aes_256_xts = false;
  bool rapl_dis = false;
  bool ciphertext_hiding_dram = false;
  bool page_swap_disable = false;
  std::uint64_t raw = 0;
};

struct SnpPlatformInfo {  // PLATFORM_INFO
  bool smt_en = false;
  bool tsme_en = false;
  bool ecc_en = false;
  bool rapl_dis = false;
  bool ciphertext_hiding_dram_en = false;
  bool alias_check_complete = false;
  bool iommu_write_safe = false;
  bool tio_en = false;
  std::uint64_t raw = 0;
};

struct SnpVersion {  // firmware: CURRENT_ and COMMITTED_ MAJOR, MINOR, BUILD
  std::uint8_t major = 0, minor = 0, build = 0;
};

// What Azure's vTPM signed beside the report, by the key that the runtime data names.
struct SnpVtpm {
  Bytes nonce;                     // the quote's extraData: what a verifier asked for
  std::map<unsigned, Bytes> pcrs;  // SHA-256 bank
};

struct SnpClaims {
  std::uint32_t version = 0;
  SnpProduct product{};
  SnpSigningKey signing_key{};
  std::uint32_t guest_svn = 0;
  SnpPolicy policy;
  ByteArray<16> family_id{};
  ByteArray<16> image_id{};
  std::uint32_t vmpl = 0;
  SnpPlatformInfo platform_info;
  bool author_key_en = false;
  bool mask_chip_key = false;
  ByteArray<64> report_data{};
  ByteArray<48> measurement{};
  ByteArray<32> host_data{};
  ByteArray<48> id_key_digest{};
  ByteArray<48> author_key_digest{};
  ByteArray<32> report_id{};
  ByteArray<32> report_id_ma{};
  ByteArray<64> chip_id{};  // Turin: 8 bytes, then zeros; all zero when masked
  SnpTcb current_tcb, reported_tcb, committed_tcb, launch_tcb;
  SnpVersion current_version, committed_version;
  std::optional<std::uint8_t> cpuid_family, cpuid_model, cpuid_stepping;  // version 3 and later
  std::optional<std::uint64_t> launch_mitigations, current_mitigations;   // version 5 and later
  std::optional<std::string> csp_id;  // VLEK: the cloud provider to whom AMD lent the key, from its certificate
  // Azure's paravisor (HCL): the JSON whose hash report_data is: the vTPM's keys, the VM's configuration, user-data.
  std::optional<Bytes> runtime_data;
  std::optional<SnpVtpm> vtpm;
};

}  // namespace gateway::attestation
