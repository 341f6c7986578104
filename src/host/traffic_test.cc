#include "host/traffic.h"

#include <gtest/gtest.h>

namespace gateway::host {
namespace {

TEST(Traffic, GoesThroughJsonAndBack) {
  Traffic traffic;
  EXPECT_EQ(encode_traffic(traffic), "{}");
  EXPECT_EQ(parse_traffic("{}").value(), traffic);
  traffic = {.connections = 100,
             .in = {.per_second = 1 << 20, .burst = 0},
             .out = {.per_second = 10, .burst = 20},
             .per_source = {.per_second = 5, .burst = 50},
             .client_address = true};
  EXPECT_EQ(parse_traffic(encode_traffic(traffic)).value(), traffic);
}

TEST(Traffic, RefusesWhatIsNone) {
  for (const char* json : {"", "[]", R"({"connections":-1})", R"({"connections":1000001})", R"({"in":5})",
                           R"({"in":{"rate":1}})", R"({"in":{"rate":1,"burst":"x"}})", R"({"more":1})",
                           R"({"client_address":1})", R"({"out":{"rate":1,"burst":1,"x":1}})"}) {
    const auto parsed = parse_traffic(json);
    ASSERT_FALSE(parsed) << json;
    EXPECT_EQ(parsed.error().id(), "host.traffic") << json;
  }
}

TEST(Traffic, RatesAreWrittenAsPeopleWriteThem) {
  EXPECT_EQ(parse_rate("10MiB").value(), (net::Rate{10 << 20, 0}));
  EXPECT_EQ(parse_rate("1KiB:1MiB").value(), (net::Rate{1024, 1 << 20}));
  EXPECT_EQ(parse_rate("20:100").value(), (net::Rate{20, 100}));
  for (const char* text : {"", "0", "x", "10:", "10:0", ":10", "10MB", "-1", "10:20:30"}) {
    EXPECT_EQ(parse_rate(text).error().id(), "host.traffic") << text;
  }
}

}  // namespace
}  // namespace gateway::host
