// Enclaves of platform nitro, on an EC2 instance with Nitro Enclaves enabled (host/nitro_machine.h).
//
// Processors and memory are those that AWS's allocator has set aside. Errors: kUnavailable host.nitro.device; those of
// host/shim_driver.h
#pragma once

#include "host/nitro_device.h"
#include "host/shim_driver.h"

namespace gateway::host {

std::unique_ptr<Driver> make_nitro_driver(std::string shim, EgressConfig egress);

}  // namespace gateway::host
