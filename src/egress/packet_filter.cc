#include "egress/packet_filter.h"

#include <algorithm>

namespace gateway::egress {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::size_t kV4Head = 20;
constexpr std::size_t kV6Head = 40;

std::uint16_t u16(ByteView bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

}  // namespace

std::optional<PacketFlow> flow_of(ByteView packet) {
  if (packet.size() < kV4Head || packet.size() > kMaxPacket) return std::nullopt;
  PacketFlow out;
  std::uint8_t protocol = 0;
  ByteView payload;
  if (packet[0] == 0x45) {  // version 4, no options
    if (u16(packet, 2) != packet.size() || (u16(packet, 6) & 0x3fffU) != 0) return std::nullopt;
    protocol = packet[9];
    out.from.address = *net::IpAddress::from_bytes(packet.subspan(12, 4));
    out.to.address = *net::IpAddress::from_bytes(packet.subspan(16, 4));
    payload = packet.subspan(kV4Head);
  } else if (packet[0] >> 4U == 6 && packet.size() >= kV6Head) {
    if (u16(packet, 4) + kV6Head != packet.size()) return std::nullopt;
    protocol = packet[6];
    out.from.address = *net::IpAddress::from_bytes(packet.subspan(8, 16));
    out.to.address = *net::IpAddress::from_bytes(packet.subspan(24, 16));
    payload = packet.subspan(kV6Head);
  } else {
    return std::nullopt;
  }
  if (protocol == kTcp ? payload.size() < 20 : protocol != kUdp || payload.size() < 8) return std::nullopt;
  out.udp = protocol == kUdp;
  out.from.port = u16(payload, 0);
  out.to.port = u16(payload, 2);
  return out;
}

bool PacketFilter::mine(const net::IpAddress& address) const { return std::ranges::find(own_, address) != own_.end(); }

bool PacketFilter::may_leave(ByteView packet) const {
  const auto flow = flow_of(packet);
  return flow && mine(flow->from.address) && !flow->to.address.special() && allowed_(flow->to, flow->udp);
}

bool PacketFilter::may_enter(ByteView packet) const {
  const auto flow = flow_of(packet);
  return flow && mine(flow->to.address) && !flow->from.address.special() && allowed_(flow->from, flow->udp);
}

}  // namespace gateway::egress
