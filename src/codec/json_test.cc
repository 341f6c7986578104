#include "codec/json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace gateway::codec {
namespace {

constexpr JsonLimits kSmall{.bytes = 1000, .depth = 4, .values = 20};

std::string refusal(std::string_view text, const JsonLimits& limits = kSmall) {
  const auto value = parse_json(text, limits);
  return value ? "accepted" : std::string(value.error().id());
}

TEST(Json, ReadsEveryKindOfValue) {
  const auto value = parse_json(R"({"a":[1,-2,3.5,true,false,null],"b":{"c":"d\u00e9\n"},"":""})", kSmall);
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(value->at("a").as_array().size(), 6U);
  EXPECT_EQ(value->at("a").at(1).as_int64(), -2);
  EXPECT_EQ(value->at("a").at(2).as_double(), 3.5);
  EXPECT_EQ(value->at("b").at("c").as_string(), "dé\n");
  EXPECT_EQ(value->at("").as_string(), "");
}

TEST(Json, ReadsScalarsAlone) {
  EXPECT_EQ(parse_json(" 7 ", kSmall)->as_int64(), 7);
  EXPECT_EQ(parse_json("\"x\"", kSmall)->as_string(), "x");
  EXPECT_TRUE(parse_json("null", kSmall)->is_null());
}

TEST(Json, KeepsNumbersExactly) {
  EXPECT_EQ(parse_json("18446744073709551615", kSmall)->as_uint64(), UINT64_MAX);
  EXPECT_EQ(parse_json("-9223372036854775808", kSmall)->as_int64(), INT64_MIN);
  for (const double number :
       {0.1, 1.0 / 3.0, 2.2250738585072014e-308, 1.7976931348623157e308, 5e-324, 123456.789e-30}) {
    const auto again = parse_json(write_json(boost::json::value(number)), kSmall);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->as_double(), number);
  }
  EXPECT_EQ(parse_json("0.30000000000000004", kSmall)->as_double(), 0.30000000000000004);
  EXPECT_EQ(parse_json("9007199254740993.0", kSmall)->as_double(), 9007199254740992.0);
  EXPECT_EQ(parse_json("[1e5,2E-3]", kSmall)->at(1).as_double(), 2e-3);
}

TEST(Json, RefusesNumbersThatWouldLoseDigits) {
  EXPECT_EQ(refusal("18446744073709551616"), "json.number");
  EXPECT_EQ(refusal("-9223372036854775809"), "json.number");
  EXPECT_EQ(refusal("1e400"), "json.number");
}

TEST(Json, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_EQ(refusal(R"({"a":1,"a":1})"), "json.duplicate_key");
  EXPECT_EQ(refusal(R"({"a":1,"\u0061":2})"), "json.duplicate_key");
  EXPECT_EQ(refusal(R"([{"x":{"b":1,"c":2,"b":3}}])"), "json.duplicate_key");
  EXPECT_EQ(refusal(R"({"":1,"":2})"), "json.duplicate_key");
  EXPECT_EQ(refusal(R"({"a":{"a":{"a":1}},"b":{"a":1}})"), "accepted");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"",      " ",    "{",       "}",         "[1,]",           "{\"a\":1,}", "{'a':1}",    "{a:1}",  "01",
        "+1",    ".5",   "1.",      "NaN",       "Infinity",       "tru",        "\"",         "\"\n\"", "\"\\x\"",
        "[1] 2", "{}{}", "// c\n1", "1 /* c */", "\xef\xbb\xbf{}", "[1 2]",      "\"\\ud800\""}) {
    EXPECT_EQ(refusal(text), "json.syntax") << text;
  }
  EXPECT_EQ(refusal(std::string_view("1\0", 2)), "json.syntax");
}

TEST(Json, RefusesInvalidUtf8) {
  EXPECT_EQ(refusal("\"\xff\""), "json.syntax");
  EXPECT_EQ(refusal("\"\xc0\x80\""), "json.syntax");
  EXPECT_EQ(refusal("\"\xed\xa0\x80\""), "json.syntax");
  EXPECT_EQ(refusal("{\"\xff\":1}"), "json.syntax");
}

TEST(Json, RefusesWhatExceedsItsLimits) {
  EXPECT_EQ(refusal("[[[[1]]]]"), "accepted");
  EXPECT_EQ(refusal("[[[[[1]]]]]"), "json.depth");
  EXPECT_EQ(refusal("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"), "accepted");
  EXPECT_EQ(refusal("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"), "json.values");
  EXPECT_EQ(refusal("\"" + std::string(999, 'x') + "\""), "json.size");
  EXPECT_EQ(refusal(std::string(900, '['), {.bytes = 1000, .depth = 500, .values = 10}), "json.values");
}

TEST(Json, WritesOneLineOrIndented) {
  const boost::json::value value{
      {"a", {1, 2}}, {"b", boost::json::object()}, {"c", "x\n\""}, {"d", boost::json::array()}};
  EXPECT_EQ(write_json(value), R"({"a":[1,2],"b":{},"c":"x\n\"","d":[]})");
  EXPECT_EQ(write_json_pretty(value),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": \"x\\n\\\"\",\n  \"d\": []\n}\n");
  EXPECT_EQ(parse_json(write_json_pretty(value), kSmall).value(), value);
}

TEST(Json, JudgesManyKeysQuickly) {
  std::string text = "{";
  for (int i = 0; i < 90'000; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
  text += "}";
  EXPECT_EQ(refusal(text, {.bytes = 2UZ * 1024 * 1024}), "accepted");
}

}  // namespace
}  // namespace gateway::codec
