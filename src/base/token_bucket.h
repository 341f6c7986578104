// A quota a minute: fills evenly, holds one minute's worth. May go into debt when a cost is known only afterwards;
// then nothing passes until it is paid.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace gateway {

using MonotonicTime = std::chrono::steady_clock::time_point;

class TokenBucket {
 public:
  // 0 a minute: no quota.
  TokenBucket(std::uint64_t per_minute, MonotonicTime now)
      : per_minute_(static_cast<double>(per_minute)), level_(per_minute_), at_(now) {}

  // Seconds until `amount` may pass, rounded up; 0: now.
  unsigned wait_for(double amount, MonotonicTime now) {
    if (per_minute_ <= 0) return 0;
    refill(now);
    const double missing = std::min(amount, per_minute_) - level_;
    if (missing <= 0) return 0;
    return static_cast<unsigned>(std::min(3600.0, std::ceil(missing * 60.0 / per_minute_)));
  }
  // Negative amounts give back.
  void charge(double amount, MonotonicTime now) {
    if (per_minute_ <= 0) return;
    refill(now);
    level_ = std::min(per_minute_, level_ - amount);
  }
  // A new list may change the quota: what was used stays used.
  void set_rate(std::uint64_t per_minute, MonotonicTime now) {
    refill(now);
    const double used = per_minute_ - level_;
    per_minute_ = static_cast<double>(per_minute);
    level_ = per_minute_ - used;
  }

 private:
  void refill(MonotonicTime now) {
    const std::chrono::duration<double> passed = now - at_;
    at_ = now;
    level_ = std::min(per_minute_, level_ + passed.count() * per_minute_ / 60.0);
  }
  double per_minute_;
  double level_;
  MonotonicTime at_;
};

}  // namespace gateway
