#include "egress/policy.h"

#include <gtest/gtest.h>

namespace gateway::egress {
namespace {

Policy policy(std::vector<std::string> allow, std::vector<std::string> insecure = {}, bool runtime_tls = false) {
  image::EgressDescription egress;
  egress.allow = std::move(allow);
  egress.insecure_allow = std::move(insecure);
  egress.runtime_tls = runtime_tls;
  return Policy::make(egress).value();
}

net::IpEndpoint at(const char* address, std::uint16_t port) { return {*net::IpAddress::parse(address), port}; }

TEST(Policy, OpensNothingUnlessItIsNamed) {
  const Policy none = policy({});
  EXPECT_TRUE(none.empty());
  EXPECT_FALSE(none.listed("example.org"));
  EXPECT_FALSE(none.by_name("example.org", 443));
  EXPECT_FALSE(none.by_address(at("192.0.2.1", 443)));
}

TEST(Policy, TakesNamesToTheLetter) {
  const Policy one = policy({"api.example.org:443", "*.example.net:8443"});
  EXPECT_EQ(one.by_name("api.example.org", 443), Carry::kTls);
  for (const char* name : {"example.org", "x.api.example.org", "api.example.org.evil.test", "xapi.example.org", ""})
    EXPECT_FALSE(one.by_name(name, 443)) << name;
  EXPECT_FALSE(one.by_name("api.example.org", 80));
  EXPECT_FALSE(one.by_name("api.example.org", 443, true)) << "UDP is not TCP";
  EXPECT_EQ(one.by_name("a.example.net", 8443), Carry::kTls);
  EXPECT_EQ(one.by_name("a.b.example.net", 8443), Carry::kTls);
  for (const char* name : {"example.net", ".example.net", "aexample.net"})
    EXPECT_FALSE(one.by_name(name, 8443)) << name;
  EXPECT_TRUE(one.listed("a.example.net"));
  EXPECT_FALSE(one.listed("example.net"));
}

TEST(Policy, TheStricterEntryHolds) {
  const Policy both = policy({"api.example.org:443"}, {"*.example.org:443"});
  EXPECT_EQ(both.by_name("api.example.org", 443), Carry::kTls);
  EXPECT_EQ(both.by_name("other.example.org", 443), Carry::kAnything);
  EXPECT_EQ(policy({"a.example.org:443"}, {}, true).by_name("a.example.org", 443), Carry::kRuntimeTls);
}

TEST(Policy, RangesOpenTheirAddressesAndNoSpecialOnes) {
  const Policy ranges = policy({}, {"10.0.0.0/8:5432", "[2001:db8::/32]:443", "128.0.0.0/1:80", "udp://192.0.2.7:123"});
  EXPECT_TRUE(ranges.by_address(at("10.1.2.3", 5432)));
  EXPECT_FALSE(ranges.by_address(at("10.1.2.3", 5433)));
  EXPECT_FALSE(ranges.by_address(at("11.1.2.3", 5432)));
  EXPECT_TRUE(ranges.by_address(at("2001:db8::7", 443)));
  EXPECT_TRUE(ranges.by_address(at("192.0.2.7", 80)));
  EXPECT_FALSE(ranges.by_address(at("169.254.169.254", 80))) << "the metadata service is in the range, and nobody's";
  EXPECT_FALSE(ranges.by_address(at("224.0.0.1", 80)));
  EXPECT_FALSE(ranges.by_address(at("::ffff:10.1.2.3", 5432)));
  EXPECT_TRUE(ranges.by_address(at("192.0.2.7", 123), true));
  EXPECT_FALSE(ranges.by_address(at("192.0.2.7", 123)));
}

TEST(EgressEntry, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "example.org",
                           "example.org:",
                           "example.org:0",
                           "example.org:65536",
                           "example.org:443x",
                           "EXAMPLE.org:443",
                           "*:443",
                           "*.org:443",
                           "*.:443",
                           "a.*.org:443",
                           "10.0.0.1/8:80",
                           "0.0.0.0/0:80",
                           "[::/0]:80",
                           "[10.0.0.0/8]:80",
                           "2001:db8::1:443",
                           "tcp://example.org:443",
                           "udp://:53",
                           "a b:1",
                           "127.1:80",
                           "http://example.org:80"}) {
    const auto entry = image::parse_egress_entry(text);
    ASSERT_FALSE(entry) << text;
    EXPECT_EQ(entry.error().id(), "image.egress") << text;
  }
}

}  // namespace
}  // namespace gateway::egress
