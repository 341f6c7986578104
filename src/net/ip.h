// Addresses of the Internet Protocol, as values: their text, ranges of them, and those that are nobody's to reach.
//
// Spec:   RFC 4291 §2.2, RFC 5952 (text), RFC 4632 (ranges), RFC 6890 (special purposes).
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace gateway::net {

struct IpAddress {
  bool v6 = false;
  ByteArray<16> bytes{};  // IPv4: the first four, then zeros

  static std::optional<IpAddress> parse(std::string_view text);  // without brackets and zones
  static std::optional<IpAddress> from_bytes(ByteView bytes);    // 4 or 16
  ByteView view() const { return ByteView(bytes).first(v6 ? 16 : 4); }
  std::string to_string() const;
  auto operator<=>(const IpAddress&) const = default;

  // Loopback, unspecified, link-local (where metadata services are), multicast, broadcast, and every way to write an
  // IPv4 address as one of IPv6: what a name must never lead to.
  bool special() const;
};

struct IpRange {
  IpAddress first;  // bits beyond the prefix are zero
  unsigned prefix = 0;

  static std::optional<IpRange> parse(std::string_view text);  // "10.0.0.0/8", "192.0.2.1"
  bool contains(const IpAddress& address) const;
};

struct IpEndpoint {
  IpAddress address;
  std::uint16_t port = 0;
  std::string to_string() const;  // "192.0.2.1:443", "[2001:db8::1]:443"
};

}  // namespace gateway::net
