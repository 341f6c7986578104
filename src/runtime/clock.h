// Time inside the enclave: the timestamp of an authentic document of its own, counted on with CLOCK_BOOTTIME, which the
// host cannot set (docs/trust.md §6). Never behind the device: a document is taken to be as old as the request for it.
#pragma once

#include <chrono>

#include "base/clock.h"

namespace gateway::runtime {

using BootTime = std::chrono::nanoseconds;
BootTime boot_time();  // CLOCK_BOOTTIME

class TrustedClock final : public Clock {
 public:
  // `at`: what the device said; `asked`: boot_time() before it was asked. `source` is for tests.
  TrustedClock(Time at, BootTime asked, BootTime (*source)() = boot_time) : at_(at), asked_(asked), source_(source) {}
  Time now() const override { return at_ + std::chrono::floor<std::chrono::milliseconds>(source_() - asked_); }

 private:
  Time at_;
  BootTime asked_;
  BootTime (*source_)();
};

}  // namespace gateway::runtime
