#include "codec/ber.h"

#include <gtest/gtest.h>

#include "codec/der.h"

namespace gateway::codec {
namespace {

std::string converted(const std::string& hex) {
  const auto der = ber_to_der(*from_hex(hex), {.bytes = 256, .depth = 4});
  return der ? to_hex(*der) : std::string(der.error().id());
}

TEST(Ber, MakesLengthsDefiniteAndMinimal) {
  EXPECT_EQ(converted("0401aa"), "0401aa");
  EXPECT_EQ(converted("048101aa"), "0401aa") << "a length of two bytes that one would hold";
  EXPECT_EQ(converted("30800401aa0000"), "30030401aa");
}

TEST(Ber, JoinsOctetStringsAndNoOthers) {
  EXPECT_EQ(converted("24800401aa0402bbcc0000"), "0403aabbcc");
  EXPECT_EQ(converted("240624800401aa0000"), "ber.truncated");
  EXPECT_EQ(converted("24030401aa"), "0401aa");
  EXPECT_EQ(converted("248024800401aa00000401bb0000"), "0402aabb");
  EXPECT_EQ(converted("24800501000000"), "ber.tag");
  EXPECT_EQ(converted("a0800401aa0401bb0000"), "a0060401aa0401bb") << "a context tag says nothing of its content";
}

TEST(Ber, RefusesWhatIsBroken) {
  EXPECT_EQ(converted(""), "ber.truncated");
  EXPECT_EQ(converted("04"), "ber.truncated");
  EXPECT_EQ(converted("0402aa"), "ber.truncated");
  EXPECT_EQ(converted("0480aa0000"), "ber.length") << "primitive, and indefinite";
  EXPECT_EQ(converted("04850000000001aa"), "ber.length");
  EXPECT_EQ(converted("30800401aa"), "ber.truncated") << "no end of contents";
  EXPECT_EQ(converted("1f0101"), "ber.tag");
  EXPECT_EQ(converted("0401aa00"), "ber.trailing");
  EXPECT_EQ(converted("30803080308030803080308004000000000000000000000000"), "ber.depth");
  EXPECT_EQ(converted(std::string(600, '0')), "ber.size");
  EXPECT_EQ(converted("300430050401aa"), "ber.truncated") << "a child that is longer than its parent";
}

}  // namespace
}  // namespace gateway::codec
