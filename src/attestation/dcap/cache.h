// What dcap::Cache holds. Internal to dcap/.
#pragma once

#include <array>

#include "attestation/dcap/chain.h"
#include "attestation/dcap/endorsements.h"
#include "attestation/model/digest_cache.h"

namespace gateway::attestation::dcap {

class Cache {
 public:
  explicit Cache(std::size_t capacity) : chains(capacity) {}

  DigestCache<VerifiedPck> chains;  // by the digest of the certification data

  // Those of this collateral, byte for byte. The lock is held to copy and to swap pointers, never to compare or parse.
  std::shared_ptr<const Endorsements> endorsements_of(const Collateral& collateral);

 private:
  static constexpr std::size_t kCollaterals = 4;  // a caller has one, and sometimes its successor
  std::mutex mutex_;
  std::array<std::shared_ptr<const Endorsements>, kCollaterals> recent_;
  std::size_t next_ = 0;
};

}  // namespace gateway::attestation::dcap
