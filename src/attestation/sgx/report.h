// The body of an Intel SGX report, of an application's enclave and of the quoting enclave alike: bytes to fields.
//
// Input:  untrusted, out of a quote.
// Output: SgxReportBody: what the bytes say, nothing more.
// Bounds: exactly kReportBodySize bytes; never allocates.
// Spec:   Intel SDM vol. 3D §39.15 (REPORT); Intel SGX ECDSA QuoteLibReference, Enclave Report Body.
// Errors: kMalformed sgx.report.size, sgx.report.reserved_not_zero
#pragma once

#include "attestation/model/dcap_claims.h"
#include "base/result.h"

namespace gateway::attestation::sgx {

inline constexpr std::size_t kReportBodySize = 384;

Result<SgxReportBody> parse_report_body(ByteView bytes);

// ATTRIBUTES.FLAGS.DEBUG: the host can read and write the enclave.
bool is_debug(const SgxReportBody& report);

}  // namespace gateway::attestation::sgx
