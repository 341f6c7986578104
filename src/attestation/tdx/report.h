// The body of an Intel TDX report as quotes carry it: bytes to fields.
//
// Input:  untrusted, out of a quote.
// Output: TdxClaims without its platform: what the bytes say, nothing more.
// Bounds: exactly kReport10Size (TDX 1.0) or kReport15Size (TDX 1.5) bytes; never allocates.
// Spec:   Intel TDX DCAP Quoting Library API, appendix A.3 (TD Quote Body); Intel TDX Module ABI, TDINFO, ATTRIBUTES.
// Errors: kMalformed tdx.report.size
#pragma once

#include "attestation/model/dcap_claims.h"
#include "base/result.h"

namespace gateway::attestation::tdx {

inline constexpr std::size_t kReport10Size = 584;
inline constexpr std::size_t kReport15Size = 648;

Result<TdxClaims> parse_report_body(ByteView bytes);

// ATTRIBUTES.TUD: any of its eight bits makes the TD untrusted (DEBUG is the first, the others are profiling and
// reserved).
bool is_debug(const TdxClaims& report);

}  // namespace gateway::attestation::tdx
