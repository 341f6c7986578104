// Enclaves of platform local: a shim process with bubblewrap each.
//
// Errors: kUnavailable host.platform_unavailable, host.sandbox.bwrap; those of host/shim_driver.h
#pragma once

#include "host/cgroup.h"
#include "host/shim_driver.h"

namespace gateway::host {

struct LocalDriverOptions {
  std::string shim;               // the program gateway-shim
  std::string root_folder;        // the virtual NSM's root
  unsigned enclaves_per_cpu = 4;  // a development platform: processors are shared up to here
  EgressConfig egress{};
};

std::unique_ptr<Driver> make_local_driver(LocalDriverOptions options);

// Whether a user namespace can be made here, tried for real; what to type when not.
Status check_user_namespaces();

}  // namespace gateway::host
