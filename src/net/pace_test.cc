#include "net/pace.h"

#include <gtest/gtest.h>

#include "net/proxy_protocol.h"

namespace gateway::net {
namespace {

using std::chrono::milliseconds;

TEST(Pace, GivesABurstAndThenItsRate) {
  const auto start = Pace::Clock::time_point{};
  Pace pace({.per_second = 1000, .burst = 3000}, start);
  EXPECT_EQ(pace.available(5000, start), 3000U);
  pace.take(3000);
  EXPECT_EQ(pace.available(5000, start), 0U);
  EXPECT_EQ(pace.available(5000, start + milliseconds(100)), 100U);
  EXPECT_EQ(pace.available(50, start + milliseconds(100)), 50U);
  pace.take(100);
  EXPECT_EQ(pace.available(5000, start + milliseconds(600)), 500U);
  EXPECT_EQ(pace.available(5000, start + std::chrono::hours(100)), 3000U) << "never more than a burst";
  EXPECT_TRUE(pace.full(start + std::chrono::hours(100)));
}

TEST(Pace, LosesNoTimeToManyCalls) {
  const auto start = Pace::Clock::time_point{};
  Pace pace({.per_second = 100, .burst = 0}, start);
  pace.take(100);
  for (int i = 1; i <= 1000; ++i) static_cast<void>(pace.available(1, start + milliseconds(i)));
  EXPECT_EQ(pace.available(1000, start + milliseconds(1000)), 100U);
}

TEST(Pace, BoundsNothingWithoutARate) {
  Pace pace({}, {});
  pace.take(1'000'000);
  EXPECT_EQ(pace.available(77, {}), 77U);
}

TEST(ProxyProtocol, SaysWhoseConnectionItIs) {
  for (const auto& [from, to] : {std::pair{"192.0.2.1", "198.51.100.2"}, std::pair{"2001:db8::1", "2001:db8::2"}}) {
    const IpEndpoint client{*IpAddress::parse(from), 40'000};
    Bytes header = encode_proxy_header(client, {*IpAddress::parse(to), 443});
    for (std::size_t size = 0; size < header.size(); ++size) {
      const auto parsed = parse_proxy_header(ByteView(header).first(size));
      ASSERT_TRUE(parsed) << size;
      EXPECT_FALSE(*parsed) << size;
    }
    const std::size_t size = header.size();
    header.push_back(0x16);
    const auto parsed = parse_proxy_header(header);
    ASSERT_TRUE(parsed && *parsed);
    EXPECT_EQ((*parsed)->size, size);
    ASSERT_TRUE((*parsed)->from);
    EXPECT_EQ((*parsed)->from->to_string(), client.to_string());
  }
  const auto local =
      parse_proxy_header(encode_proxy_header({*IpAddress::parse("192.0.2.1"), 1}, {*IpAddress::parse("::1"), 2}));
  ASSERT_TRUE(local && *local);
  EXPECT_FALSE((*local)->from);
}

TEST(ProxyProtocol, RefusesWhatIsNone) {
  const Bytes good = encode_proxy_header({*IpAddress::parse("192.0.2.1"), 1}, {*IpAddress::parse("192.0.2.2"), 2});
  EXPECT_FALSE(may_be_proxy_header(Bytes{0x16, 3, 1}));
  EXPECT_EQ(parse_proxy_header(Bytes{0x16, 3, 1}).error().id(), "proxy.header");
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes changed = good;
    changed[at] = value;
    const auto parsed = parse_proxy_header(changed);
    return parsed ? (*parsed ? "parsed" : "more") : std::string(parsed.error().id());
  };
  EXPECT_EQ(with(12, 0x11), "proxy.header") << "version 1";
  EXPECT_EQ(with(12, 0x2f), "proxy.header");
  EXPECT_EQ(with(14, 0xff), "proxy.header") << "too long";
  EXPECT_EQ(with(15, 4), "proxy.header") << "addresses cut short";
  EXPECT_EQ(with(13, 0x31), "parsed") << "a Unix socket's: no address for us";
}

}  // namespace
}  // namespace gateway::net
