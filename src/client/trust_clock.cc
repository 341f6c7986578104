#include "client/trust_clock.h"

#include <time.h>

namespace gateway::client {

Moment SystemTrustClock::now() const {
  timespec since_boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  return {.wall = SystemClock().now(),
          .running = std::chrono::duration_cast<std::chrono::milliseconds>(
              std::chrono::seconds(since_boot.tv_sec) + std::chrono::nanoseconds(since_boot.tv_nsec))};
}

}  // namespace gateway::client
