// The process of one enclave's own: it measures the image itself, starts the sandbox, holds the virtual NSM, the
// listener and the forwarding, and outlives the daemon.
//
// It is told what to run by the folder that it is given (enclave_spec.h) and believes nothing about the image: PCRs
// come from the EIF's bytes as it reads them. Started by root, it gives up root before it reads a byte that an enclave
// or a client sent.
// Errors: those of what it prepares, and host.spec.*, host.shim.running, host.port_in_use,
//         host.store.changed, host.enclave.ended, host.enclave.out_of_memory, host.enclave.start_timeout,
//         host.enclave.protocol, host.sandbox.start
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "net/descriptor.h"

namespace gateway::host {

struct ShimOptions {
  std::string folder;      // of the enclave
  net::Descriptor report;  // a socket: one line once it listens, or the refusal; may be invalid
};

// Runs until the enclave has ended; exit.json in the folder says how. Returns the process's exit status.
int run_shim(ShimOptions options, const Clock& clock);

}  // namespace gateway::host
