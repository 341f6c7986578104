#include "attestation/nitro/authenticate.h"

#include <algorithm>

#include "attestation/model/claims_builder.h"
#include "attestation/nitro/chain.h"

namespace gateway::attestation::nitro {
namespace {

// What a cache hit leaves to check about a chain that verified before: is its root still one that *this* caller
// trusts, and is every certificate valid *now*.
Status recheck(const VerifiedChain& chain, const crypto::Sha256& vendor_root_sha256, const Anchors& anchors, Time at,
               CheckList& checks) {
  const auto same = [&](const crypto::Certificate& root) { return crypto::sha256(root.der()) == chain.root_sha256; };
  const bool trusted =
      (chain.platform == Platform::kNitro && chain.root_sha256 == vendor_root_sha256) ||
      std::ranges::find(anchors.local_root_sha256, chain.root_sha256) != anchors.local_root_sha256.end() ||
      std::ranges::any_of(anchors.local_roots, same);
  GATEWAY_TRY(checks.require(
      trusted, ErrorCode::kNotAuthentic, "nitro.chain.anchor",
      chain.platform == Platform::kNitro ? "AWS Nitro Enclaves root G1" : "a local root that the caller named",
      "sha256:" + to_hex(chain.root_sha256),
      "this is not AWS hardware; for a local enclave that you trust name its root"));
  checks.held("nitro.chain.signature", "every certificate signed by the one above it",
              std::to_string(chain.length - 1) + " signatures, verified before");
  return checks.require(chain.validity.contains(at), ErrorCode::kExpired, "nitro.chain.validity",
                        "every certificate valid at " + to_rfc3339(at),
                        to_rfc3339(chain.validity.not_before) + " to " + to_rfc3339(chain.validity.not_after),
                        "ask for a fresh document (leaves live three hours)");
}

bool all_zero(const std::optional<ByteView>& pcr) {
  return pcr && std::ranges::all_of(*pcr, [](std::uint8_t byte) { return byte == 0; });
}

std::optional<Bytes> owned(const std::optional<ByteView>& view) {
  if (!view) return std::nullopt;
  return to_bytes(*view);
}

NitroClaims claims_of(const UnverifiedDocument& document, const VerifiedChain& chain) {
  NitroClaims claims;
  claims.module_id = std::string(document.module_id);
  claims.timestamp = document.timestamp;
  for (unsigned index = 0; index < kMaxPcrs; ++index) {
    if (const auto& pcr = document.pcrs.at(index)) claims.pcrs.emplace(index, to_bytes(*pcr));
  }
  claims.user_data = owned(document.user_data);
  claims.nonce = owned(document.nonce);
  claims.public_key = owned(document.public_key);
  claims.region = chain.region;
  claims.root_sha256 = chain.root_sha256;
  return claims;
}

Status check_document(const UnverifiedDocument& document, const VerifiedChain& chain, CheckList& checks) {
  TimeWindow window = chain.leaf_validity;
  window.not_before -= kTimestampTolerance;
  window.not_after += kTimestampTolerance;
  GATEWAY_TRY(checks.require(window.contains(document.timestamp), ErrorCode::kNotAuthentic, "nitro.chain.timestamp",
                             "a timestamp within the leaf's validity, " + to_rfc3339(chain.leaf_validity.not_before) +
                                 " to " + to_rfc3339(chain.leaf_validity.not_after),
                             to_rfc3339(document.timestamp), "do not trust this document; ask for a fresh one"));
  const bool signed_by_leaf = crypto::verify_cose_sign1(document.envelope, chain.leaf_key).has_value();
  return checks.require(signed_by_leaf, ErrorCode::kNotAuthentic, "nitro.signature",
                        "an ES384 signature by the leaf's key", signed_by_leaf ? "it verifies" : "it does not verify",
                        "the document was changed after it was signed; do not trust it");
}

}  // namespace

Result<Claims> dangerous_authenticate_with_vendor_root(const UnverifiedDocument& document,
                                                       const crypto::Certificate& vendor_root,
                                                       const crypto::Sha256& vendor_root_sha256, const Anchors& anchors,
                                                       Time at, ChainCache* cache, CheckList* given) {
  CheckList own;
  CheckList& checks = given != nullptr ? *given : own;
  const crypto::Sha256 key = cache != nullptr ? ChainCache::key_of(document) : crypto::Sha256{};
  std::optional<VerifiedChain> chain = cache != nullptr ? cache->find(key) : std::nullopt;
  const bool cached = chain.has_value();
  if (cached) {
    GATEWAY_TRY(recheck(*chain, vendor_root_sha256, anchors, at, checks));
  } else {
    GATEWAY_ASSIGN(chain, verify_chain(document, vendor_root, vendor_root_sha256, anchors, at, checks));
  }
  GATEWAY_TRY(check_document(document, *chain, checks));
  if (cache != nullptr && !cached) cache->insert(key, *chain);

  ClaimsBuilder builder(chain->platform);
  builder.debug(all_zero(document.pcrs[0]) && all_zero(document.pcrs[1]) && all_zero(document.pcrs[2]))
      .validity(chain->validity)
      .fields(claims_of(document, *chain))
      .checks(given != nullptr ? given->lines() : std::move(own).take());
  return std::move(builder).build();
}

Result<Claims> authenticate(const UnverifiedDocument& document, const Anchors& anchors, Time at, ChainCache* cache,
                            CheckList* checks) {
  return dangerous_authenticate_with_vendor_root(document, aws_root(), kAwsRootSha256, anchors, at, cache, checks);
}

}  // namespace gateway::attestation::nitro
