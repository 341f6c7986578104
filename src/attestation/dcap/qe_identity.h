// Intel's quoting enclave identity, version 2 (QE for SGX, TD_QE for TDX): strict JSON to fields, and a QE held to it.
//
// Input:  untrusted; a file as Intel's PCS serves it.
// Output: QeIdentity: what it says, nothing more.
// Bounds: those of signed_json.h.
// Spec:   Intel PCS API v4, "Get Quoting Enclave Identity"; Intel SGX DCAP QVL, "Verify QE Identity". The quote
//         verification enclave's identity (QVE) is read like the others and matches no quote. Version 1 is refused.
// Errors: kMalformed dcap.qe_identity.json, dcap.qe_identity.field; kLimitExceeded dcap.qe_identity.limit;
//         kUnsupported dcap.qe_identity.version;
//         kNotAuthentic dcap.qe_identity.{miscselect,attributes,mrsigner,isvprodid}
#pragma once

#include "attestation/dcap/signed_json.h"
#include "attestation/model/check.h"
#include "attestation/model/dcap_claims.h"

namespace gateway::attestation::dcap {

enum class QeKind : std::uint8_t { kQe, kTdQe, kQve };

struct QeIdentity {
  QeKind kind{};
  TimeWindow window;  // issueDate to nextUpdate
  std::uint32_t evaluation_number = 0;
  ByteArray<4> misc_select{}, misc_select_mask{};  // in the byte order of the report
  ByteArray<16> attributes{}, attributes_mask{};
  ByteArray<32> mr_signer{};
  std::uint16_t isv_prod_id = 0;
  std::vector<IsvLevel> levels;  // in the order of the document
  SignedBody signed_body;
};

Result<QeIdentity> parse_qe_identity(ByteView file);

// Whether the report is one of the enclave that the identity describes. Its SVN is judged with the platform's TCB.
Status check_qe(const SgxReportBody& qe, const QeIdentity& identity, CheckList& checks);

}  // namespace gateway::attestation::dcap
