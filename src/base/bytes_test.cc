#include "base/bytes.h"

#include <gmock/gmock.h>

namespace gateway {
namespace {

using ::testing::ElementsAre;

Bytes sample() { return {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09}; }

TEST(ByteReader, ReadsIntegersOfBothEndiannesses) {
  const Bytes bytes = sample();
  EXPECT_EQ(ByteReader(bytes, "test.short").u8().value(), 0x01);
  EXPECT_EQ(ByteReader(bytes, "test.short").u16be().value(), 0x0102);
  EXPECT_EQ(ByteReader(bytes, "test.short").u32be().value(), 0x01020304U);
  EXPECT_EQ(ByteReader(bytes, "test.short").u64be().value(), 0x0102030405060708U);
  EXPECT_EQ(ByteReader(bytes, "test.short").u16le().value(), 0x0201);
  EXPECT_EQ(ByteReader(bytes, "test.short").u32le().value(), 0x04030201U);
  EXPECT_EQ(ByteReader(bytes, "test.short").u64le().value(), 0x0807060504030201U);
}

TEST(ByteReader, MovesOnAndKnowsItsOffset) {
  const Bytes bytes = sample();
  ByteReader reader(bytes, "test.short");
  ASSERT_TRUE(reader.take(4));
  EXPECT_EQ(reader.offset(), 4U);
  EXPECT_EQ(reader.rest().size(), 5U);
  EXPECT_FALSE(reader.empty());
  EXPECT_THAT(reader.array<2>().value(), ElementsAre(0x05, 0x06));
  ASSERT_TRUE(reader.take(3));
  EXPECT_TRUE(reader.empty());
}

TEST(ByteReader, RefusesToReadPastTheEndUnderTheCallersId) {
  const Bytes bytes = {0x01, 0x02};
  ByteReader reader(bytes, "test.short");
  for (const auto& failed : {reader.take(3).error(), reader.take(SIZE_MAX).error(), reader.array<3>().error(),
                             reader.u32be().error(), reader.u64le().error()}) {
    EXPECT_EQ(failed.id(), "test.short");
    EXPECT_EQ(failed.code(), ErrorCode::kMalformed);
  }
  EXPECT_EQ(reader.offset(), 0U);  // a read that failed consumed nothing
  EXPECT_EQ(reader.u16be().value(), 0x0102);
  EXPECT_EQ(reader.u8().error().id(), "test.short");
  EXPECT_TRUE(reader.take(0));
}

TEST(ByteReader, RefusesReservedBytesThatAreNotZero) {
  const Bytes bytes = {0, 0, 0, 1};
  ByteReader reader(bytes, "test.short");
  EXPECT_TRUE(reader.zeros(3, "test.reserved"));
  EXPECT_EQ(reader.zeros(1, "test.reserved").error().id(), "test.reserved");
  EXPECT_EQ(reader.zeros(1, "test.reserved").error().id(), "test.short");
}

TEST(ByteReader, RefusesTrailingBytes) {
  const Bytes bytes = {0, 1};
  ByteReader reader(bytes, "test.short");
  EXPECT_EQ(reader.finish("test.trailing").error().id(), "test.trailing");
  ASSERT_TRUE(reader.take(2));
  EXPECT_TRUE(reader.finish("test.trailing"));
}

TEST(ByteWriter, WritesWhatTheReaderReads) {
  ByteWriter writer;
  writer.u8(1);
  writer.u16be(0x0203);
  writer.u32be(0x04050607);
  writer.u64be(0x08090a0b0c0d0e0f);
  writer.u16le(0x1110);
  writer.u32le(0x15141312);
  writer.u64le(0x1d1c1b1a19181716);
  writer.zeros(2);
  writer.put("ab");
  EXPECT_EQ(to_hex(writer.bytes()), "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d00006162");
  EXPECT_EQ(std::move(writer).take().size(), 33U);
}

TEST(Bytes, ComparesLengthsAndContents) {
  EXPECT_TRUE(equal({}, {}));
  EXPECT_TRUE(equal(as_bytes("ab"), as_bytes("ab")));
  EXPECT_FALSE(equal(as_bytes("ab"), as_bytes("ac")));
  EXPECT_FALSE(equal(as_bytes("ab"), as_bytes("abc")));
}

TEST(Hex, RoundTrips) {
  EXPECT_EQ(to_hex(Bytes{0x00, 0x7f, 0xff}), "007fff");
  EXPECT_THAT(from_hex("007fFF").value(), ElementsAre(0x00, 0x7f, 0xff));
  EXPECT_TRUE(from_hex("").value().empty());
}

TEST(Hex, RefusesOddLengthsAndOtherCharacters) {
  for (const char* text : {"0", "0g", "g0", " 00", "0x00", "00\n", "-1"}) EXPECT_FALSE(from_hex(text)) << text;
}

TEST(Base64, AgreesWithRfc4648) {
  constexpr std::pair<const char*, const char*> kExamples[] = {{"", ""},
                                                               {"f", "Zg=="},
                                                               {"fo", "Zm8="},
                                                               {"foo", "Zm9v"},
                                                               {"foob", "Zm9vYg=="},
                                                               {"fooba", "Zm9vYmE="},
                                                               {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : kExamples) {
    EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
    EXPECT_EQ(as_text(from_base64(encoded).value()), plain);
    std::string unpadded(encoded);
    std::erase(unpadded, '=');
    EXPECT_EQ(to_base64url(as_bytes(plain)), unpadded);
    EXPECT_EQ(as_text(from_base64url(unpadded).value()), plain);
  }
}

TEST(Base64, KeepsItsTwoAlphabetsApart) {
  const Bytes bytes = {0xfb, 0xff};
  EXPECT_EQ(to_base64(bytes), "+/8=");
  EXPECT_EQ(to_base64url(bytes), "-_8");
  EXPECT_FALSE(from_base64("-_8="));
  EXPECT_FALSE(from_base64url("+/8"));
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const char* text :
       {"Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==\n", " Zg==", "Zg==Zg==", "Z=g="}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
  for (const char* text : {"Z", "Zh", "Zm9", "Zg==", "Zm 8", "Zm8\n"}) EXPECT_FALSE(from_base64url(text)) << text;
}

}  // namespace
}  // namespace gateway
