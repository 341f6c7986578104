// The keys (K) that this relying party trusts at the moment, each until its policy's max_age is over.
//
// Age is counted from the moment in which the nonce was sent that K's quote then carried. A K that has aged is as good
// as unknown. Bounded; safe for concurrent use.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "attestation/verify.h"
#include "client/trust_clock.h"

namespace gateway::client {

struct TrustedKeys {
  Bytes k;  // the exact bytes
  crypto::Sha384 digest{};
  attestation::KeysStatement keys;
  Moment nonce_sent;
  Duration max_age{};
  Time not_after;  // the end of every validity window that the verdict used
  std::shared_ptr<const attestation::Verification> verification;

  bool trusted_at(const Moment& now) const;
};

class KnownKeys {
 public:
  std::shared_ptr<const TrustedKeys> find(const crypto::Sha384& digest, const Moment& now) const;
  bool any(const Moment& now) const;
  void remember(TrustedKeys keys);

 private:
  static constexpr std::size_t kCapacity = 256;  // enclaves behind one service name
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const TrustedKeys>> entries_;  // newest last
};

}  // namespace gateway::client
