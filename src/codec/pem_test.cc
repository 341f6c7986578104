#include "codec/pem.h"

#include <gtest/gtest.h>

namespace gateway::codec {
namespace {

constexpr std::string_view kBlock = "-----BEGIN THING-----\nAQID\n-----END THING-----\n";

std::string refusal(std::string_view text, std::size_t max_blocks = 4) {
  const auto blocks = parse_pem(text, max_blocks);
  return blocks ? "accepted" : std::string(blocks.error().id());
}

TEST(Pem, ReadsWhatItWrites) {
  Bytes bytes(100);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  const auto blocks = parse_pem(write_pem("SOME LABEL", bytes) + write_pem("OTHER", {}), 4);
  ASSERT_TRUE(blocks) << blocks.error().message();
  ASSERT_EQ(blocks->size(), 2U);
  EXPECT_EQ(blocks->at(0).label, "SOME LABEL");
  EXPECT_EQ(blocks->at(0).bytes, bytes);
  EXPECT_EQ(blocks->at(1).label, "OTHER");
  EXPECT_TRUE(blocks->at(1).bytes.empty());
}

TEST(Pem, BreaksLinesAfter64Characters) {
  const std::string text = write_pem("X", Bytes(49));
  EXPECT_EQ(text, "-----BEGIN X-----\n" + std::string(64, 'A') + "\nAA==\n-----END X-----\n");
}

TEST(Pem, PassesOverTextOutsideOfBlocksAndOtherLineEnds) {
  const auto blocks = parse_pem("subject: someone\r\n-----BEGIN A-----\r\nAQ\r\nID \r\n-----END A-----\r\nbye", 4);
  ASSERT_TRUE(blocks) << blocks.error().message();
  ASSERT_EQ(blocks->size(), 1U);
  EXPECT_EQ(to_hex(blocks->front().bytes), "010203");
  EXPECT_TRUE(parse_pem("no block at all", 4)->empty());
  EXPECT_TRUE(parse_pem("", 4)->empty());
}

TEST(Pem, ReadsBlocksThatWerePutTogetherWithoutALineEnd) {
  const auto blocks =
      parse_pem("-----BEGIN A-----\nAQID\n-----END A----------BEGIN BB-----\nBAUG\n-----END BB-----\n", 4);
  ASSERT_TRUE(blocks) << blocks.error().message();
  ASSERT_EQ(blocks->size(), 2U);
  EXPECT_EQ(to_hex(blocks->at(0).bytes), "010203");
  EXPECT_EQ(blocks->at(1).label, "BB");
  EXPECT_EQ(to_hex(blocks->at(1).bytes), "040506");
  EXPECT_EQ(refusal("-----BEGIN A-----\nAQID\n-----END A-----x\n"), "pem.syntax");
  EXPECT_EQ(refusal("-----BEGIN A-----\nAQID\n-----END B----------BEGIN A-----\n-----END A-----\n"), "pem.syntax");
}

TEST(Pem, RefusesBrokenBlocks) {
  EXPECT_EQ(refusal("-----BEGIN A-----\nAQID\n"), "pem.syntax");
  EXPECT_EQ(refusal("-----BEGIN A-----\nAQID\n-----END B-----\n"), "pem.syntax");
  EXPECT_EQ(refusal("-----BEGIN A-----\nAQI?\n-----END A-----\n"), "pem.syntax");
  EXPECT_EQ(refusal("-----BEGIN A-----\nAQI\n-----END A-----\n"), "pem.syntax");
  EXPECT_EQ(refusal("-----BEGIN A\nAQID\n-----END A-----\n"), "pem.syntax");
  EXPECT_EQ(refusal("-----BEGIN -----BEGIN A-----\nAQID\n-----END A-----\n"), "pem.syntax");
  EXPECT_EQ(refusal("-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n-----END A-----\n"), "pem.syntax");
  EXPECT_EQ(refusal("-----BEGIN ----\n"), "pem.syntax");
}

TEST(Pem, RefusesMoreBlocksThanAllowed) {
  const std::string two = std::string(kBlock) + std::string(kBlock);
  EXPECT_EQ(refusal(two, 2), "accepted");
  EXPECT_EQ(refusal(two, 1), "pem.count");
}

}  // namespace
}  // namespace gateway::codec
