#include "codec/der.h"

#include <gtest/gtest.h>

namespace gateway::codec {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

// The id under which the first element is refused.
std::string refusal(std::string_view text) {
  const Bytes bytes = hex(text);
  DerReader reader(bytes);
  const auto element = reader.any();
  return element ? "accepted" : std::string(element.error().id());
}

TEST(Der, ReadsNestedElements) {
  const Bytes bytes =
      hex("3009"
          "0201ff"
          "3004"
          "04020102");
  DerReader input(bytes);
  auto sequence = input.enter(der_tag::kSequence);
  ASSERT_TRUE(sequence);
  EXPECT_TRUE(input.finish());
  EXPECT_TRUE(sequence->next_is(der_tag::kInteger));
  EXPECT_EQ(to_hex(sequence->integer().value()), "ff");
  EXPECT_EQ(sequence->finish().error().id(), "der.trailing");
  const auto inner = sequence->element(der_tag::kSequence);
  ASSERT_TRUE(inner);
  EXPECT_EQ(to_hex(inner->encoding), "300404020102");
  EXPECT_EQ(to_hex(inner->content), "04020102");
  EXPECT_TRUE(sequence->empty());
  EXPECT_FALSE(sequence->next_is(der_tag::kInteger));
}

TEST(Der, ReadsLongLengths) {
  for (const std::size_t size : {0UZ, 127UZ, 128UZ, 255UZ, 256UZ, 65'535UZ, 65'536UZ, 70'000UZ}) {
    const Bytes content(size, 0x55);
    const Bytes encoded = der(der_tag::kOctetString, {content});
    DerReader reader(encoded);
    const auto element = reader.any();
    ASSERT_TRUE(element) << size;
    EXPECT_EQ(element->content.size(), size);
    EXPECT_TRUE(reader.empty());
  }
}

TEST(Der, RefusesLengthsThatAreNotMinimalOrNotDefinite) {
  EXPECT_EQ(refusal("048000"), "der.length");    // indefinite
  EXPECT_EQ(refusal("04810100"), "der.length");  // fits one byte
  EXPECT_EQ(refusal("0482007f" + std::string(254, '0')), "der.length");
  EXPECT_EQ(refusal("048200ff" + std::string(510, '0')), "der.length");
  EXPECT_EQ(refusal("0485000000000100"), "der.length");  // five bytes of length
  EXPECT_EQ(refusal("04ff"), "der.length");
}

TEST(Der, RefusesTruncation) {
  for (const char* text : {"", "04", "0402", "040201", "0481", "048280", "04828000", "0484ffffffff00"}) {
    EXPECT_EQ(refusal(text), "der.truncated") << text;
  }
}

TEST(Der, RefusesTagsOfSeveralBytes) {
  EXPECT_EQ(refusal("1f8101"
                    "00"),
            "der.tag");
}

TEST(Der, RefusesAnotherType) {
  const Bytes bytes = hex("020101");
  EXPECT_EQ(DerReader(bytes).element(der_tag::kSequence).error().id(), "der.type");
  EXPECT_EQ(DerReader(bytes).enter(der_tag::kSet).error().id(), "der.type");
  EXPECT_EQ(DerReader({}).element(der_tag::kSequence).error().id(), "der.truncated");
}

TEST(Der, ReadsIntegersInTheirShortestFormOnly) {
  const auto read = [](std::string_view text) {
    const Bytes bytes = hex(text);
    const auto value = DerReader(bytes).integer();
    return value ? to_hex(*value) : std::string(value.error().id());
  };
  EXPECT_EQ(read("020100"), "00");
  EXPECT_EQ(read("02020080"), "0080");
  EXPECT_EQ(read("0202ff7f"), "ff7f");
  EXPECT_EQ(read("0200"), "der.value");
  EXPECT_EQ(read("0202007f"), "der.value");
  EXPECT_EQ(read("0202ff80"), "der.value");
}

TEST(Der, ReadsUnsignedAndSmallIntegers) {
  EXPECT_EQ(to_hex(DerReader(hex("02020080")).unsigned_integer().value()), "80");
  EXPECT_EQ(DerReader(hex("020180")).unsigned_integer().error().id(), "der.value");
  EXPECT_EQ(DerReader(hex("02030186a0")).small_integer().value(), 100'000);
  EXPECT_EQ(DerReader(hex("020500ffffffff")).small_integer().value(), 0xffff'ffff);
  EXPECT_EQ(DerReader(hex("02050100000000")).small_integer().error().id(), "der.value");
}

TEST(Der, ReadsBooleansOfDerOnly) {
  EXPECT_TRUE(DerReader(hex("0101ff")).boolean().value());
  EXPECT_FALSE(DerReader(hex("010100")).boolean().value());
  EXPECT_EQ(DerReader(hex("010101")).boolean().error().id(), "der.value");
  EXPECT_EQ(DerReader(hex("0100")).boolean().error().id(), "der.value");
}

TEST(Der, ReadsBitStringsOfWholeBytesOnly) {
  EXPECT_EQ(to_hex(DerReader(hex("03030001ff")).bit_string().value()), "01ff");
  EXPECT_EQ(DerReader(hex("0300")).bit_string().error().id(), "der.value");
  EXPECT_EQ(DerReader(hex("03020780")).bit_string().error().id(), "der.value");
}

TEST(Der, ReadsAndWritesOids) {
  EXPECT_EQ(to_hex(der_oid("1.2.840.10045.4.3.3").value()), "06082a8648ce3d040303");
  EXPECT_EQ(to_hex(der_oid("2.23.133.5.4.9").value()),
            "060667810505"
            "0409");
  for (const char* text : {"1.2.840.10045.4.3.3", "2.23.133.5.4.9", "0.9", "2.999.3", "1.3.6.1.4.1.3704.1.3.1"}) {
    const Bytes encoded = der_oid(text).value();
    EXPECT_EQ(oid_text(DerReader(encoded).oid().value()), text);
  }
  for (const char* text :
       {"", "1", "3.1", "1.40", "1.2.", ".1.2", "1..2", "1.2.x", "1.-2", "1.2.99999999999999999999"}) {
    EXPECT_FALSE(der_oid(text)) << text;
  }
}

TEST(Der, RefusesOidsThatAreNotMinimalOrNotComplete) {
  EXPECT_EQ(DerReader(hex("0600")).oid().error().id(), "der.value");
  EXPECT_EQ(DerReader(hex("06022a86")).oid().error().id(), "der.value");
  EXPECT_EQ(DerReader(hex("06032a8001")).oid().error().id(), "der.value");
  EXPECT_EQ(oid_text(hex("2affffffffffffffffff7f")), "an OID with a number beyond 64 bits");
}

TEST(Der, WritesIntegersFromBigEndianBytes) {
  EXPECT_EQ(to_hex(der_unsigned(hex("00000102"))), "02020102");
  EXPECT_EQ(to_hex(der_unsigned(hex("0080"))), "02020080");
  EXPECT_EQ(to_hex(der_unsigned(hex("0000"))), "020100");
  EXPECT_EQ(to_hex(der_unsigned({})), "020100");
  EXPECT_EQ(to_hex(der_bit_string(hex("0102"))), "0303000102");
}

}  // namespace
}  // namespace gateway::codec
