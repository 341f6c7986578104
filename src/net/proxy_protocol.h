// PROXY protocol version 2: how a forwarder says whose connection it carries. What it says is a claim of whoever
// forwards; here of an untrusted host.
//
// Input:  the first bytes of a connection, untrusted. Bounds: kMaxProxyHeader.
// Spec:   The PROXY protocol, version 2 (HAProxy), §2.2. Errors: kMalformed proxy.header
#pragma once

#include <optional>

#include "net/ip.h"

namespace gateway::net {

inline constexpr std::size_t kProxySignature = 12;
inline constexpr std::size_t kMaxProxyHeader = 536;

Bytes encode_proxy_header(const IpEndpoint& from, const IpEndpoint& to);

struct ProxyHeader {
  std::size_t size = 0;
  std::optional<IpEndpoint> from;  // absent: LOCAL, or an address of another kind
};
// Whether these may be the first bytes of a header at all: no TLS record begins so.
bool may_be_proxy_header(ByteView bytes);
// nullopt: more is needed.
Result<std::optional<ProxyHeader>> parse_proxy_header(ByteView bytes);

}  // namespace gateway::net
