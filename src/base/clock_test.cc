#include "base/clock.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using std::chrono::milliseconds;

Time at(std::int64_t milliseconds_since_1970) { return Time(milliseconds(milliseconds_since_1970)); }

TEST(Rfc3339, WritesUtc) {
  EXPECT_EQ(to_rfc3339(at(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339(at(1'767'323'045'000)), "2026-01-02T03:04:05Z");
  EXPECT_EQ(to_rfc3339(at(1'767'323'045'006)), "2026-01-02T03:04:05.006Z");
  EXPECT_EQ(to_rfc3339(at(-1)), "1969-12-31T23:59:59.999Z");
}

TEST(Rfc3339, ReadsOffsetsAndFractions) {
  EXPECT_EQ(from_rfc3339("2026-01-02T03:04:05Z"), at(1'767'323'045'000));
  EXPECT_EQ(from_rfc3339("2026-01-02t03:04:05z"), at(1'767'323'045'000));
  EXPECT_EQ(from_rfc3339("2026-01-02 03:04:05.5Z"), at(1'767'323'045'500));
  EXPECT_EQ(from_rfc3339("2026-01-02T03:04:05.123456789Z"), at(1'767'323'045'123));
  EXPECT_EQ(from_rfc3339("2026-01-02T05:04:05+02:00"), at(1'767'323'045'000));
  EXPECT_EQ(from_rfc3339("2026-01-01T21:34:05-05:30"), at(1'767'323'045'000));
  EXPECT_EQ(from_rfc3339("2024-02-29T00:00:00Z"), at(1'709'164'800'000));
}

TEST(Rfc3339, ReadsWhatItWrites) {
  for (const std::int64_t time : {0LL, 951'782'400'001LL, 4'102'444'799'999LL, -62'135'596'800'000LL}) {
    EXPECT_EQ(from_rfc3339(to_rfc3339(at(time))), at(time)) << time;
  }
}

TEST(Rfc3339, RefusesEverythingElse) {
  for (const char* text :
       {"", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-02-29T03:04:05Z",
        "2026-01-00T03:04:05Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05+01:60", "2026-01-02T03:04:05+0100",
        "2026-01-02T03:04:05Zx", "26-01-02T03:04:05Z", "2026-1-2T03:04:05Z", " 2026-01-02T03:04:05Z"}) {
    EXPECT_FALSE(from_rfc3339(text)) << text;
  }
}

TEST(Duration, ReadsEachUnit) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("30s"), milliseconds(30'000));
  EXPECT_EQ(parse_duration("5m"), milliseconds(300'000));
  EXPECT_EQ(parse_duration("12h"), milliseconds(43'200'000));
  EXPECT_EQ(parse_duration("7d"), milliseconds(604'800'000));
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text : {"", "5", "s", "-5s", "+5s", "5 s", "5S", "5min", "1.5h", "99999999999d", "5s5s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(TimeWindow, ContainsItsEndsAndNothingOutside) {
  const TimeWindow window{at(10), at(20)};
  EXPECT_FALSE(window.contains(at(9)));
  EXPECT_TRUE(window.contains(at(10)));
  EXPECT_TRUE(window.contains(at(20)));
  EXPECT_FALSE(window.contains(at(21)));
}

TEST(TimeWindow, IntersectsToWhatBothAllow) {
  TimeWindow window;
  window.intersect({at(10), at(20)});
  window.intersect({at(5), at(15)});
  EXPECT_EQ(window.not_before, at(10));
  EXPECT_EQ(window.not_after, at(15));
  window.intersect({at(30), at(40)});
  EXPECT_FALSE(window.contains(at(12)));
  EXPECT_FALSE(window.contains(at(35)));
}

TEST(SystemClock, RunsNearTheSystemsTime) {
  const SystemClock clock;
  const auto difference = std::chrono::system_clock::now() - clock.now();
  EXPECT_LT(std::chrono::abs(difference), std::chrono::seconds(5));
}

}  // namespace
}  // namespace gateway
