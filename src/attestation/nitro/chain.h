// The certificate chain of a Nitro document: which anchor, is the path sound, what do its names say.
//
// Input:  certificates of a peer, anchors of the caller. Internal to nitro/.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

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

// Least recently used goes first. The key covers every byte of the leaf and of the bundle, root included; a hit skips
// certificates and their signatures, never the anchor, the times or the document's signature.
class ChainCache {
 public:
  explicit ChainCache(std::size_t capacity) : capacity_(capacity) {}
  static crypto::Sha256 key_of(const UnverifiedDocument& document);
  std::optional<VerifiedChain> find(const crypto::Sha256& key);
  void insert(const crypto::Sha256& key, VerifiedChain chain);

 private:
  struct KeyHash {
    // The key is a SHA-256: its first bytes are as good as any other hash of it.
    std::size_t operator()(const crypto::Sha256& key) const {
      std::size_t hash = 0;
      for (std::size_t i = 0; i < sizeof hash; ++i) hash = (hash << 8U) | key.at(i);
      return hash;
    }
  };
  struct Entry {
    crypto::Sha256 key{};
    VerifiedChain chain;
  };
  const std::size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<crypto::Sha256, std::list<Entry>::iterator, KeyHash> by_key_;
};

}  // namespace gateway::attestation::nitro
