#include "runtime/clock.h"

#include <gtest/gtest.h>

namespace gateway::runtime {
namespace {

BootTime counted{};
BootTime count() { return counted; }

TEST(TrustedClock, CountsOnFromTheRequest) {
  counted = std::chrono::seconds(100);
  const TrustedClock clock(Time(std::chrono::seconds(1'000'000)), std::chrono::seconds(98), count);
  EXPECT_EQ(clock.now(), Time(std::chrono::seconds(1'000'002)));  // never behind the device
  counted += std::chrono::hours(24);
  EXPECT_EQ(clock.now(), Time(std::chrono::seconds(1'000'002) + std::chrono::hours(24)));
}

TEST(TrustedClock, BootTimeMovesForward) {
  const BootTime first = boot_time();
  EXPECT_GT(first.count(), 0);
  EXPECT_GE(boot_time(), first);
}

}  // namespace
}  // namespace gateway::runtime
