// A rate with a burst: a bucket that fills at so many a second, up to so many. For bytes and for connections.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace gateway::net {

struct Rate {
  std::uint64_t per_second = 0;  // 0: unbounded
  std::uint64_t burst = 0;       // 0: as much as a second gives
  bool bounded() const { return per_second != 0; }
  std::uint64_t most() const { return burst != 0 ? burst : per_second; }
  bool operator==(const Rate&) const = default;
};

class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  Pace(const Rate& rate, Clock::time_point now) : rate_(rate), left_(rate.most()), filled_at_(now) {}

  // How much may go now, at most `wanted`.
  std::uint64_t available(std::uint64_t wanted, Clock::time_point now) {
    if (!rate_.bounded()) return wanted;
    fill(now);
    return std::min(wanted, left_);
  }
  void take(std::uint64_t amount) {
    if (rate_.bounded()) left_ -= std::min(left_, amount);
  }
  bool full(Clock::time_point now) {
    fill(now);
    return left_ == rate_.most();
  }

 private:
  void fill(Clock::time_point now) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(now - filled_at_);
    if (elapsed.count() <= 0) return;
    // Beyond this it is full whatever the rate.
    const auto micros =
        static_cast<std::uint64_t>(std::min(elapsed, std::chrono::microseconds(std::chrono::hours(1))).count());
    const auto gained =
        static_cast<std::uint64_t>(static_cast<double>(micros) * static_cast<double>(rate_.per_second) / 1e6);
    if (gained == 0) return;  // the time is kept for the next call
    left_ = std::min(rate_.most(), left_ + gained);
    filled_at_ = now;
  }

  Rate rate_;
  std::uint64_t left_;
  Clock::time_point filled_at_;
};

}  // namespace gateway::net
