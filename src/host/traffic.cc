#include "host/traffic.h"

#include <boost/json.hpp>

#include "codec/json.h"
#include "host/daemon_config.h"

namespace gateway::host {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kMostRate = 1ULL << 40U;
constexpr std::uint64_t kMostConnections = 1'000'000;

std::unexpected<Error> malformed() {
  return fail(ErrorCode::kMalformed, "host.traffic", "an allocation of traffic does not follow its form");
}

json::object rate_json(const net::Rate& rate) { return {{"rate", rate.per_second}, {"burst", rate.burst}}; }

bool read_number(const json::object& object, std::string_view name, std::uint64_t most, std::uint64_t& out) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return false;
  out = static_cast<std::uint64_t>(value->get_int64());
  return out <= most;
}

}  // namespace

std::string encode_traffic(const Traffic& traffic) {
  json::object out;
  if (traffic.connections != 0) out["connections"] = traffic.connections;
  if (traffic.in.bounded()) out["in"] = rate_json(traffic.in);
  if (traffic.out.bounded()) out["out"] = rate_json(traffic.out);
  if (traffic.per_source.bounded()) out["per_source"] = rate_json(traffic.per_source);
  if (traffic.client_address) out["client_address"] = true;
  return codec::write_json(out);
}

Result<Traffic> parse_traffic(std::string_view text) {
  const auto value = codec::parse_json(text, {.bytes = 4096, .depth = 3, .values = 32});
  if (!value || !value->is_object()) return malformed();
  Traffic out;
  for (const auto& member : value->get_object()) {
    const std::string_view name = member.key();
    std::uint64_t number = 0;
    if (name == "connections" && read_number(value->get_object(), name, kMostConnections, number)) {
      out.connections = static_cast<std::uint32_t>(number);
    } else if (name == "client_address" && member.value().is_bool()) {
      out.client_address = member.value().get_bool();
    } else if (name == "in" || name == "out" || name == "per_source") {
      net::Rate& rate = name == "in" ? out.in : name == "out" ? out.out : out.per_source;
      if (!member.value().is_object() || member.value().get_object().size() != 2) return malformed();
      const json::object& object = member.value().get_object();
      if (!read_number(object, "rate", kMostRate, rate.per_second) ||
          !read_number(object, "burst", kMostRate, rate.burst)) {
        return malformed();
      }
    } else {
      return malformed();
    }
  }
  return out;
}

Result<net::Rate> parse_rate(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto rate = parse_bytes(text.substr(0, colon));
  const auto burst =
      colon == std::string_view::npos ? std::optional<std::uint64_t>(0) : parse_bytes(text.substr(colon + 1));
  if (!rate || !burst || *rate == 0 || *rate > kMostRate || *burst > kMostRate ||
      (colon != std::string_view::npos && *burst == 0)) {
    return fail(ErrorCode::kInvalidArgument, "host.traffic", "\"" + std::string(text.substr(0, 64)) + "\" is no rate",
                "write RATE or RATE:BURST, a second: \"10MiB\", \"10MiB:64MiB\", \"20:100\"");
  }
  return net::Rate{*rate, *burst};
}

}  // namespace gateway::host
