// One destination of [egress]: who may be reached, as the image's author writes it.
//
//     "kms.eu-central-1.amazonaws.com:443"   a name
//     "*.example.org:443"                    every name below example.org, not example.org itself
//     "10.0.0.0/8:5432", "[2001:db8::/32]:443", "192.0.2.1:80"   addresses
//     "udp://time.example.org:123"           UDP; everything else is TCP
//
// Input:  measured: the author's word. Errors: kInvalidArgument image.egress
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/ip.h"

namespace gateway::image {

struct EgressEntry {
  bool udp = false;
  std::string name;         // lower case, without "*."; empty: a range
  bool subdomains = false;  // "*."
  std::optional<net::IpRange> range;
  std::uint16_t port = 0;

  bool matches_name(std::string_view lower_case) const;  // whatever the port
};

Result<EgressEntry> parse_egress_entry(std::string_view text);

}  // namespace gateway::image
