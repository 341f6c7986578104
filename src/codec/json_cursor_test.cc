#include "codec/json_cursor.h"

#include <gtest/gtest.h>

#include <string>

namespace gateway::codec {
namespace {

JsonCursor open(std::string_view text, JsonCursor::Limits limits = {}) {
  return JsonCursor::open(text, limits).value();
}
std::string id(const auto& result) { return result ? "" : std::string(result.error().id()); }

std::string skipped(std::string_view text, JsonCursor::Limits limits = {}) {
  JsonCursor cursor = open(text, limits);
  const Status skip = cursor.skip();
  return skip ? id(cursor.finish()) : id(skip);
}

TEST(JsonCursor, ReadsAShapeThatItKnows) {
  JsonCursor cursor = open(" { \"a\" : [ 1 , 22 ] ,\n\t\"b\":\"text\",\r\"c\":{}} ");
  ASSERT_TRUE(cursor.object());
  EXPECT_EQ(cursor.key().value(), "a");
  ASSERT_TRUE(cursor.array());
  EXPECT_TRUE(cursor.element().value());
  EXPECT_EQ(cursor.number(9).value(), 1U);
  EXPECT_TRUE(cursor.element().value());
  EXPECT_EQ(cursor.number(22).value(), 22U);
  EXPECT_FALSE(cursor.element().value());
  EXPECT_EQ(cursor.key().value(), "b");
  EXPECT_EQ(cursor.text().value(), "text");
  EXPECT_EQ(cursor.key().value(), "c");
  ASSERT_TRUE(cursor.object());
  EXPECT_FALSE(cursor.key().value());
  EXPECT_FALSE(cursor.key().value());
  EXPECT_TRUE(cursor.finish());
}

TEST(JsonCursor, KnowsWhereItStands) {
  const std::string_view text = "{\"a\" :  {\"b\":1}  ,\"c\":2}";
  JsonCursor cursor = open(text);
  ASSERT_TRUE(cursor.object() && cursor.key());
  const std::size_t from = cursor.offset();
  ASSERT_TRUE(cursor.skip());
  EXPECT_EQ(text.substr(from, cursor.end_of_last() - from), "{\"b\":1}");
}

TEST(JsonCursor, RefusesAKeyTwiceInOneObjectAlone) {
  EXPECT_EQ(skipped(R"({"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]})"), "");
  EXPECT_EQ(skipped(R"({"a":1,"b":{"a":1},"a":2})"), "json.duplicate_key");
  EXPECT_EQ(skipped(R"([{"x":{"a":1,"a":2}}])"), "json.duplicate_key");
}

TEST(JsonCursor, PassesOverJsonAlone) {
  for (const char* good : {"0", "-0", "-12.5e+3", "1E9", "true", "false", "null", "\"\"", R"("\"\\\/\b\f\n\r\tä")",
                           "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", "[]", "{}", "[[],{},\"x\",1]",
                           "\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\""}) {
    EXPECT_EQ(skipped(good), "") << good;
  }
  for (const char* bad : {"",
                          " ",
                          "01",
                          "-",
                          "+1",
                          "1.",
                          ".5",
                          "1e",
                          "1e+",
                          "tru",
                          "nul",
                          "'x'",
                          "\"x",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\u12g4\"",
                          "\"\\",
                          "[1",
                          "[1 2]",
                          "[1,",
                          "[",
                          "{\"a\"",
                          "{\"a\":",
                          "{\"a\":1",
                          "{\"a\" 1}",
                          "1 2",
                          "[1]]",
                          "{\"a\":1}}",
                          "\"\x01\"",
                          "\"\x80\"",
                          "\"\xc0\xaf\"",
                          "\"\xe0\x80\x80\"",
                          "\"\xed\xa0\x80\"",
                          "\"\xf4\x90\x80\x80\"",
                          "\"\xf0\x80\x80\x80\"",
                          "\"\xc3\"",
                          "\"\xe2\x82\"",
                          "\"\xf0\x9f\x98\"",
                          "NaN",
                          "/**/1",
                          "\xef\xbb\xbf"
                          "1"}) {
    EXPECT_EQ(skipped(bad), "json.syntax") << bad;
  }
  EXPECT_EQ(skipped(R"("\ud83d\ude00\uD83D\uDE00\uD7FF\uE000")"), "");
  for (const char* lone : {R"("\ud83d")", R"("\ude00")", R"("\ud83d\ud83d")", R"("\ud83dx")", R"("\ud83d\ue000")"}) {
    EXPECT_EQ(skipped(lone), "json.syntax") << lone;
  }
  EXPECT_EQ(skipped("[1,]"), "json.syntax");
  EXPECT_EQ(skipped("{\"a\":1,}"), "json.type");
  EXPECT_EQ(skipped("{,}"), "json.type");
  EXPECT_EQ(skipped("{1:2}"), "json.type");
  EXPECT_EQ(skipped("{\"\\u0061\":2}"), "json.type");  // keys have no escapes
}

