// Which TCB level a platform matches, and what Intel says of it.
//
// Input:  collateral whose signatures were verified, SVNs of an authenticated PCK certificate and quote.
// Output: a verdict in Intel's words; nothing is accepted or refused here but a TDX module that is not Intel's.
// Spec:   Intel PCS API v4, "Determining the TCB status"; Intel SGX DCAP QVL, EvaluateTCB (SGX, TDX) and the check for
//         a TD relaunch.
// Errors: kNotAuthentic dcap.tdx_module.mrsigner, dcap.tdx_module.attributes
#pragma once

#include "attestation/dcap/qe_identity.h"
#include "attestation/dcap/tcb_info.h"

namespace gateway::attestation::dcap {

struct PlatformSvns {
  ByteArray<16> sgx_components{};              // PCK certificate
  std::uint16_t pce_svn = 0;                   // PCK certificate
  std::optional<ByteArray<16>> tee_tcb_svn;    // TDX: what the TD was launched under
  std::optional<ByteArray<16>> tee_tcb_svn_2;  // TDX 1.5: what runs now
  std::uint16_t qe_isv_svn = 0;
};

struct TcbVerdict {
  TcbStatus status = TcbStatus::kNotSupported;
  std::vector<std::string> advisories;                // of all matching levels, sorted, each once
  std::optional<Time> date;                           // the earliest of the matching levels'
  std::optional<TcbStatus> platform, tdx_module, qe;  // before they were merged; absent: none matches, or not asked
};

// `qe` may be null: the status is then the platform's (and the TDX module's) alone.
TcbVerdict evaluate_tcb(const TcbInfo& info, const QeIdentity* qe, const PlatformSvns& svns);

// Intel's merging of a platform's status with that of a component (TDX module, QE).
TcbStatus merge(TcbStatus platform, TcbStatus component);

// Whether the TDX module was signed by whom the TCB info names and runs with the attributes that it names. A module
// version that the TCB info does not know is no refusal: it matches no level.
Status check_tdx_module(const TdxClaims& report, const TcbInfo& info, CheckList& checks);

}  // namespace gateway::attestation::dcap
