#include "runtime/log_ring.h"

#include <gtest/gtest.h>

namespace gateway::runtime {
namespace {

std::string text(const LogRing& ring) { return std::string(as_text(ring.text())); }

TEST(LogRing, KeepsWhatFits) {
  LogRing ring(16);
  EXPECT_EQ(text(ring), "");
  ring.append(as_bytes("one\n"));
  ring.append(as_bytes("two\n"));
  EXPECT_EQ(text(ring), "one\ntwo\n");
  EXPECT_EQ(ring.total(), 8U);
}

TEST(LogRing, TheOldestGoFirstAndALossStartsAtALine) {
  LogRing ring(10);
  ring.append(as_bytes("one\ntwo\nthree\n"));
  EXPECT_EQ(text(ring), "three\n");
  ring.append(as_bytes("4\n"));
  EXPECT_EQ(text(ring), "three\n4\n");
  ring.append(as_bytes("five\n"));
  EXPECT_EQ(text(ring), "4\nfive\n");
}

TEST(LogRing, PiecesAcrossTheEndStayWhole) {
  LogRing ring(8);
  for (char c = 'a'; c <= 'z'; ++c) ring.append(as_bytes(std::string(1, c)));
  EXPECT_EQ(text(ring), "stuvwxyz");
  EXPECT_EQ(ring.total(), 26U);
}

TEST(LogRing, OneLargePieceLeavesItsEnd) {
  LogRing ring(4);
  ring.append(as_bytes("x"));
  ring.append(as_bytes("abcdefgh"));
  EXPECT_EQ(text(ring), "efgh");
}

}  // namespace
}  // namespace gateway::runtime