// Of the right length, and at the end of the input: nothing behind them would refuse in their place.
TEST(JsonCursor, RefusesOtherWordsAndOpenTextsWhereTheyStand) {
  for (const char* word : {"trux", "falsx", "nulx", "True", "nil "}) {
    EXPECT_EQ(id(open(word).skip()), "json.syntax") << word;
    EXPECT_EQ(skipped("[" + std::string(word) + "]"), "json.syntax") << word;
  }
  for (const char* text : {"\"x", "\"", "\"x\\n"}) EXPECT_EQ(id(open(text).skip()), "json.syntax") << text;
}

TEST(JsonCursor, ReadsOnlyPlainTexts) {
  EXPECT_EQ(open("\"plain ~ text\"").text().value(), "plain ~ text");
  for (const char* other : {"1", "\"a\\n\"", "\"\xc3\xa4\"", "\"\x7f\"", "\"a", "[]", ""}) {
    EXPECT_EQ(id(open(other).text()), "json.type") << other;
  }
}

TEST(JsonCursor, ReadsOnlyPlainIntegers) {
  EXPECT_EQ(open("0").number(0).value(), 0U);
  EXPECT_EQ(open("255").number(255).value(), 255U);
  EXPECT_EQ(open("18446744073709551615").number(UINT64_MAX).value(), UINT64_MAX);
  EXPECT_EQ(id(open("256").number(255)), "json.number");
  EXPECT_EQ(id(open("18446744073709551616").number(UINT64_MAX)), "json.number");
  EXPECT_EQ(id(open("99999999999999999999999").number(7)), "json.number");
  EXPECT_EQ(id(open("9").number(7)), "json.number");
  for (const char* other : {"-1", "+1", "1.0", "1e1", "1E1", "01", "00", "\"1\"", "", "true"}) {
    EXPECT_EQ(id(open(other).number(1000)), "json.type") << other;
  }
}

TEST(JsonCursor, RefusesOtherKinds) {
  EXPECT_EQ(id(open("[]").object()), "json.type");
  EXPECT_EQ(id(open("{}").array()), "json.type");
}

TEST(JsonCursor, KeepsItsLimits) {
  EXPECT_EQ(id(JsonCursor::open("123", {.bytes = 2, .depth = 1, .members = 1})), "json.size");
  EXPECT_EQ(skipped("[[1]]", {.bytes = 99, .depth = 2, .members = 1}), "");
  EXPECT_EQ(skipped("[[[1]]]", {.bytes = 99, .depth = 2, .members = 1}), "json.depth");
  EXPECT_EQ(skipped("[{\"a\":{}}]", {.bytes = 99, .depth = 2, .members = 1}), "json.depth");
  EXPECT_EQ(skipped("{\"a\":1,\"b\":2}", {.bytes = 99, .depth = 2, .members = 2}), "");
  EXPECT_EQ(skipped("{\"a\":1,\"b\":2}", {.bytes = 99, .depth = 2, .members = 1}), "json.members");
}

TEST(JsonCursor, RefusesWhatFollows) {
  JsonCursor cursor = open("1 x");
  ASSERT_TRUE(cursor.number(9));
  EXPECT_EQ(id(cursor.finish()), "json.syntax");
  JsonCursor inside = open("[");
  ASSERT_TRUE(inside.array());
  EXPECT_EQ(id(inside.finish()), "json.syntax");
}

}  // namespace
}  // namespace gateway::codec
