#include "attestation/dcap/cache.h"

#include "attestation/dcap/authenticate.h"

namespace gateway::attestation::dcap {

std::shared_ptr<const Endorsements> Cache::endorsements_of(const Collateral& collateral) {
  const auto known = [&] {
    const std::lock_guard lock(mutex_);
    return recent_;
  }();
  for (const auto& endorsements : known) {
    if (endorsements != nullptr && endorsements->made_from(collateral)) return endorsements;
  }
  auto made = Endorsements::copy_of(collateral);
  const std::lock_guard lock(mutex_);
  recent_.at(next_) = made;
  next_ = (next_ + 1) % kCollaterals;
  return made;
}

std::shared_ptr<Cache> make_cache(std::size_t chains) { return std::make_shared<Cache>(chains); }

}  // namespace gateway::attestation::dcap
