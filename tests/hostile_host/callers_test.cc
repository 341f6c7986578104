// Who may call: tokens, their lists, rights and quotas. The caller here verified nothing and needs to: it is the
// attacker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "callers.h"
#include "suite.h"

namespace gateway::hostile_suite {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

harness::HttpAnswer call(const std::string& request, std::string_view method = "GET") {
  const auto client = harness::RawClient::tls(enclave().listen);
  return client ? client->exchange(request, method) : harness::HttpAnswer{};
}

void expect_answer(const harness::HttpAnswer& answer, int status, const std::string& id) {
  EXPECT_EQ(answer.status, status) << answer.head << answer.body;
  EXPECT_EQ(answer.error_id(), id) << answer.body;
}

TEST(Callers, WithoutATokenNothingIsServed) {
  attack("a call without a token", "401 `tokens.missing`");
  expect_answer(call(harness::get("/echo")), 401, "tokens.missing");
  expect_answer(call(harness::get("/echo", "", "Authorization: Basic dXNlcjpwYXNz\r\n")), 401, "tokens.missing");
  EXPECT_EQ(call(harness::get("/echo", good_token())).status, 200);
}

TEST(Callers, GuessedTokensAreRefused) {
  attack("a guessed token, or one with a single character changed", "401 `tokens.unknown`");
  expect_answer(call(harness::get("/echo", new_token())), 401, "tokens.unknown");
  std::string near = good_token();
  near.back() = near.back() == 'A' ? 'Q' : 'A';
  expect_answer(call(harness::get("/echo", near)), 401, "tokens.unknown");
  expect_answer(call(harness::get("/echo", good_token() + "A")), 401, "tokens.unknown");
  const auto client = harness::RawClient::tls(enclave().listen);
  ASSERT_NE(client, nullptr);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client->exchange(harness::get("/echo", new_token())).status, 401);
}

TEST(Callers, ARemovedTokenStaysRemoved) {
  const std::string token = new_token();
  const std::string with = signed_list(next_version(), {entry_of("leaver", token)});
  const std::uint64_t removed_at = next_version();
  const std::string without = signed_list(removed_at, {});
  EXPECT_EQ(hand_over(with), "tokens.accepted");
  EXPECT_EQ(call(harness::get("/echo", token)).status, 200);
  EXPECT_EQ(hand_over(without), "tokens.accepted");
  attack("a token used after its removal", "401 `tokens.unknown`");
  expect_answer(call(harness::get("/echo", token)), 401, "tokens.unknown");
  attack("the host hands over an older list, in which the token still is", "`tokens.version`");
  EXPECT_EQ(hand_over(with), "tokens.version");
  expect_answer(call(harness::get("/echo", token)), 401, "tokens.unknown");
  attack("… or another list with the version of the present one", "`tokens.version`");
  EXPECT_EQ(hand_over(signed_list(removed_at, {entry_of("leaver", token)})), "tokens.version");
  expect_answer(call(harness::get("/echo", token)), 401, "tokens.unknown");
}

TEST(Callers, ARunningConnectionFeelsARemovalAtOnce) {
  attack("a removed token on a connection that is still open", "401 `tokens.unknown`");
  const std::string token = new_token();
  EXPECT_EQ(hand_over(signed_list(next_version(), {entry_of("leaver", token)})), "tokens.accepted");
  const auto client = harness::RawClient::tls(enclave().listen);
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->exchange(harness::get("/echo", token)).status, 200);
  EXPECT_EQ(hand_over(signed_list(next_version(), {})), "tokens.accepted");
  expect_answer(client->exchange(harness::get("/echo", token)), 401, "tokens.unknown");
}

TEST(Callers, AListThatAStrangerSignedIsRefused) {
  attack("a token list signed by another key", "`tokens.signature`");
  const std::string token = new_token();
  const auto list =
      signed_list(next_version(), {entry_of("stranger", token)}, std::chrono::hours(1), Signer::kStranger);
  EXPECT_EQ(hand_over(list), "tokens.signature");
  expect_answer(call(harness::get("/echo", token)), 401, "tokens.unknown");
}

TEST(Callers, AListThatLivesTooLongIsRefused) {
  attack("a token list that is to live for more than a day", "`tokens.not_after`");
  EXPECT_EQ(hand_over(signed_list(next_version(), {}, std::chrono::hours(25))), "tokens.not_after");
}

