// Time as an argument. Nothing below cmd/ asks the system what time it is; it is told, or it is given a Clock.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

// UTC wall-clock time, milliseconds since 1970.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
using Duration = std::chrono::milliseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
};

// The machine's own clock: for relying parties and tools. An enclave uses runtime's NSM clock instead (docs/trust.md).
class SystemClock final : public Clock {
 public:
  Time now() const override;
};

// RFC 3339, UTC with 'Z' when written; any offset and fractions of a second when read.
std::string to_rfc3339(Time time);
std::optional<Time> from_rfc3339(std::string_view text);

// "30s", "5m", "12h", "7d", "250ms".
std::optional<Duration> parse_duration(std::string_view text);

struct TimeWindow {
  Time not_before = Time::min();
  Time not_after = Time::max();
  bool contains(Time time) const { return not_before <= time && time <= not_after; }
  void intersect(const TimeWindow& other) {
    if (other.not_before > not_before) not_before = other.not_before;
    if (other.not_after < not_after) not_after = other.not_after;
  }
};

}  // namespace gateway
