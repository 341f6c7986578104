#include "codec/cbor.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace gateway::codec {
namespace {

CborLimits small_limits() { return {.bytes = 4096, .depth = 6, .items = 100}; }

Result<CborReader> open_hex(std::string_view hex, CborProfile profile = CborProfile::kGeneral) {
  static Bytes held;
  held = from_hex(hex).value();
  return CborReader::open(held, small_limits(), profile);
}

std::string refusal(std::string_view hex, CborProfile profile = CborProfile::kGeneral) {
  const auto reader = open_hex(hex, profile);
  return reader ? "accepted" : std::string(reader.error().id());
}

TEST(Cbor, ReadsTypedItems) {
  CborWriter writer;
  writer.array(7).unsigned_integer(1000).integer(-5).bytes(as_bytes("ab")).text("héllo").boolean(true).null();
  writer.map(1).unsigned_integer(1).tag(18).text("x");
  auto reader = CborReader::open(writer.view(), small_limits(), CborProfile::kDeterministic);
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_EQ(reader->array().value(), 7U);
  EXPECT_EQ(reader->unsigned_integer().value(), 1000U);
  EXPECT_EQ(reader->integer().value(), -5);
  EXPECT_EQ(as_text(reader->bytes().value()), "ab");
  EXPECT_EQ(reader->text().value(), "héllo");
  EXPECT_TRUE(reader->boolean().value());
  EXPECT_TRUE(reader->take_null());
  EXPECT_EQ(reader->map().value(), 1U);
  EXPECT_EQ(reader->unsigned_integer().value(), 1U);
  EXPECT_EQ(reader->tag().value(), 18U);
  EXPECT_EQ(reader->text().value(), "x");
  EXPECT_TRUE(reader->end());
  EXPECT_TRUE(reader->end());
  EXPECT_FALSE(reader->peek());
}

TEST(Cbor, SkipsWholeItemsAndReturnsTheirBytes) {
  auto reader = open_hex("839f01820203ff61617801620102");
  EXPECT_EQ(refusal("839f01820203ff61617801620102"), "cbor.trailing");
  reader = open_hex("839f01820203ff6161a10102");
  ASSERT_TRUE(reader) << reader.error().message();
  ASSERT_TRUE(reader->array_of(3));
  EXPECT_EQ(to_hex(reader->skip().value()), "9f01820203ff");
  EXPECT_EQ(to_hex(reader->skip().value()), "6161");
  EXPECT_EQ(to_hex(reader->skip().value()), "a10102");
  EXPECT_FALSE(reader->skip());
  EXPECT_TRUE(reader->end());
}

TEST(Cbor, ReadsIndefiniteContainers) {
  auto reader = open_hex("bf616101ff");
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->map().value(), std::nullopt);
  EXPECT_EQ(reader->text().value(), "a");
  EXPECT_EQ(reader->unsigned_integer().value(), 1U);
  EXPECT_FALSE(reader->peek());
  EXPECT_TRUE(reader->end());
}

TEST(Cbor, RefusesWrongTypes) {
  auto reader = open_hex("01");
  EXPECT_EQ(reader->text().error().id(), "cbor.type");
  EXPECT_EQ(reader->bytes().error().id(), "cbor.type");
  EXPECT_EQ(reader->array().error().id(), "cbor.type");
  EXPECT_EQ(reader->boolean().error().id(), "cbor.type");
  EXPECT_FALSE(reader->take_null());
  for (const char* other : {"6161", "4161", "80", "a0", "c101", "f5", "f6"}) {
    EXPECT_EQ(open_hex(other)->integer().error().id(), "cbor.type") << other;
  }
  EXPECT_EQ(open_hex("1bffffffffffffffff")->integer().error().id(), "cbor.type");
  EXPECT_EQ(open_hex("820102")->array_of(3).error().id(), "cbor.type");
  EXPECT_EQ(open_hex("5f4101ff")->bytes().error().id(), "cbor.type");
}

TEST(Cbor, RefusesUnreadItemsAtTheEndOfAContainer) {
  auto reader = open_hex("820102");
  ASSERT_TRUE(reader->array_of(2));
  ASSERT_TRUE(reader->unsigned_integer());
  EXPECT_EQ(reader->end().error().id(), "cbor.type");
}

TEST(Cbor, RefusesTrailingBytesAndTruncation) {
  EXPECT_EQ(refusal("0000"), "cbor.trailing");
  EXPECT_EQ(refusal(""), "cbor.truncated");
  EXPECT_EQ(refusal("4201"), "cbor.truncated");
  EXPECT_EQ(refusal("8201"), "cbor.truncated");
  EXPECT_EQ(refusal("19ff"), "cbor.truncated");
  EXPECT_EQ(refusal("5bffffffffffffffff00"), "cbor.truncated");
}

