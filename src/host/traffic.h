// What one enclave may have of its host's network, beside its cores and its memory: given when it is run, checked
// before it starts, kept by the shim.
//
// Errors: kInvalidArgument host.traffic; kMalformed host.traffic (as JSON)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/pace.h"

namespace gateway::host {

struct Traffic {
  std::uint32_t connections = 0;  // 0: as many as the image's own limit asks for
  net::Rate in{};                 // bytes a second, of all connections together
  net::Rate out{};
  net::Rate per_source{};       // connections a second of one address
  bool client_address = false;  // PROXY protocol towards the enclave
  bool operator==(const Traffic&) const = default;
};

std::string encode_traffic(const Traffic& traffic);  // JSON; the empty allocation is "{}"
Result<Traffic> parse_traffic(std::string_view json);

// "10MiB", "10MiB:64MiB" (rate and burst, bytes), "20:100" (connections).
Result<net::Rate> parse_rate(std::string_view text);

}  // namespace gateway::host
