// Enclaves under QEMU's nitro-enclave machine (host/qemu_machine.h): platform `qemu`, for tests and for a look at a
// boot.
//
// Errors: kUnavailable host.qemu.missing; those of host/shim_driver.h
#pragma once

#include "host/shim_driver.h"

namespace gateway::host {

struct QemuDriverOptions {
  std::string shim;    // the program gateway-shim
  std::string folder;  // what tools/qemu-nitro built
  EgressConfig egress{};
};

std::unique_ptr<Driver> make_qemu_driver(QemuDriverOptions options);

}  // namespace gateway::host
