#include "base/error.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/result.h"

namespace gateway {
namespace {

constexpr ErrorCode kAllCodes[] = {ErrorCode::kMalformed,       ErrorCode::kUnsupported, ErrorCode::kLimitExceeded,
                                   ErrorCode::kNotAuthentic,    ErrorCode::kExpired,     ErrorCode::kPolicyRejected,
                                   ErrorCode::kInvalidArgument, ErrorCode::kNotFound,    ErrorCode::kUnavailable,
                                   ErrorCode::kInternal};

TEST(Error, CarriesCodeIdDetailAndRemedy) {
  const Error error(ErrorCode::kExpired, "test.window", "ended yesterday", "ask again");
  EXPECT_EQ(error.code(), ErrorCode::kExpired);
  EXPECT_EQ(error.id(), "test.window");
  EXPECT_EQ(error.detail(), "ended yesterday");
  EXPECT_EQ(error.remedy(), "ask again");
  EXPECT_EQ(error.message(), "test.window: ended yesterday");
}

TEST(Error, WithoutDetailIsItsId) { EXPECT_EQ(Error(ErrorCode::kInternal, "test.fault").message(), "test.fault"); }

TEST(Error, NamesEveryCodeDifferently) {
  for (const ErrorCode a : kAllCodes) {
    EXPECT_FALSE(to_string(a).empty());
    for (const ErrorCode b : kAllCodes) EXPECT_EQ(to_string(a) == to_string(b), a == b);
  }
}

TEST(Error, KeepsRefusedUsageUndecidedAndBrokenApart) {
  EXPECT_EQ(exit_status(ErrorCode::kMalformed), 1);
  EXPECT_EQ(exit_status(ErrorCode::kUnsupported), 1);
  EXPECT_EQ(exit_status(ErrorCode::kLimitExceeded), 1);
  EXPECT_EQ(exit_status(ErrorCode::kNotAuthentic), 1);
  EXPECT_EQ(exit_status(ErrorCode::kExpired), 1);
  EXPECT_EQ(exit_status(ErrorCode::kPolicyRejected), 1);
  EXPECT_EQ(exit_status(ErrorCode::kInvalidArgument), 2);
  EXPECT_EQ(exit_status(ErrorCode::kNotFound), 3);
  EXPECT_EQ(exit_status(ErrorCode::kUnavailable), 3);
  EXPECT_EQ(exit_status(ErrorCode::kInternal), 4);
}

// Ids come from literals at compile time; one made at run time, possibly from a peer's bytes, does not compile.
constexpr ErrorId kCompileTimeId = "test.thing.with_2_words";
static_assert(kCompileTimeId.view() == "test.thing.with_2_words");
static_assert(!std::is_convertible_v<std::string, ErrorId> && !std::is_convertible_v<std::string_view, ErrorId>);

Result<int> halve(int value) {
  if (value % 2 != 0) return fail(ErrorCode::kInvalidArgument, "test.odd", "odd");
  return value / 2;
}

Result<int> halve_twice(int value) {
  GATEWAY_ASSIGN(const int once, halve(value));
  GATEWAY_ASSIGN(const int twice, halve(once));
  return twice;
}

Status is_divisible_by_four(int value) {
  GATEWAY_TRY(halve_twice(value));
  return {};
}

TEST(Result, LeavesWithTheFirstError) {
  EXPECT_EQ(halve_twice(12).value(), 3);
  EXPECT_EQ(halve_twice(6).error().id(), "test.odd");
  EXPECT_TRUE(is_divisible_by_four(8));
  EXPECT_EQ(is_divisible_by_four(2).error().id(), "test.odd");
}

Result<std::unique_ptr<int>> make() { return std::make_unique<int>(7); }
Result<int> take() {
  GATEWAY_ASSIGN(const std::unique_ptr<int> made, make());
  return *made;
}

TEST(Result, MovesValuesThatCannotBeCopied) { EXPECT_EQ(take().value(), 7); }

}  // namespace
}  // namespace gateway
