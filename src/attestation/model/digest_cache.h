// What was verified once, by the digest of all bytes that went into it, so that it need not be verified again.
//
// Bounded; least recently used goes first. Whoever uses it hashes every byte that the value depends on into the key
// and judges times on every use: a hit skips signatures, never the anchor, the dates or the evidence's own signature.
// Safe for concurrent use; the lock is held for a look-up and no longer.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "crypto/hash.h"

namespace gateway::attestation {

template <class Value>
class DigestCache {
 public:
  explicit DigestCache(std::size_t capacity) : capacity_(capacity) {}

  std::optional<Value> find(const crypto::Sha256& key) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  void insert(const crypto::Sha256& key, Value value) {
    const std::lock_guard lock(mutex_);
    if (capacity_ == 0 || by_key_.contains(key)) return;
    if (entries_.size() == capacity_) {
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.push_front({key, std::move(value)});
    by_key_.emplace(key, entries_.begin());
  }

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
    Value value;
  };
  const std::size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<crypto::Sha256, typename std::list<Entry>::iterator, KeyHash> by_key_;
};

}  // namespace gateway::attestation
