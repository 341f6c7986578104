// Reference values of an appraisal policy, platform by platform: what claims are compared with.
//
// An absent optional is not judged; Policy::parse refuses entries whose decisive values are absent, and appraise()
// refuses them once more. Names are those of the claims (attestation/model/*_claims.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/model/dcap_claims.h"
#include "attestation/model/snp_claims.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace gateway::attestation {

// Bits that must be set and bits that must be clear, in the byte order of the claim.
template <std::size_t N>
struct BitRules {
  ByteArray<N> required{};
  ByteArray<N> forbidden{};
};

// The lowest TCB_VERSION accepted, component by component. `fmc` exists on Turin and later, and then must be given.
struct SnpTcbFloor {
  std::optional<std::uint8_t> fmc;
  std::uint8_t boot_loader = 0, tee = 0, snp = 0, microcode = 0;
};

// What is demanded of the platform's TCB. Grace windows hold a second, weaker set of the same.
struct TcbRules {
  std::optional<SnpTcbFloor> min_tcb;                  // snp, of reported_tcb: what the VCEK or VLEK vouches for
  std::optional<SnpTcbFloor> min_committed_tcb;        // snp: what the firmware can never be rolled back below
  std::optional<SnpTcbFloor> min_launch_tcb;           // snp: what the guest was launched under
  std::optional<std::uint32_t> min_evaluation_number;  // tdx, sgx
  std::vector<std::string> statuses;                   // tdx, sgx; Intel's words
  std::vector<std::string> advisories_allowed;         // tdx, sgx; judged with every status but "UpToDate"
  bool insecure_any_advisory = false;
};

struct GraceWindow {
  Time until;      // the last moment of it
  TcbRules rules;  // complete: what the file left out is the entry's own
};

struct SnpReference {
  std::optional<ByteArray<48>> measurement;  // required
  std::uint32_t vmpl = 0;
  std::optional<SnpProduct> product;
  std::optional<SnpSigningKey> signing_key;
  std::optional<std::string> csp_id;                       // of a VLEK: the provider to whom AMD lent it
  std::optional<SnpVersion> min_abi;                       // of GUEST_POLICY: major and minor
  std::map<std::string, bool, std::less<>> policy;         // GUEST_POLICY's bits by AMD's names
  std::map<std::string, bool, std::less<>> platform_info;  // PLATFORM_INFO's bits by AMD's names
  std::uint32_t min_guest_svn = 0;
  std::optional<ByteArray<32>> host_data;
  std::optional<ByteArray<16>> family_id, image_id;
  std::optional<ByteArray<48>> id_key_digest, author_key_digest;
  std::vector<ByteArray<64>> chip_ids;  // empty: any
};

struct TdxReference {
  std::map<std::string, ByteArray<48>, std::less<>> measurements;  // by the claims' names: mr_td, rtmr0, …
  bool insecure_partial_measurements = false;                      // rtmr0–2 may be left out
  BitRules<8> td_attributes, xfam;
  std::vector<ByteArray<6>> fmspcs;  // empty: any
  std::vector<ByteArray<16>> ppids;  // empty: any
};

struct SgxReference {
  std::optional<ByteArray<32>> mr_enclave;  // this, or the three below
  std::optional<ByteArray<32>> mr_signer;
  std::optional<std::uint16_t> isv_prod_id, min_isv_svn;
  BitRules<16> attributes;
  std::optional<ByteArray<64>> config_id;
  std::optional<std::uint16_t> min_config_svn;
  std::optional<ByteArray<16>> isv_ext_prod_id, isv_family_id;
  std::vector<ByteArray<6>> fmspcs;
  std::vector<ByteArray<16>> ppids;
};

// One name each for the bits of GUEST_POLICY and PLATFORM_INFO that a policy can fix, for reader and judge alike.
struct SnpPolicyBit {
  std::string_view name;
  bool SnpPolicy::* bit;
};
struct SnpPlatformBit {
  std::string_view name;
  bool SnpPlatformInfo::* bit;
};
std::span<const SnpPolicyBit> snp_policy_bits();  // debug and migrate_ma have keys of their own
std::span<const SnpPlatformBit> snp_platform_bits();

// Likewise the 48-byte registers of a TD.
struct TdxRegister {
  std::string_view name;
  const ByteArray<48>* (*of)(const TdxClaims& claims);  // nullptr: this quote has none
};
std::span<const TdxRegister> tdx_registers();

}  // namespace gateway::attestation
