#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using std::chrono::seconds;

const MonotonicTime kStart{seconds(1000)};

TEST(TokenBucket, HoldsOneMinutesWorth) {
  TokenBucket bucket(60, kStart);
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(bucket.wait_for(1, kStart), 0U);
    bucket.charge(1, kStart);
  }
  EXPECT_EQ(bucket.wait_for(1, kStart), 1U);
  EXPECT_EQ(bucket.wait_for(1, kStart + seconds(1)), 0U);
  EXPECT_EQ(bucket.wait_for(1, kStart + seconds(3600)), 0U);
}

TEST(TokenBucket, SaysHowLongToWait) {
  TokenBucket bucket(6, kStart);
  bucket.charge(6, kStart);
  EXPECT_EQ(bucket.wait_for(1, kStart), 10U);
  EXPECT_EQ(bucket.wait_for(1, kStart + seconds(4)), 6U);
}

TEST(TokenBucket, ADebtIsPaidFirst) {
  TokenBucket bucket(60, kStart);
  bucket.charge(180, kStart);
  EXPECT_EQ(bucket.wait_for(1, kStart), 121U);
  bucket.charge(-150, kStart);
  EXPECT_EQ(bucket.wait_for(1, kStart), 0U);
}

TEST(TokenBucket, WhatIsGivenBackNeverExceedsAMinute) {
  TokenBucket bucket(10, kStart);
  bucket.charge(-1000, kStart);
  bucket.charge(10, kStart);
  EXPECT_GT(bucket.wait_for(1, kStart), 0U);
}

TEST(TokenBucket, ZeroMeansNoQuota) {
  TokenBucket bucket(0, kStart);
  bucket.charge(1e9, kStart);
  EXPECT_EQ(bucket.wait_for(1e9, kStart), 0U);
}

TEST(TokenBucket, ANewRateKeepsWhatWasUsed) {
  TokenBucket bucket(10, kStart);
  bucket.charge(10, kStart);
  bucket.set_rate(20, kStart);
  bucket.charge(10, kStart);
  EXPECT_GT(bucket.wait_for(1, kStart), 0U);
}

}  // namespace
}  // namespace gateway
