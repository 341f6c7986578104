#include "attestation/appraisal/reference_values.h"

#include <array>

namespace gateway::attestation {
namespace {

constexpr std::array<SnpPolicyBit, 7> kPolicyBits{{{"smt", &SnpPolicy::smt},
                                                   {"single_socket", &SnpPolicy::single_socket},
                                                   {"cxl_allow", &SnpPolicy::cxl_allow},
                                                   {"mem_aes_256_xts", &SnpPolicy::mem_aes_256_xts},
                                                   {"rapl_dis", &SnpPolicy::rapl_dis},
                                                   {"ciphertext_hiding_dram", &SnpPolicy::ciphertext_hiding_dram},
                                                   {"page_swap_disable", &SnpPolicy::page_swap_disable}}};

constexpr std::array<SnpPlatformBit, 8> kPlatformBits{
    {{"smt_en", &SnpPlatformInfo::smt_en},
     {"tsme_en", &SnpPlatformInfo::tsme_en},
     {"ecc_en", &SnpPlatformInfo::ecc_en},
     {"rapl_dis", &SnpPlatformInfo::rapl_dis},
     {"ciphertext_hiding_dram_en", &SnpPlatformInfo::ciphertext_hiding_dram_en},
     {"alias_check_complete", &SnpPlatformInfo::alias_check_complete},
     {"iommu_write_safe", &SnpPlatformInfo::iommu_write_safe},
     {"tio_en", &SnpPlatformInfo::tio_en}}};

using Register = const ByteArray<48>*;
template <std::size_t I>
Register rtmr(const TdxClaims& claims) {
  return &std::get<I>(claims.rtmr);
}
constexpr std::array<TdxRegister, 11> kRegisters{
    {{"mr_td", [](const TdxClaims& claims) -> Register { return &claims.mr_td; }},
     {"rtmr0", rtmr<0>},
     {"rtmr1", rtmr<1>},
     {"rtmr2", rtmr<2>},
     {"rtmr3", rtmr<3>},
     {"mr_seam", [](const TdxClaims& claims) -> Register { return &claims.mr_seam; }},
     {"mr_signer_seam", [](const TdxClaims& claims) -> Register { return &claims.mr_signer_seam; }},
     {"mr_config_id", [](const TdxClaims& claims) -> Register { return &claims.mr_config_id; }},
     {"mr_owner", [](const TdxClaims& claims) -> Register { return &claims.mr_owner; }},
     {"mr_owner_config", [](const TdxClaims& claims) -> Register { return &claims.mr_owner_config; }},
     {"mr_service_td",
      [](const TdxClaims& claims) -> Register { return claims.mr_service_td ? &*claims.mr_service_td : nullptr; }}}};

}  // namespace

std::span<const SnpPolicyBit> snp_policy_bits() { return kPolicyBits; }
std::span<const SnpPlatformBit> snp_platform_bits() { return kPlatformBits; }
std::span<const TdxRegister> tdx_registers() { return kRegisters; }

}  // namespace gateway::attestation
