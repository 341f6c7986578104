// The chain above a report's key: VCEK ← ASK ← ARK or VLEK ← ASVK ← ARK, and the revocation lists that speak of it.
//
// Input:  certificates and lists of a peer or of the caller's folder; roots of the caller. Internal to snp/.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "attestation/collateral/collateral.h"
#include "attestation/model/claims.h"
#include "attestation/model/digest_cache.h"
#include "attestation/snp/authenticate.h"
#include "attestation/snp/endorsement.h"
#include "attestation/snp/roots.h"

namespace gateway::attestation::snp {

// A fact that stays true whoever asks: this leaf chains to the root of this hash. Whether the caller trusts that root,
// the dates and the lists are judged on every use.
struct VerifiedChain {
  Endorsement endorsement;
  crypto::Certificate leaf;
  crypto::Certificate intermediate;
  crypto::Sha256 ark_sha256{};
  TimeWindow validity;  // intersection of the whole path
};

// Chains by the SHA-256 of the leaf; lists by that of list and issuer.
class ChainCache {
 public:
  explicit ChainCache(std::size_t capacity) : chains(capacity), lists(capacity) {}
  DigestCache<VerifiedChain> chains;
  DigestCache<std::monostate> lists;
};

// What a caller gave beside the evidence, and what the evidence brought along.
struct Sources {
  const CertificateTable& table;
  const Collateral& collateral;
};

// Signatures, names, constraints and dates of the path. The intermediate is the built-in one or, if that did not issue
// the leaf, one of the sources'.
Result<VerifiedChain> verify_chain(const crypto::Certificate& leaf, const Endorsement& endorsement,
                                   const ProductRoots& roots, const Sources& sources, Time at, CheckList& checks);

// What is left to judge about a chain that verified before.
Status recheck_chain(const VerifiedChain& chain, const ProductRoots& roots, Time at, CheckList& checks);

// Refuses a chain of which an authentic, current list says that it is revoked. kChecked when such a list of the root's
// was there, otherwise kUnknown.
Result<Revocation> check_revocation(const VerifiedChain& chain, const ProductRoots& roots, const Sources& sources,
                                    Time at, ChainCache* cache, CheckList& checks);

// The root that came with the evidence is AMD's, or none came.
Status check_root(const CertificateTable& table, const ProductRoots& roots, CheckList& checks);

// authenticate() with the vendor's roots as an argument, so that tests reach platform snp without AMD's keys. Whoever
// calls this outside tests lets another root speak for AMD.
Result<Claims> dangerous_authenticate_with_vendor_roots(const UnverifiedEvidence& evidence,
                                                        const Collateral& collateral, const VendorRoots& roots, Time at,
                                                        ChainCache* cache, CheckList* checks);

}  // namespace gateway::attestation::snp
