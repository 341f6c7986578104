#include "net/relay.h"

#include <gtest/gtest.h>

namespace gateway::net {
namespace {

std::chrono::nanoseconds g_used;
std::chrono::nanoseconds used() { return g_used; }

// A machine on which the two ways cost so much a mebibyte.
Way settled(int splice, int copy) {
  g_used = {};
  WayBack way(used);
  for (int mebibyte = 0; mebibyte < 100; ++mebibyte) {
    g_used += std::chrono::microseconds(way.now() == Way::kSplice ? splice : copy);
    way.carried(1UZ << 20U);
  }
  return way.now();
}

TEST(WayBack, GoesOnWithTheCheaper) {
  EXPECT_EQ(settled(400, 800), Way::kSplice);
  EXPECT_EQ(settled(800, 400), Way::kCopy);
}

TEST(WayBack, AsksAgain) {
  g_used = {};
  WayBack way(used);
  int splice = 400;
  int copy = 800;
  for (int mebibyte = 0; mebibyte < 16'000; ++mebibyte) {
    if (mebibyte == 5'000) std::swap(splice, copy);  // as when the far side becomes another kind of socket
    g_used += std::chrono::microseconds(way.now() == Way::kSplice ? splice : copy);
    way.carried(1UZ << 20U);
  }
  EXPECT_EQ(way.now(), Way::kCopy);
}

}  // namespace
}  // namespace gateway::net
