#include "runtime/usage_meter.h"

#include <gtest/gtest.h>

namespace gateway::runtime {
namespace {

using Ending = server::ForwardObserver::Ending;

constexpr std::string_view kUsage =
    R"({"choices":[],"usage":{"completion_tokens":4,"prompt_tokens":6,"total_tokens":10}})";

std::uint64_t total(const std::optional<Usage>& usage) { return usage ? usage->prompt + usage->completion : 0; }

TEST(ParseUsage, ReadsTheEnginesCount) {
  EXPECT_EQ(total(parse_usage(kUsage)), 10U);
  EXPECT_EQ(total(parse_usage(R"({"usage":{"prompt_tokens":3}})")), 3U);  // embeddings
}

TEST(ParseUsage, ACountThatIsNoneIsNone) {
  for (const char* text : {"", "[]", "{}", R"({"usage":null})", R"({"usage":7})", R"({"usage":{"prompt_tokens":-1}})",
                           R"({"usage":{"prompt_tokens":1.5}})", R"({"usage":{"prompt_tokens":100000001}})",
                           R"({"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2}})"}) {
    EXPECT_FALSE(parse_usage(text)) << text;
  }
}

TEST(UsageReader, AWholeAnswerInPieces) {
  UsageReader reader(AnswerShape::kJson);
  for (const char c : kUsage) reader.take(as_bytes({&c, 1}));
  reader.end();
  EXPECT_EQ(total(reader.usage()), 10U);
}

TEST(UsageReader, AnAnswerThatIsTooLargeIsNotKept) {
  UsageReader reader(AnswerShape::kJson);
  reader.take(Bytes(kMaxMeteredAnswer, ' '));
  reader.take(as_bytes(kUsage));
  reader.end();
  EXPECT_FALSE(reader.usage());
}

TEST(UsageReader, AStreamInPiecesOfEverySize) {
  const std::string stream = "data: {\"choices\":[{\"text\":\"a\"}]}\r\n\r\n: comment\n\ndata: " + std::string(kUsage) +
                             "\n\ndata: [DONE]\n\n";
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    UsageReader reader(AnswerShape::kEventStream);
    for (std::size_t at = 0; at < stream.size(); at += size)
      reader.take(as_bytes(std::string_view(stream).substr(at, size)));
    reader.end();
    EXPECT_EQ(total(reader.usage()), 10U) << size;
    EXPECT_EQ(reader.events(), 3U) << size;
  }
}

TEST(UsageReader, AModelsTextIsNoCount) {
  UsageReader reader(AnswerShape::kEventStream);
  reader.take(as_bytes(R"(data: {"choices":[{"text":"\"usage\":{\"prompt_tokens\":1}"}]})"
                       "\n"));
  reader.take(as_bytes("\"usage\":{\"prompt_tokens\":1}\n"));
  EXPECT_FALSE(reader.usage());
}

TEST(UsageReader, ALineThatIsTooLongIsSkippedAlone) {
  UsageReader reader(AnswerShape::kEventStream);
  reader.take(as_bytes("data: "));
  for (int i = 0; i < 3; ++i) reader.take(Bytes(kMaxMeteredLine, 'x'));
  reader.take(as_bytes("\ndata: " + std::string(kUsage) + "\n"));
  EXPECT_EQ(total(reader.usage()), 10U);
}

class UsageAccountTest : public ::testing::Test {
 protected:
  UsageAccountTest() {
    entry_.tokens_per_minute = 1000;
    caller_ = std::make_shared<AdmittedCaller>(entry_, loop_.now());
  }
  // What one request took from a bucket of a thousand, to within what time gives back.
  int cost(AnswerShape shape, std::string_view answer, Ending ending, int status) {
    caller_ = std::make_shared<AdmittedCaller>(entry_, loop_.now());
    UsageAccount account(loop_, caller_);
    account.open({.body = {}, .answer = shape, .max_tokens = 100, .prompt_estimate = 20});
    account.take(as_bytes(answer));
    account.settle(ending, status);
    int left = 0;
    while (left < 1000 && caller_->model_tokens.wait_for(left + 1, loop_.now()) == 0) ++left;
    return 1000 - left;
  }
  net::Loop loop_;
  channel::TokenEntry entry_;
  std::shared_ptr<AdmittedCaller> caller_;
};

TEST_F(UsageAccountTest, TheEnginesCountIsCharged) {
  EXPECT_NEAR(cost(AnswerShape::kJson, kUsage, Ending::kComplete, 200), 10, 1);
  EXPECT_EQ(caller_->counters.prompt_tokens, 6U);
  EXPECT_EQ(caller_->counters.completion_tokens, 4U);
}

TEST_F(UsageAccountTest, AnErrorCostsNothing) {
  EXPECT_NEAR(cost(AnswerShape::kJson, "{}", Ending::kComplete, 400), 0, 1);
}

TEST_F(UsageAccountTest, LeavingAStreamCostsWhatWasSeen) {
  EXPECT_NEAR(cost(AnswerShape::kEventStream, "data: a\n\ndata: b\n\n", Ending::kCallerLeft, 200), 22, 1);
  EXPECT_EQ(caller_->counters.estimated_tokens, 22U);
}

TEST_F(UsageAccountTest, LeavingBeforeAnythingWasSeenCostsTheReservation) {
  EXPECT_NEAR(cost(AnswerShape::kEventStream, "", Ending::kCallerLeft, 0), 120, 1);
  EXPECT_NEAR(cost(AnswerShape::kJson, "{\"cho", Ending::kWorkloadFailed, 200), 120, 1);
}

TEST_F(UsageAccountTest, MoreEventsThanReservedCostTheReservation) {
  std::string events;
  for (int i = 0; i < 500; ++i) events += "data: x\n\n";
  EXPECT_NEAR(cost(AnswerShape::kEventStream, events, Ending::kComplete, 200), 120, 1);
}

TEST_F(UsageAccountTest, RequestsAtOnceCannotOverdraw) {
  entry_.tokens_per_minute = 150;
  caller_ = std::make_shared<AdmittedCaller>(entry_, loop_.now());
  UsageAccount first(loop_, caller_);
  UsageAccount second(loop_, caller_);
  const LlamaRequest request{.body = {}, .answer = AnswerShape::kJson, .max_tokens = 100, .prompt_estimate = 20};
  first.open(request);
  EXPECT_EQ(caller_->model_tokens.wait_for(1, loop_.now()), 0U);
  second.open(request);
  EXPECT_GT(caller_->model_tokens.wait_for(1, loop_.now()), 0U);
}

TEST_F(UsageAccountTest, ARequestThatWasRefusedOpensNothing) {
  UsageAccount account(loop_, caller_);
  account.settle(Ending::kComplete, 400);
  EXPECT_EQ(caller_->model_tokens.wait_for(1000, loop_.now()), 0U);
}

}  // namespace
}  // namespace gateway::runtime
