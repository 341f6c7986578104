// Apart from the rest of clock.h, so that a library which must not read a clock does not even link this.
#include "base/clock.h"

namespace gateway {

Time SystemClock::now() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace gateway
