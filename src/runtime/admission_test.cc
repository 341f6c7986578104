#include "runtime/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::runtime {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class FixedClock final : public Clock {
 public:
  Time now() const override { return at; }
  Time at = Time(seconds(1'790'000'000));
};

class AdmissionTest : public ::testing::Test {
 protected:
  channel::TokenEntry entry(std::string id, std::string_view token, std::uint32_t rights = channel::kRightCall) {
    return {.id = std::move(id), .token_sha256 = channel::token_digest(as_bytes(token)), .rights = rights};
  }
  Status replace(std::uint64_t version, std::vector<channel::TokenEntry> entries) {
    return admission_.replace(
        *channel::sign_token_list(
            {.version = version, .not_after = clock_.at + hours(1), .entries = std::move(entries)}, key_),
        now_);
  }
  // "admitted", or status and id.
  std::string judged(std::optional<std::string_view> authorization, channel::Right right = channel::kRightCall) {
    const auto caller = admission_.admit(authorization, right, now_);
    if (caller) return "admitted";
    const std::string body(as_text(caller.error().body));
    const std::size_t at = body.find("\"id\":\"") + 6;
    last_headers_ = caller.error().extra_headers;
    return std::to_string(caller.error().status) + " " + body.substr(at, body.find('"', at) - at);
  }
  FixedClock clock_;
  crypto::PrivateKey key_ = *crypto::PrivateKey::generate(crypto::KeyType::kP256);
  Admission admission_{key_.public_key(), clock_};
  MonotonicTime now_{seconds(5000)};
  std::string last_headers_;
};

TEST_F(AdmissionTest, WithoutAListNobodyIsAdmitted) {
  EXPECT_EQ(judged("Bearer anything"), "401 tokens.unknown");
  EXPECT_EQ(judged(std::nullopt), "401 tokens.missing");
}

TEST_F(AdmissionTest, AdmitsListedTokens) {
  ASSERT_TRUE(replace(1, {entry("a", "secret"), entry("b", "other")}));
  EXPECT_EQ(judged("Bearer secret"), "admitted");
  EXPECT_EQ(judged("bearer  other"), "admitted");
  EXPECT_EQ(judged("Bearer secre"), "401 tokens.unknown");
  EXPECT_EQ(judged("Bearer secrets"), "401 tokens.unknown");
}

TEST_F(AdmissionTest, RefusesOtherSchemesAndShapes) {
  ASSERT_TRUE(replace(1, {entry("a", "secret")}));
  for (const char* header : {"", "secret", "Basic secret", "Bearer", "Bearer ", "Bearersecret", "Bearer secret x"}) {
    EXPECT_EQ(judged(header), "401 tokens.missing") << header;
  }
  EXPECT_EQ(last_headers_, "WWW-Authenticate: Bearer\r\n");
  EXPECT_EQ(judged("Bearer " + std::string(300, 'a')), "401 tokens.missing");
}

TEST_F(AdmissionTest, ARightThatATokenLacksIsRefused) {
  ASSERT_TRUE(replace(1, {entry("a", "caller"), entry("b", "reader", channel::kRightLogs)}));
  EXPECT_EQ(judged("Bearer caller", channel::kRightLogs), "403 tokens.right");
  EXPECT_EQ(judged("Bearer reader", channel::kRightLogs), "admitted");
  EXPECT_EQ(judged("Bearer reader", channel::kRightCall), "403 tokens.right");
  EXPECT_EQ(judged("Bearer reader", channel::kRightMetrics), "403 tokens.right");
}

TEST_F(AdmissionTest, ExpiryIsEnforcedOnEveryRequest) {
  ASSERT_TRUE(replace(1, {entry("a", "secret")}));
  clock_.at += hours(1) - seconds(1);
  EXPECT_EQ(judged("Bearer secret"), "admitted");
  clock_.at += seconds(1);
  EXPECT_EQ(judged("Bearer secret"), "401 tokens.expired");
}

TEST_F(AdmissionTest, TheHighestVersionWins) {
  ASSERT_TRUE(replace(5, {entry("a", "old")}));
  ASSERT_TRUE(replace(7, {entry("a", "new")}));
  EXPECT_EQ(judged("Bearer old"), "401 tokens.unknown");
  EXPECT_EQ(replace(5, {entry("a", "old")}).error().id(), "tokens.version");
  EXPECT_EQ(replace(7, {entry("a", "old")}).error().id(), "tokens.version");
  EXPECT_EQ(judged("Bearer new"), "admitted");
  EXPECT_EQ(admission_.version(), 7U);
}

TEST_F(AdmissionTest, TheSameBytesAgainChangeNothing) {
  const Bytes file = *channel::sign_token_list(
      {.version = 3, .not_after = clock_.at + hours(1), .entries = {entry("a", "secret")}}, key_);
  ASSERT_TRUE(admission_.replace(file, now_));
  EXPECT_TRUE(admission_.replace(file, now_));
  EXPECT_EQ(judged("Bearer secret"), "admitted");
}

TEST_F(AdmissionTest, AListOfAnotherKeyChangesNothing) {
  ASSERT_TRUE(replace(1, {entry("a", "secret")}));
  const auto other = *crypto::PrivateKey::generate(crypto::KeyType::kP256);
  const Bytes forged = *channel::sign_token_list(
      {.version = 9, .not_after = clock_.at + hours(1), .entries = {entry("b", "forged")}}, other);
  EXPECT_EQ(admission_.replace(forged, now_).error().id(), "tokens.signature");
  EXPECT_EQ(judged("Bearer forged"), "401 tokens.unknown");
  EXPECT_EQ(judged("Bearer secret"), "admitted");
}

TEST_F(AdmissionTest, RequestsAMinuteAreCounted) {
  channel::TokenEntry limited = entry("a", "secret");
  limited.requests_per_minute = 2;
  ASSERT_TRUE(replace(1, {limited}));
  EXPECT_EQ(judged("Bearer secret"), "admitted");
  EXPECT_EQ(judged("Bearer secret"), "admitted");
  EXPECT_EQ(judged("Bearer secret"), "429 tokens.requests");
  EXPECT_EQ(last_headers_, "Retry-After: 30\r\n");
  now_ += seconds(30);
  EXPECT_EQ(judged("Bearer secret"), "admitted");
  EXPECT_EQ(admission_.callers()[0]->counters.requests, 3U);
  EXPECT_EQ(admission_.callers()[0]->counters.refused, 1U);
}

TEST_F(AdmissionTest, ANewListIsNoNewMinute) {
  channel::TokenEntry limited = entry("a", "secret");
  limited.requests_per_minute = 1;
  ASSERT_TRUE(replace(1, {limited}));
  EXPECT_EQ(judged("Bearer secret"), "admitted");
  ASSERT_TRUE(replace(2, {limited}));
  EXPECT_EQ(judged("Bearer secret"), "429 tokens.requests");
}

TEST_F(AdmissionTest, ModelTokensInDebtRefuseTheNextRequest) {
  channel::TokenEntry limited = entry("a", "secret");
  limited.tokens_per_minute = 60;
  ASSERT_TRUE(replace(1, {limited}));
  const auto caller = admission_.admit("Bearer secret", channel::kRightCall, now_);
  ASSERT_TRUE(caller);
  (*caller)->model_tokens.charge(90, now_);
  EXPECT_EQ(judged("Bearer secret"), "429 tokens.quota");
  EXPECT_EQ(last_headers_, "Retry-After: 31\r\n");
}

TEST(RetryAfter, SaysAMinuteAtMost) {
  EXPECT_EQ(retry_after(0), "Retry-After: 1\r\n");
  EXPECT_EQ(retry_after(60), "Retry-After: 60\r\n");
  EXPECT_EQ(retry_after(3600), "Retry-After: 60\r\n");
}

}  // namespace
}  // namespace gateway::runtime