TEST(Cbor, RefusesDuplicateKeysHoweverTheyAreEncoded) {
  EXPECT_EQ(refusal("a2616101616102"), "cbor.duplicate_key");
  EXPECT_EQ(refusal("a2010118010a"), "cbor.duplicate_key");
  EXPECT_EQ(refusal("a2820102018201020a"), "cbor.duplicate_key");
  EXPECT_EQ(refusal("a2616101616102", CborProfile::kDeterministic), "cbor.duplicate_key");
  EXPECT_EQ(refusal("a2616201616102"), "accepted");
}

TEST(Cbor, RefusesInvalidUtf8) {
  EXPECT_EQ(refusal("61ff"), "cbor.utf8");
  EXPECT_EQ(refusal("62c080"), "cbor.utf8");        // overlong
  EXPECT_EQ(refusal("63eda080"), "cbor.utf8");      // surrogate
  EXPECT_EQ(refusal("64f4908080"), "cbor.utf8");    // beyond U+10FFFF
  EXPECT_EQ(refusal("7f61c361a9ff"), "cbor.utf8");  // a chunk is a text of its own
}

TEST(Cbor, RefusesWhatIsNotDeterministic) {
  for (const char* hex : {"1801", "190001", "1a00000001", "1b0000000000000001", "5f4101ff", "9f01ff", "bf0101ff",
                          "a2026161016162", "fa3f800000", "fb3ff0000000000000"}) {
    EXPECT_EQ(refusal(hex, CborProfile::kDeterministic), "cbor.not_deterministic") << hex;
  }
  for (const char* hex : {"f93c00", "fa47c35000", "fb3ff199999999999a", "f97e00", "a2016161026162"}) {
    EXPECT_EQ(refusal(hex, CborProfile::kDeterministic), "accepted") << hex;
  }
}

TEST(Cbor, RefusesWhatExceedsItsLimits) {
  EXPECT_EQ(refusal("8181818181818101"), "cbor.depth");
  EXPECT_EQ(refusal("98c8" + std::string(400, '0')), "cbor.items");
  const Bytes large(5000);
  EXPECT_EQ(CborReader::open(large, small_limits(), CborProfile::kGeneral).error().id(), "cbor.size");
}

