// DCAP quotes: authenticity, and Intel's judgement of the platform's TCB.
//
// Quote signature by the attestation key; attestation key bound by the QE's report; QE report signed by the PCK; PCK
// chain to Intel's pinned root key, every certificate valid at `at`, none revoked by a current list among the
// collateral; the QE and the TDX module as Intel's collateral describes them, where it is given.
//
// Input:  an UnverifiedQuote; collateral, time and root as arguments; no clock, no I/O.
// Output: Claims of platform tdx or sgx. The TCB's status is reported, never judged here: "Unknown" without TCB data
//         that applies, "NotSupported" below every level.
// Spec:   Intel SGX ECDSA QuoteLibReference and Intel TDX DCAP Quoting Library API, quote verification; Intel PCS API.
// Errors: those of chain.h, qe_identity.h and tcb_level.h; kNotAuthentic dcap.revoked.{intermediate,pck},
//         dcap.qe_report.{binding,signature}, dcap.quote.{attestation_key,signature}
#pragma once

#include <memory>

#include "attestation/collateral/collateral.h"
#include "attestation/dcap/quote.h"
#include "attestation/dcap/roots.h"
#include "attestation/model/claims.h"

namespace gateway::attestation::dcap {

// Remembers chains and collateral that verified, so that the next quote of the same platform costs two signatures.
// Bounded; dates, anchors and revocation are judged on every use. Safe for concurrent use.
class Cache;
std::shared_ptr<Cache> make_cache(std::size_t chains = 256);

// Leaves one line per check in `checks`, when given; claims.checks() then starts with the lines that were in it.
Result<Claims> authenticate(const UnverifiedQuote& quote, const Collateral& collateral, Time at, Cache* cache = nullptr,
                            CheckList* checks = nullptr);

// authenticate() with the vendor's root as an argument, so that tests reach these platforms without Intel's keys.
// Whoever calls this outside tests lets another root speak for Intel.
Result<Claims> dangerous_authenticate_with_vendor_root(const UnverifiedQuote& quote, const crypto::Certificate& root,
                                                       const Collateral& collateral, Time at, Cache* cache,
                                                       CheckList* checks);

}  // namespace gateway::attestation::dcap
