// The certificate chain of a Nitro document: which anchor, is the path sound, what do its names say.
//
// Input:  certificates of a peer, anchors of the caller. Internal to nitro/.
#pragma once

#include <optional>
#include <string>

#include "attestation/model/digest_cache.h"
#include "attestation/nitro/authenticate.h"

namespace gateway::attestation::nitro {

struct VerifiedChain {
  Platform platform = Platform::kLocal;
  crypto::Sha256 root_sha256{};
  TimeWindow validity;       // intersection of the whole path
  TimeWindow leaf_validity;  // of the document's own certificate
  std::optional<std::string> region;
  std::size_t length = 0;  // certificates, anchor counted
  crypto::PublicKey leaf_key;
};

// Everything but the document's own signature. `vendor_root` is AWS's; only tests give another.
Result<VerifiedChain> verify_chain(const UnverifiedDocument& document, const crypto::Certificate& vendor_root,
                                   const crypto::Sha256& vendor_root_sha256, const Anchors& anchors, Time at,
                                   CheckList& checks);

// authenticate() with the vendor's root as an argument, so that tests reach platform nitro without AWS's keys.
// Whoever calls this outside tests lets another root speak for Nitro.
Result<Claims> dangerous_authenticate_with_vendor_root(const UnverifiedDocument& document,
                                                       const crypto::Certificate& vendor_root,
                                                       const crypto::Sha256& vendor_root_sha256, const Anchors& anchors,
                                                       Time at, ChainCache* cache, CheckList* checks);

// "eu-central-1" out of "i-0….eu-central-1.aws.nitro-enclaves"; nullopt when the name is not of that form.
std::optional<std::string> region_of(std::string_view common_name);

// The key covers every byte of the leaf and of the bundle, root included.
class ChainCache : public DigestCache<VerifiedChain> {
 public:
  using DigestCache::DigestCache;
  static crypto::Sha256 key_of(const UnverifiedDocument& document);
};

}  // namespace gateway::attestation::nitro
