#include "net/egress_link.h"

#include <gtest/gtest.h>

namespace gateway::net {
namespace {

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::1", "::ffff:192.0.2.1"}) {
    const auto parsed = IpAddress::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->to_string(), text);
  }
  for (const char* text : {"", "1", "127.1", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "fe80::1%eth0", "[::1]", "::g"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST(IpAddress, KnowsWhatNobodyMayReach) {
  for (const char* text : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "169.254.169.254", "224.0.0.1",
                           "255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1",
                           "2002:a00:1::", "fe80::1", "ff02::1", "fd00:ec2::254"}) {
    EXPECT_TRUE(IpAddress::parse(text)->special()) << text;
  }
  for (const char* text : {"10.0.0.1", "192.0.2.1", "1.1.1.1", "2600::1", "fd12:3456::1", "2001:db8::1"}) {
    EXPECT_FALSE(IpAddress::parse(text)->special()) << text;
  }
}

TEST(IpRange, ContainsItsOwn) {
  const auto range = IpRange::parse("10.0.0.0/9");
  ASSERT_TRUE(range);
  EXPECT_TRUE(range->contains(*IpAddress::parse("10.127.255.255")));
  EXPECT_FALSE(range->contains(*IpAddress::parse("10.128.0.0")));
  EXPECT_FALSE(range->contains(*IpAddress::parse("::ffff:10.0.0.1")));
  EXPECT_TRUE(IpRange::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:7fff::")));
  EXPECT_FALSE(IpRange::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:8000::")));
  EXPECT_TRUE(IpRange::parse("0.0.0.0/0")->contains(*IpAddress::parse("8.8.8.8")));
  EXPECT_TRUE(IpRange::parse("192.0.2.1")->contains(*IpAddress::parse("192.0.2.1")));
  for (const char* text :
       {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "x/8", "10.0.0.0/8 "})
    EXPECT_FALSE(IpRange::parse(text)) << text;
}

TEST(EgressLink, TargetsGoThere) {
  const EgressTarget target{"kms.example.org", {*IpAddress::parse("2001:db8::1"), 443}};
  const auto parsed = parse_target(encode_target(target));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->name, target.name);
  EXPECT_EQ(parsed->endpoint.to_string(), "[2001:db8::1]:443");
  EXPECT_EQ(parse_target(encode_target({"", {*IpAddress::parse("192.0.2.1"), 1}}))->endpoint.to_string(),
            "192.0.2.1:1");
}

TEST(EgressLink, RefusesTargetsThatAreNone) {
  const Bytes good = encode_target({"example.org", {*IpAddress::parse("192.0.2.1"), 443}});
  for (std::size_t size = 0; size < 7; ++size) EXPECT_FALSE(parse_target(ByteView(good).first(size))) << size;
  for (const char* name : {"Example.org", "a..b", ".a", "a.", "10.0.0.1", "127.1", "a b", "a\n"}) {
    EXPECT_FALSE(parse_target(encode_target({name, {*IpAddress::parse("192.0.2.1"), 443}}))) << name;
  }
  EXPECT_EQ(parse_target(encode_target({"", {*IpAddress::parse("192.0.2.1"), 0}})).error().id(), "egress.link");
}

TEST(EgressLink, MessagesComeWholeOrNotYet) {
  const Bytes whole = encode_egress(2, as_bytes("question"));
  std::size_t used = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto taken = take_egress(ByteView(whole).first(size), used);
    ASSERT_TRUE(taken);
    EXPECT_FALSE(*taken);
  }
  Bytes more = whole;
  more.push_back(7);
  const auto taken = take_egress(more, used);
  ASSERT_TRUE(taken && *taken);
  EXPECT_EQ((*taken)->code, 2);
  EXPECT_EQ(as_text((*taken)->body), "question");
  EXPECT_EQ(used, whole.size());
  EXPECT_EQ(take_egress(Bytes{1, 0x40, 1}, used).error().id(), "egress.link");
}

TEST(HostNames, AreNamesAlone) {
  for (const char* name : {"a", "kms.eu-central-1.amazonaws.com", "_dmarc.example.org", "xn--bcher-kva.example", "1a"})
    EXPECT_TRUE(well_formed_host_name(name)) << name;
  for (const std::string& name : {std::string(64, 'a'), std::string(254, 'a'), std::string("a.1"), std::string("*.a")})
    EXPECT_FALSE(well_formed_host_name(name)) << name;
}

}  // namespace
}  // namespace gateway::net
