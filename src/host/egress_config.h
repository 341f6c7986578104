// What a host adds to its enclaves' own policies about ways out: it can only narrow them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace gateway::host {

// As gatewayd's file says it.
struct EgressConfig {
  bool offered = true;
  std::optional<std::vector<std::string>> allow{};  // entries of image/egress.h; absent: whatever the enclave allows
  std::string resolver{};                           // HOST:PORT; empty: the first name server of /etc/resolv.conf
  std::string aws_credentials{};                    // a file, or "instance-role"; empty: none are passed on
  std::string imds = "http://169.254.169.254";
  // A user-space network stack (passt) for images that have tun = true. It carries packets, and nobody here looks at
  // where they go: not together with `allow`.
  bool packets = false;
};

// Errors: kInvalidArgument host.egress.config, host.egress.resolver, image.egress
Status check_egress_config(const EgressConfig& config);

}  // namespace gateway::host
