// IP packets of the workload's network device, one by one: which may leave, and which may come in.
//
// Stateless, and for insecure_allow alone: TCP and UDP to addresses and ports on the list, or to addresses that names
// on it lead to; back from them. No fragments, no extension headers, no options that route, no ICMP, no multicast.
// Input:  packets of the workload and of the host, untrusted. Bounds: kMaxPacket.
// Spec:   RFC 791, RFC 8200, RFC 9293 §3.1, RFC 768.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "net/ip.h"

namespace gateway::egress {

inline constexpr std::size_t kMaxPacket = 9000;

struct PacketFlow {
  bool udp = false;
  net::IpEndpoint from;
  net::IpEndpoint to;
};
// nullopt: nothing that could be judged by its ports.
std::optional<PacketFlow> flow_of(ByteView packet);

class PacketFilter {
 public:
  using Allowed = std::function<bool(const net::IpEndpoint& other, bool udp)>;
  // `own`: the device's addresses; a packet out must come from one, a packet in must go to one.
  PacketFilter(std::vector<net::IpAddress> own, Allowed allowed) : own_(std::move(own)), allowed_(std::move(allowed)) {}
  bool may_leave(ByteView packet) const;
  bool may_enter(ByteView packet) const;

 private:
  bool mine(const net::IpAddress& address) const;
  std::vector<net::IpAddress> own_;
  Allowed allowed_;
};

}  // namespace gateway::egress
