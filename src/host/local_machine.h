// An enclave of platform local: bubblewrap around the runtime, and the virtual NSM beside it.
//
// Errors: those of host/sandbox.h and attester/local_root.h; kInternal host.sandbox.start
#pragma once

#include "attester/virtual_nsm.h"
#include "base/clock.h"
#include "host/enclave_spec.h"
#include "host/machine.h"

namespace gateway::host {

struct LocalMachine {
  std::unique_ptr<Machine> machine;
  crypto::Certificate root;  // of the virtual NSM
};
// `folder`: of the enclave, opened O_PATH. Before root is given up; the clock outlives the machine.
Result<LocalMachine> make_local_machine(const EnclaveSpec& spec, int folder, const Clock& clock);

}  // namespace gateway::host
