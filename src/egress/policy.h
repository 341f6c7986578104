// Where a workload may go: what the measured image allows, and nothing else.
//
// What it is worth: docs/trust.md §10. Errors: kInvalidArgument image.egress
#pragma once

#include <vector>

#include "image/description.h"
#include "image/egress.h"

namespace gateway::egress {

// What a connection carries, as far as its destination's entry demands.
enum class Carry : std::uint8_t {
  kTls,         // the workload's TLS, to the very name that it asked for
  kRuntimeTls,  // the workload's plaintext, put into TLS by the runtime
  kAnything,    // insecure_allow
};

class Policy {
 public:
  static Result<Policy> make(const image::EgressDescription& egress);

  bool empty() const { return entries_.empty(); }
  bool listed(std::string_view name) const;  // on some port: whether its addresses are anybody's business
  std::optional<Carry> by_name(std::string_view name, std::uint16_t port, bool udp = false) const;
  // By what the address itself is; names that led to it are the resolver's to know.
  bool by_address(const net::IpEndpoint& endpoint, bool udp = false) const;

 private:
  struct Rule {
    image::EgressEntry entry;
    Carry carry{};
  };
  std::vector<Rule> entries_;
};

}  // namespace gateway::egress
