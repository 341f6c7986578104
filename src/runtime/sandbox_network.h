// What the first process of a sandbox sets up in its network namespace while it still may: the doors of the runtime's
// ways out, the redirection of TCP, the network device. It keeps none of them.
#pragma once

#include "net/descriptor.h"
#include "runtime/sandbox_spec.h"

namespace gateway::runtime {

// Each: 0, or errno.
int listen_on_loopback(std::uint16_t port, net::Descriptor& out);
int bind_name_server(net::Descriptor& out);  // UDP
// A default route through the loopback interface, so that connections to anywhere come so far as to be redirected; and
// a table of nftables: TCP to the transparent door, UDP to port 53 to the name server. IPv4; there is no route for
// IPv6.
int redirect_tcp(bool own_route);
// A device "tun0" with a default route; its other end is `out`. Made before the sandbox's root changes.
int open_tun(net::Descriptor& out);
int raise_tun();

}  // namespace gateway::runtime
