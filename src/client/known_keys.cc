#include "client/known_keys.h"

#include <algorithm>

namespace gateway::client {

bool TrustedKeys::trusted_at(const Moment& now) const {
  if (now.wall < nonce_sent.wall || now.running < nonce_sent.running) return false;
  return now.wall - nonce_sent.wall <= max_age && now.running - nonce_sent.running <= max_age && now.wall <= not_after;
}

std::shared_ptr<const TrustedKeys> KnownKeys::find(const crypto::Sha384& digest, const Moment& now) const {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->digest == digest && entry->trusted_at(now)) return entry;
  }
  return nullptr;
}

bool KnownKeys::any(const Moment& now) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(entries_, [&](const auto& entry) { return entry->trusted_at(now); });
}

void KnownKeys::remember(TrustedKeys keys) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) { return entry->digest == keys.digest; });
  if (entries_.size() >= kCapacity) entries_.erase(entries_.begin());
  entries_.push_back(std::make_shared<const TrustedKeys>(std::move(keys)));
}

}  // namespace gateway::client
