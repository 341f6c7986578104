// The relying party's own clocks, by which the age of a key is counted (docs/trust.md §1).
//
// Two of them: wall-clock time can be set, so a machine whose clock is put back must not trust longer; running time
// cannot be set but may be another machine's after a snapshot is restored. A key counts as aged when either says so.
#pragma once

#include <chrono>

#include "base/clock.h"

namespace gateway::client {

struct Moment {
  Time wall;
  std::chrono::milliseconds running{};  // since boot, suspension included
};

class TrustClock {
 public:
  virtual ~TrustClock() = default;
  virtual Moment now() const = 0;
};

class SystemTrustClock final : public TrustClock {
 public:
  Moment now() const override;
};

}  // namespace gateway::client
