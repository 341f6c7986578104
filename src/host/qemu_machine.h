// An enclave under QEMU's machine `nitro-enclave`: the same image as on AWS, with an NSM whose documents nobody signs.
// For tests and for looking at a boot; no verifier accepts what it attests (docs/platforms/nitro.md).
//
// The folder of the specification holds what tools/qemu-nitro built.
// Errors: kUnavailable host.qemu.missing; kInternal host.qemu.start
#pragma once

#include "host/enclave_spec.h"
#include "host/machine.h"

namespace gateway::host {

// Whether QEMU is there; what to type when not.
Status check_qemu(const std::string& folder);

Result<std::unique_ptr<Machine>> make_qemu_machine(const EnclaveSpec& spec);

}  // namespace gateway::host