std::optional<boost::json::value> vectors(const std::string& name) {
  const char* folder = std::getenv("GATEWAY_VECTORS");
  if (folder == nullptr) return std::nullopt;
  std::ifstream file(std::string(folder) + "/cbor/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return boost::json::parse(text.str());  // it has integers beyond 64 bits, which parse_json refuses
}

#define NEED_VECTORS(name)           \
  const auto loaded = vectors(name); \
  if (!loaded) GTEST_SKIP() << "GATEWAY_VECTORS is not set: RFC 8949's vectors did NOT run"

TEST(Cbor, AcceptsTheExamplesOfRfc8949) {
  NEED_VECTORS("appendix_a.json");
  for (const auto& row : loaded->as_array()) {
    const std::string hex(row.at("hex").as_string());
    // simple(24) was an example of RFC 7049; RFC 8949 §3.3 makes its two-byte form not well-formed.
    EXPECT_EQ(refusal(hex), hex == "f818" ? "cbor.malformed" : "accepted") << hex;
    const bool definite = hex.find("5f") != 0 && hex.find("7f") != 0 && row.at("roundtrip").as_bool() && hex != "f818";
    if (definite) {
      EXPECT_EQ(refusal(hex, CborProfile::kDeterministic), "accepted") << hex;
    }
  }
}

void collect_texts(const boost::json::value& value, std::vector<std::string>& out) {
  if (value.is_string()) {
    out.emplace_back(value.as_string());
  } else if (value.is_array()) {
    for (const auto& child : value.as_array()) collect_texts(child, out);
  } else if (value.is_object()) {
    for (const auto& [key, child] : value.as_object()) {
      if (key == "hex" || child.is_array() || child.is_object()) collect_texts(child, out);
    }
  }
}

TEST(Cbor, RefusesTheMalformedListOfRfc8949) {
  NEED_VECTORS("rfc8949_appendix_f_malformed.json");
  std::vector<std::string> texts;
  collect_texts(*loaded, texts);
  std::size_t judged = 0;
  for (std::string hex : texts) {
    std::erase(hex, ' ');
    if (!from_hex(hex)) continue;
    ++judged;
    EXPECT_NE(refusal(hex), "accepted") << hex;
  }
  EXPECT_GT(judged, 50U);
}

TEST(Cbor, ComparesKeysAsValues) {
  EXPECT_EQ(refusal("a27f61616162ff016261620a"), "cbor.duplicate_key");    // (_ "a", "b") and "ab"
  EXPECT_EQ(refusal("a2f93c0001fa3f80000002"), "cbor.duplicate_key");      // 1.0 in two widths
  EXPECT_EQ(refusal("a2a20102030400a20304010200"), "cbor.duplicate_key");  // maps in two orders
  EXPECT_EQ(refusal("a29f01ff0081010a"), "cbor.duplicate_key");            // [_ 1] and [1]
  EXPECT_EQ(refusal("a2c10100d801010a"), "cbor.duplicate_key");            // tag 1 in two lengths
  EXPECT_EQ(refusal("a1616182a161620161629f01ff"), "cbor.trailing");
  EXPECT_EQ(refusal("a2616101614101"), "accepted");
  EXPECT_EQ(refusal("a2010041010a"), "accepted");  // 1 and h'01' are not the same
  EXPECT_EQ(refusal("a3036001600260"), "accepted");
  EXPECT_EQ(refusal("a4036001600260031860"), "cbor.duplicate_key");
}

TEST(Cbor, RefusesDuplicateKeysInNestedMaps) {
  EXPECT_EQ(refusal("a10181a2010101"
                    "02"),
            "cbor.duplicate_key");
  EXPECT_EQ(refusal("a1a2010101020a"), "cbor.duplicate_key");  // a map with a duplicate as a key
}

TEST(Cbor, JudgesAHugeMapQuickly) {
  constexpr std::uint32_t kKeys = 200'000;
  CborWriter writer;
  writer.map(kKeys);
  for (std::uint32_t i = 0; i < kKeys; ++i) writer.unsigned_integer((i * 2'654'435'761U) & 0xffff'ffffU).null();
  const CborLimits limits{.bytes = 4UZ * 1024 * 1024, .depth = 2, .items = 1'000'000};
  // Quadratic work would take minutes, more than ctest allows.
  EXPECT_TRUE(CborReader::open(writer.view(), limits, CborProfile::kGeneral));
}

TEST(Cbor, SkipsWholeItems) {
  auto reader = open_hex(
      "84"
      "9f018202039f04ffff"
      "bf61610161628101ff"
      "c2"
      "420102"
      "5f41014102ff");
  ASSERT_TRUE(reader) << reader.error().message();
  ASSERT_TRUE(reader->array_of(4));
  for (const char* expected : {"9f018202039f04ffff", "bf61610161628101ff", "c2420102", "5f41014102ff"}) {
    EXPECT_EQ(to_hex(reader->skip().value()), expected);
  }
  EXPECT_EQ(reader->skip().error().id(), "cbor.type");
  EXPECT_TRUE(reader->end());
  EXPECT_EQ(reader->end().error().id(), "cbor.type");
}

TEST(Cbor, CountsAnIndefiniteArray) {
  EXPECT_TRUE(open_hex("9f01820203ff")->array_of(2));
  EXPECT_EQ(open_hex("9f01820203ff")->array_of(3).error().id(), "cbor.type");
}

TEST(Cbor, StaysInPlaceWhenATypedReadFails) {
  auto reader = open_hex("831bffffffffffffffff3bffffffffffffffff20");
  ASSERT_TRUE(reader->array_of(3));
  EXPECT_FALSE(reader->integer());
  EXPECT_FALSE(reader->text());
  EXPECT_EQ(reader->unsigned_integer().value(), UINT64_MAX);
  EXPECT_FALSE(reader->integer());
  EXPECT_TRUE(reader->skip());
  EXPECT_EQ(reader->integer().value(), -1);
  EXPECT_TRUE(reader->end());
}

TEST(Cbor, WritesTheExtremesOfIntegers) {
  CborWriter writer;
  writer.array(3).integer(INT64_MIN).integer(INT64_MAX).unsigned_integer(UINT64_MAX);
  EXPECT_EQ(to_hex(writer.view()), "833b7fffffffffffffff1b7fffffffffffffff1bffffffffffffffff");
  auto reader = CborReader::open(writer.view(), small_limits(), CborProfile::kDeterministic);
  ASSERT_TRUE(reader->array());
  EXPECT_EQ(reader->integer().value(), INT64_MIN);
  EXPECT_EQ(reader->integer().value(), INT64_MAX);
}

TEST(Cbor, RefusesDeepTagsAndNoLimitExhaustsTheStack) {
  const Bytes tags(1'000'000, 0xc0);
  const CborLimits lavish{.bytes = SIZE_MAX, .depth = SIZE_MAX, .items = SIZE_MAX};
  EXPECT_EQ(CborReader::open(tags, lavish, CborProfile::kGeneral).error().id(), "cbor.depth");
  const Bytes arrays(1'000'000, 0x9f);
  EXPECT_EQ(CborReader::open(arrays, lavish, CborProfile::kGeneral).error().id(), "cbor.depth");
  EXPECT_EQ(refusal("c0c0c0c0c0c0c001"), "cbor.depth");
}

}  // namespace
}  // namespace gateway::codec
