// SEV-SNP evidence: authenticity. Signature by a VCEK or VLEK that AMD issued for this chip (or provider) and this TCB,
// chain to the pinned ARK of the product, every certificate valid at `at`, nothing revoked.
//
// Input:  an UnverifiedEvidence, collateral and time as arguments; no clock, no I/O.
// Output: Claims of platform snp. revocation() is kChecked when a current list of the ARK's was given.
// Bounds: kMaxAttempts endorsements are tried by signature, however many the collateral holds.
// Spec:   AMD 56860 (attestation), AMD 57230 (VCEK, VLEK and their chains), RFC 5280 §6.
// Errors: kUnavailable snp.endorsement_missing; kMalformed snp.table.certificate, snp.endorsement.format;
//         kNotAuthentic snp.endorsement.{kind,product,hwid,tcb}, snp.signature, snp.chain.{anchor,signature,name,
//         not_ca,key_usage,path_length,revoked,unsupported}; kExpired snp.chain.validity;
//         kMalformed snp.report.reserved_not_zero
#pragma once

#include <memory>

#include "attestation/collateral/collateral.h"
#include "attestation/model/claims.h"
#include "attestation/snp/evidence.h"

namespace gateway::attestation::snp {

inline constexpr std::size_t kMaxAttempts = 8;

// Remembers chains and revocation lists that verified, so that a second report of the same key costs one signature.
// Bounded; dates, roots and revocation are judged on every use. Safe for concurrent use.
class ChainCache;
std::shared_ptr<ChainCache> make_chain_cache(std::size_t capacity = 256);

// Leaves one line per check in `checks`, when given; claims.checks() then starts with the lines that were in it.
Result<Claims> authenticate(const UnverifiedEvidence& evidence, const Collateral& collateral, Time at,
                            ChainCache* cache = nullptr, CheckList* checks = nullptr);

}  // namespace gateway::attestation::snp
