#include "host/control_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::host {
namespace {

std::string id_of(std::string_view line) {
  const auto request = parse_request(line);
  return request ? "accepted" : std::string(request.error().id());
}

template <class T>
T round_trip(const T& request) {
  const auto parsed = parse_request(encode_request(request));
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  return std::get<T>(*parsed);
}

TEST(ControlApiTest, CarriesEveryRequest) {
  RunRequest run;
  run.name = "assistant";
  run.platform = "nitro";
  run.listen = "[::1]:8443";
  run.config = to_bytes("version = 1\n");
  run.tokens = {0, 255, 10};
  const auto carried = round_trip(run);
  EXPECT_EQ(carried.name, run.name);
  EXPECT_EQ(carried.platform, run.platform);
  EXPECT_EQ(carried.listen, run.listen);
  EXPECT_EQ(carried.config, run.config);
  EXPECT_EQ(carried.tokens, run.tokens);
  round_trip(VersionRequest{});
  round_trip(PsRequest{});
  EXPECT_EQ(round_trip(InspectRequest{"a"}).name, "a");
  EXPECT_EQ(round_trip(StopRequest{"a", std::chrono::milliseconds(7)}).grace.count(), 7);
  EXPECT_EQ(round_trip(EventsRequest{"a", 12, 34}).after, 12U);
  EXPECT_EQ(round_trip(EventsRequest{"a", 12, 34}).limit, 34U);
  EXPECT_EQ(round_trip(TokensRequest{"a", {1, 2}}).list, (Bytes{1, 2}));
}

TEST(ControlApiTest, RefusesWhatIsNoObject) {
  for (const char* line : {"", "[]", "{", "null", "{}x", "{\"op\":\"ps\",\"op\":\"ps\"}"}) {
    EXPECT_EQ(id_of(line), std::string_view(line) == "{}" ? "host.request.key" : "host.request.syntax") << line;
  }
}

TEST(ControlApiTest, RefusesUnknownOperations) {
  EXPECT_EQ(id_of(R"({"op":"format"})"), "host.request.op");
  EXPECT_EQ(id_of(R"({"op":7})"), "host.request.key");
  EXPECT_EQ(id_of(R"({"name":"a"})"), "host.request.key");
}

TEST(ControlApiTest, RefusesUnknownAndMissingKeys) {
  EXPECT_EQ(id_of(R"({"op":"ps","all":true})"), "host.request.key");
  EXPECT_EQ(id_of(R"({"op":"inspect"})"), "host.request.key");
  EXPECT_EQ(id_of(R"({"op":"stop","name":"a"})"), "host.request.key");
}

TEST(ControlApiTest, RefusesValuesOutOfRange) {
  EXPECT_EQ(id_of(R"({"op":"stop","name":"a","grace_ms":-1})"), "host.request.key");
  EXPECT_EQ(id_of(R"({"op":"stop","name":"a","grace_ms":600001})"), "host.request.key");
  EXPECT_EQ(id_of(R"({"op":"stop","name":"a","grace_ms":1.5})"), "host.request.key");
  EXPECT_EQ(id_of(R"({"op":"events","name":"a","after":0,"limit":1001})"), "host.request.key");
  EXPECT_EQ(id_of(R"({"op":"tokens","name":"a","list":"not base64"})"), "host.request.key");
  EXPECT_EQ(id_of(R"({"op":"tokens","name":"a","list":5})"), "host.request.key");
}

TEST(ControlApiTest, RefusesNamesThatWouldBePaths) {
  for (const char* name : {"..", "a/b", "", "A", ".hidden", "-x", "a\\u0000b"}) {
    EXPECT_EQ(id_of(std::string(R"({"op":"inspect","name":")") + name + "\"}"), "host.name") << name;
  }
  EXPECT_EQ(id_of(R"({"op":"inspect","name":")" + std::string(64, 'a') + "\"}"), "host.request.key");
}

TEST(ControlApiTest, RefusesAConfigurationBeyondItsLimit) {
  RunRequest run;
  run.name = "a";
  run.config = Bytes(64UZ * 1024 + 1, 'x');
  EXPECT_EQ(id_of(encode_request(run)), "host.request.key");
}

TEST(ControlApiTest, NeverRepeatsAnUnknownKey) {
  const auto refused = parse_request("{\"op\":\"ps\",\"\\u001b[31mred\":1}");
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().detail(), testing::Not(testing::HasSubstr("red")));
}

TEST(ControlApiTest, CarriesRefusals) {
  const Reported refusal{ErrorCode::kUnavailable, "host.no_room", "no \"room\"\n", "stop one"};
  const auto answer = parse_answer(encode_refusal(refusal));
  ASSERT_TRUE(answer && answer->refusal);
  EXPECT_EQ(answer->refusal->code, refusal.code);
  EXPECT_EQ(answer->refusal->id, refusal.id);
  EXPECT_EQ(answer->refusal->detail, refusal.detail);
  EXPECT_EQ(answer->refusal->remedy, refusal.remedy);
}

TEST(ControlApiTest, RefusesAnswersThatAreNone) {
  const auto id = [](std::string_view line) {
    const auto answer = parse_answer(line);
    return answer ? std::string("accepted") : std::string(answer.error().id());
  };
  EXPECT_EQ(id("{}"), "host.answer.syntax");
  EXPECT_EQ(id("[1]"), "host.answer.syntax");
  EXPECT_EQ(id(R"({"ok":false})"), "host.answer.syntax");
  EXPECT_EQ(id(R"({"ok":false,"error":null})"), "host.answer.syntax");
  EXPECT_EQ(id(R"({"ok":false,"error":{"code":"internal","id":"No Id","detail":"","remedy":""}})"),
            "host.answer.syntax");
  EXPECT_EQ(id(R"({"ok":false,"error":{"code":"odd","id":"a.b","detail":"","remedy":""}})"), "host.answer.syntax");
  EXPECT_EQ(id(R"({"ok":true,"enclaves":[]})"), "accepted");
}

TEST(ReportedTest, KnowsItsIdsAndCodes) {
  EXPECT_TRUE(well_formed_id("a.b_2"));
  for (const char* id : {"", "a", "a.", ".a", "a..b", "A.b", "a b.c"}) EXPECT_FALSE(well_formed_id(id)) << id;
  EXPECT_FALSE(well_formed_id("a." + std::string(95, 'x')));
  EXPECT_EQ(error_code_from("not authentic"), ErrorCode::kNotAuthentic);
  EXPECT_EQ(error_code_from("fine"), std::nullopt);
  EXPECT_EQ(printable("a\x1b[1m\n\xff"), "a?[1m ?");
  EXPECT_EQ(printable(std::string(5000, 'a')).size(), kMaxReportedText);
}

}  // namespace
}  // namespace gateway::host
