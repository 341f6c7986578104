#include "egress/policy.h"

#include <algorithm>

namespace gateway::egress {

Result<Policy> Policy::make(const image::EgressDescription& egress) {
  Policy out;
  const Carry allowed = egress.runtime_tls ? Carry::kRuntimeTls : Carry::kTls;
  for (const std::string& text : egress.allow) {
    GATEWAY_ASSIGN(image::EgressEntry entry, image::parse_egress_entry(text));
    out.entries_.push_back({std::move(entry), allowed});
  }
  for (const std::string& text : egress.insecure_allow) {
    GATEWAY_ASSIGN(image::EgressEntry entry, image::parse_egress_entry(text));
    out.entries_.push_back({std::move(entry), Carry::kAnything});
  }
  return out;
}

bool Policy::listed(std::string_view name) const {
  return std::ranges::any_of(entries_, [name](const Rule& rule) { return rule.entry.matches_name(name); });
}

// The first that matches: `allow` stands before `insecure_allow`, so the stricter one holds.
std::optional<Carry> Policy::by_name(std::string_view name, std::uint16_t port, bool udp) const {
  for (const Rule& rule : entries_) {
    if (rule.entry.port == port && rule.entry.udp == udp && rule.entry.matches_name(name)) return rule.carry;
  }
  return std::nullopt;
}

bool Policy::by_address(const net::IpEndpoint& endpoint, bool udp) const {
  if (endpoint.address.special()) return false;
  return std::ranges::any_of(entries_, [&](const Rule& rule) {
    return rule.entry.range && rule.entry.port == endpoint.port && rule.entry.udp == udp &&
           rule.entry.range->contains(endpoint.address);
  });
}

}  // namespace gateway::egress
