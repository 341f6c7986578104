#include "egress/packet_filter.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace gateway::egress {
namespace {

Bytes v4(const char* from, const char* to, std::uint8_t protocol, std::uint16_t from_port, std::uint16_t to_port) {
  ByteWriter out;
  const std::size_t payload = protocol == 6 ? 20 : 8;
  out.u8(0x45);
  out.u8(0);
  out.u16be(static_cast<std::uint16_t>(20 + payload));
  out.zeros(5);
  out.u8(protocol);
  out.u16be(0);
  out.put(net::IpAddress::parse(from)->view());
  out.put(net::IpAddress::parse(to)->view());
  Bytes bytes = out.bytes();
  bytes[8] = 64;
  ByteWriter ports;
  ports.u16be(from_port);
  ports.u16be(to_port);
  append(bytes, ports.bytes());
  bytes.resize(20 + payload);
  bytes[9] = protocol;
  return bytes;
}

PacketFilter filter() {
  return PacketFilter({*net::IpAddress::parse("10.111.0.2")}, [](const net::IpEndpoint& other, bool udp) {
    return other.to_string() == (udp ? "192.0.2.1:123" : "192.0.2.1:80");
  });
}

TEST(PacketFilter, LetsListedFlowsThroughBothWays) {
  EXPECT_TRUE(filter().may_leave(v4("10.111.0.2", "192.0.2.1", 6, 40000, 80)));
  EXPECT_TRUE(filter().may_enter(v4("192.0.2.1", "10.111.0.2", 6, 80, 40000)));
  EXPECT_TRUE(filter().may_leave(v4("10.111.0.2", "192.0.2.1", 17, 40000, 123)));
  EXPECT_TRUE(filter().may_enter(v4("192.0.2.1", "10.111.0.2", 17, 123, 40000)));
}

TEST(PacketFilter, RefusesEverythingElse) {
  EXPECT_FALSE(filter().may_leave(v4("10.111.0.2", "192.0.2.2", 6, 40000, 80))) << "another address";
  EXPECT_FALSE(filter().may_leave(v4("10.111.0.2", "192.0.2.1", 6, 40000, 81))) << "another port";
  EXPECT_FALSE(filter().may_leave(v4("10.111.0.2", "192.0.2.1", 17, 40000, 80))) << "another protocol";
  EXPECT_FALSE(filter().may_leave(v4("10.111.0.3", "192.0.2.1", 6, 40000, 80))) << "another sender";
  EXPECT_FALSE(filter().may_leave(v4("10.111.0.2", "169.254.169.254", 6, 40000, 80)));
  EXPECT_FALSE(filter().may_leave(v4("10.111.0.2", "192.0.2.1", 1, 40000, 80))) << "ICMP";
  EXPECT_FALSE(filter().may_enter(v4("192.0.2.2", "10.111.0.2", 6, 80, 40000)));
  EXPECT_FALSE(filter().may_enter(v4("192.0.2.1", "10.111.0.2", 6, 81, 40000)));
  EXPECT_FALSE(filter().may_enter(v4("192.0.2.1", "10.111.0.9", 6, 80, 40000)));
}

TEST(PacketFilter, RefusesWhatCannotBeJudged) {
  const Bytes good = v4("10.111.0.2", "192.0.2.1", 6, 40000, 80);
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(flow_of(ByteView(good).first(size))) << size;
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(flow_of(longer)) << "the length says otherwise";
  Bytes options = good;
  options[0] = 0x46;
  EXPECT_FALSE(flow_of(options)) << "options can route";
  for (const std::uint8_t flags : {std::uint8_t{0x20}, std::uint8_t{0x01}}) {
    Bytes fragment = good;
    fragment[6] = flags;
    EXPECT_FALSE(flow_of(fragment)) << "a fragment's ports are in another packet";
  }
  Bytes whole = good;
  whole[6] = 0x40;
  EXPECT_TRUE(flow_of(whole)) << "don't fragment is no fragment";
}

TEST(PacketFilter, ReadsIpv6WithoutExtensionHeads) {
  ByteWriter out;
  out.u32be(0x60000000);
  out.u16be(8);
  out.u8(17);
  out.u8(64);
  out.put(net::IpAddress::parse("2001:db8::1")->view());
  out.put(net::IpAddress::parse("2001:db8::2")->view());
  out.u16be(1000);
  out.u16be(53);
  out.u32be(0);
  const auto flow = flow_of(out.bytes());
  ASSERT_TRUE(flow);
  EXPECT_TRUE(flow->udp);
  EXPECT_EQ(flow->to.to_string(), "[2001:db8::2]:53");
  Bytes extended = out.bytes();
  extended[6] = 0;  // hop-by-hop options
  EXPECT_FALSE(flow_of(extended));
}

}  // namespace
}  // namespace gateway::egress
