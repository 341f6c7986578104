// Nitro documents: authenticity. Signature by the leaf, chain to a pinned root, every certificate valid at `at`.
//
// Input:  an UnverifiedDocument and the trust anchors as arguments; no clock, no I/O.
// Output: Claims. A chain that ends in AWS's pinned root is platform nitro; one that ends in another anchor that the
//         caller named is platform local, never nitro (docs/trust.md §4).
// Spec:   AWS Nitro Enclaves attestation process (validation), RFC 5280 §6.1.
// Errors: kNotAuthentic nitro.chain.{anchor,certificate,name,signature,not_ca,key_usage,path_length,key,leaf_usage,
//         timestamp,unsupported}, nitro.signature; kExpired nitro.chain.validity
#pragma once

#include <memory>
#include <span>

#include "attestation/model/claims.h"
#include "attestation/nitro/document.h"
#include "attestation/nitro/roots.h"
#include "crypto/x509.h"

namespace gateway::attestation::nitro {

struct Anchors {
  // Roots of virtual NSMs that the caller trusts for platform local; AWS's root is always known and cannot be
  // replaced or named here.
  std::vector<crypto::Certificate> local_roots;
  // For policies that pin a local root by its hash and find the certificate in the document's own cabundle[0].
  std::vector<ByteArray<32>> local_root_sha256;
};

// Remembers chains that verified (by hash of leaf and bundle), so that a second document of the same chain costs one
// signature. Bounded; validity is checked on every use. Safe for concurrent use.
class ChainCache;
std::shared_ptr<ChainCache> make_chain_cache(std::size_t capacity = 256);

// The leaf's key signs documents while the leaf is valid; hypervisors back-date leaves by three seconds, clocks of two
// machines differ by less than this.
inline constexpr Duration kTimestampTolerance = std::chrono::minutes(1);

// Leaves one line per check in `checks`, when given; claims.checks() then starts with the lines that were in it.
Result<Claims> authenticate(const UnverifiedDocument& document, const Anchors& anchors, Time at,
                            ChainCache* cache = nullptr, CheckList* checks = nullptr);

}  // namespace gateway::attestation::nitro
