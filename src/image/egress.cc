#include "image/egress.h"

#include <charconv>

#include "net/egress_link.h"

namespace gateway::image {
namespace {

std::unexpected<Error> bad_entry(std::string_view text, const char* what) {
  return fail(ErrorCode::kInvalidArgument, "image.egress", "\"" + std::string(text.substr(0, 300)) + "\" " + what,
              "write \"name.example.org:443\", \"*.example.org:443\", \"10.0.0.0/8:5432\" or \"[2001:db8::/32]:443\"");
}

std::optional<std::uint16_t> parse_port(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || digits.front() == '0' || error != std::errc{} || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return port;
}

}  // namespace

bool EgressEntry::matches_name(std::string_view lower_case) const {
  if (name.empty()) return false;
  if (!subdomains) return lower_case == name;
  return lower_case.size() > name.size() + 1 && lower_case.ends_with(name) &&
         lower_case[lower_case.size() - name.size() - 1] == '.';
}

Result<EgressEntry> parse_egress_entry(std::string_view text) {
  EgressEntry out;
  std::string_view rest = text;
  if (rest.starts_with("udp://")) {
    out.udp = true;
    rest.remove_prefix(6);
  }
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad_entry(text, "names no port");
  const auto port = parse_port(rest.substr(colon + 1));
  if (!port) return bad_entry(text, "has no port from 1 to 65535 at its end");
  out.port = *port;
  std::string_view host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    out.range = net::IpRange::parse(host.substr(1, host.size() - 2));
    if (!out.range || !out.range->first.v6) return bad_entry(text, "has no range of IPv6 addresses in its brackets");
  } else if (host.starts_with("*.")) {
    out.subdomains = true;
    host.remove_prefix(2);
  } else if (const auto range = net::IpRange::parse(host); range && !range->first.v6) {
    out.range = range;
  }
  if (out.range) {
    if (out.range->prefix == 0) return bad_entry(text, "would allow every address there is");
    return out;
  }
  if (!net::well_formed_host_name(host) || (out.subdomains && !host.contains('.'))) {
    return bad_entry(text, "names neither a host in lower case nor a range of addresses without further bits");
  }
  out.name = std::string(host);
  return out;
}

}  // namespace gateway::image