TEST(Callers, AListThatHasRunOutIsRefused) {
  attack("a token list past its end", "`tokens.expired`");
  EXPECT_EQ(hand_over(signed_list(next_version(), {}, -std::chrono::seconds(5))), "tokens.expired");
}

TEST(Callers, TokensDieWithTheirList) {
  attack("a token whose list was withheld from renewal", "401 `tokens.expired`");
  EXPECT_EQ(hand_over(signed_list(next_version(), {}, std::chrono::seconds(2))), "tokens.accepted");
  harness::HttpAnswer answer;
  for (int i = 0; i < 60; ++i) {
    answer = call(harness::get("/echo", good_token()));
    if (answer.status != 200) break;
    std::this_thread::sleep_for(Milliseconds(100));
  }
  expect_answer(answer, 401, "tokens.expired");
  EXPECT_EQ(hand_over(signed_list(next_version(), {})), "tokens.accepted");
  EXPECT_EQ(call(harness::get("/echo", good_token())).status, 200);
}

TEST(Callers, QuotasHold) {
  attack("a token over its quota of requests", "429 `tokens.requests`");
  const std::string token = new_token();
  auto entry = entry_of("greedy", token);
  entry.requests_per_minute = 3;
  EXPECT_EQ(hand_over(signed_list(next_version(), {entry})), "tokens.accepted");
  int served = 0;
  harness::HttpAnswer last;
  for (int i = 0; i < 10; ++i) {
    last = call(harness::get("/echo", token));
    served += last.status == 200 ? 1 : 0;
  }
  EXPECT_EQ(served, 3);
  expect_answer(last, 429, "tokens.requests");
  EXPECT_THAT(last.head, HasSubstr("Retry-After: "));
  EXPECT_EQ(call(harness::get("/echo", good_token())).status, 200) << "others are not affected";
}

TEST(Callers, RightsHold) {
  const std::string token = new_token();
  EXPECT_EQ(hand_over(signed_list(next_version(), {entry_of("plain", token)})), "tokens.accepted");
  attack("the workload's output asked for with a token that may only call", "403 `tokens.right`");
  expect_answer(call(harness::get("/.well-known/gateway/logs", token)), 403, "tokens.right");
  expect_answer(call(harness::get("/metrics", token)), 403, "tokens.right");
  attack("… and without a token", "401 `tokens.missing`");
  expect_answer(call(harness::get("/.well-known/gateway/logs")), 401, "tokens.missing");
  expect_answer(call(harness::get("/metrics")), 401, "tokens.missing");
  EXPECT_EQ(call(harness::get("/.well-known/gateway/logs", good_token())).status, 200);
}

TEST(Callers, ACallerChoosesNothingButTheNonce) {
  attack("an attestation request that names more than a nonce", "400 `evidence.query`");
  const std::string path = "/.well-known/gateway/attestation?nonce=" + std::string(64, 'a');
  for (const char* more :
       {"&user_data=00", "&report_data=00", "&public_key=00", "&fresh=2", "&fresh=1&fresh=1", "&", "&nonce="}) {
    expect_answer(call(harness::get(path + more)), 400, "evidence.query");
  }
  expect_answer(call(harness::get("/.well-known/gateway/attestation?nonce=aa")), 400, "evidence.query");
  expect_answer(call(harness::post(path, "x")), 405, "gate.method");
}

TEST(Callers, TheHostNeverSeesPromptsAnswersOrTokens) {
  attack("the host looks for prompts and tokens in all that it holds", "nothing is there");
  const std::string secret = "a-prompt-for-this-test-" + new_token();
  EXPECT_EQ(call(harness::post("/echo?" + secret, secret, good_token()), "POST").body, secret);
  const auto grep = [](const std::string& text) {
    return harness::run({.argv = {"/bin/grep", "-rlaF", text, site().state()}});
  };
  EXPECT_EQ(grep(secret).status, 1) << grep(secret).out;
  EXPECT_EQ(grep(good_token()).status, 1) << grep(good_token()).out;
  EXPECT_EQ(grep("\"source\":\"enclave\"").status, 0) << "the state folder was not searched";
  EXPECT_THAT(site().daemon().err(), Not(HasSubstr(secret)));
}

}  // namespace
}  // namespace gateway::hostile_suite
