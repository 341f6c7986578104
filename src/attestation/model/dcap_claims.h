// Fields of Intel DCAP quotes that were authenticated, and Intel's judgement of the platform's TCB.
//
// Spec: Intel SGX ECDSA QuoteLibReference (quote v3), Intel TDX DCAP Quoting Library API (quote v4, v5), Intel PCS API
//       (TCB info, QE identity). Fields keep Intel's names in snake_case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace gateway::attestation {

enum class DcapSgxType : std::uint8_t { kStandard, kScalable, kScalableWithIntegrity };

struct DcapConfiguration {  // of the PCK certificates of the Platform CA; absent fields are not stated
  std::optional<bool> dynamic_platform, cached_keys, smt_enabled;
};

// What the platform's PCK certificate says, and the quote's header: common to SGX and TDX.
struct DcapPlatform {
  std::uint16_t quote_version = 0;  // 3, 4, 5
  std::uint16_t qe_svn = 0;         // quote header, v3
  std::uint16_t pce_svn_header = 0;
  ByteArray<16> qe_vendor_id{};
  ByteArray<6> fmspc{};
  ByteArray<2> pce_id{};
  ByteArray<16> ppid{};
  ByteArray<16> cpu_svn{};
  std::uint16_t pce_svn = 0;
  ByteArray<16> sgx_tcb_components{};
  std::string pck_ca;  // "processor" or "platform", from the certificate's issuer
  DcapSgxType sgx_type{};
  std::optional<ByteArray<16>> platform_instance_id;
  std::optional<DcapConfiguration> configuration;
  std::uint16_t qe_isv_svn = 0;
};

// The body of an SGX report (Intel SDM, REPORT), of the enclave and of the quoting enclave alike.
struct SgxReportBody {
  ByteArray<16> cpu_svn{};
  std::uint32_t misc_select = 0;
  ByteArray<16> isv_ext_prod_id{};
  ByteArray<16> attributes{};  // flags (8 bytes, little-endian), XFRM
  ByteArray<32> mr_enclave{};
  ByteArray<32> mr_signer{};
  ByteArray<64> config_id{};
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  std::uint16_t config_svn = 0;
  ByteArray<16> isv_family_id{};
  ByteArray<64> report_data{};
};

struct SgxClaims {
  DcapPlatform platform;
  SgxReportBody report;
};

struct TdxClaims {
  DcapPlatform platform;
  ByteArray<16> tee_tcb_svn{};
  ByteArray<48> mr_seam{};
  ByteArray<48> mr_signer_seam{};
  ByteArray<8> seam_attributes{};
  ByteArray<8> td_attributes{};
  ByteArray<8> xfam{};
  ByteArray<48> mr_td{};
  ByteArray<48> mr_config_id{};
  ByteArray<48> mr_owner{};
  ByteArray<48> mr_owner_config{};
  std::array<ByteArray<48>, 4> rtmr{};
  ByteArray<64> report_data{};
  std::optional<ByteArray<16>> tee_tcb_svn_2;  // TDX 1.5
  std::optional<ByteArray<48>> mr_service_td;  // TDX 1.5
};

// Intel's judgement. `status` in Intel's words: "UpToDate", "SWHardeningNeeded", …; "NotSupported": no TCB level
// matches; "Unknown": no TCB data was given, or none that applies.
struct TcbStatement {
  std::string status = "Unknown";
  std::vector<std::string> advisories;             // sorted, each once
  std::optional<std::uint32_t> evaluation_number;  // the lower one of TCB info's and QE identity's
  std::optional<Time> tcb_date;                    // the earliest of the matching levels'
  std::optional<Time> next_update;                 // the earlier one of the two documents'
  // The parts before Intel's rules merged them. Absent: no level matches, or there is no such part. `qe_status` is also
  // absent where no QE identity applies: `status` then says nothing of the quoting enclave.
  std::optional<std::string> platform_status, tdx_module_status, qe_status;
};

}  // namespace gateway::attestation
