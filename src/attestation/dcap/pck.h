// The SGX extensions of a PCK certificate (1.2.840.113741.1.13.1): bytes to fields.
//
// Input:  the extension's value, of a certificate that may not be authentic yet.
// Output: what it says, nothing more.
// Bounds: never allocates; every field once, each of its exact size; unknown fields are refused.
// Spec:   Intel SGX PCK Certificate and CRL Profile Specification, §1.3.5.
// Errors: kMalformed dcap.pck.extension
#pragma once

#include "attestation/model/dcap_claims.h"
#include "base/bytes.h"

namespace gateway::attestation::dcap {

inline constexpr const char* kSgxExtensionOid = "1.2.840.113741.1.13.1";

struct PckExtensions {
  ByteArray<16> ppid{};
  ByteArray<16> tcb_components{};
  std::uint16_t pce_svn = 0;
  ByteArray<16> cpu_svn{};
  ByteArray<2> pce_id{};
  ByteArray<6> fmspc{};
  DcapSgxType sgx_type{};
  std::optional<ByteArray<16>> platform_instance_id;  // certificates of the Platform CA
  std::optional<DcapConfiguration> configuration;     // likewise
};

Result<PckExtensions> parse_pck_extensions(ByteView value);

}  // namespace gateway::attestation::dcap
