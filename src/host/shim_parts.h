// What a shim prepares while it still has its rights, and what it holds afterwards. Internal to host.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "host/enclave_spec.h"
#include "host/event_log.h"
#include "host/machine.h"
#include "host/shim_status.h"
#include "image/eif.h"

namespace gateway::host {

struct ShimParts {
  EnclaveSpec spec;
  Bytes config;
  Bytes tokens;
  net::Descriptor folder;    // O_PATH: reached whatever rights are given up
  net::Descriptor lock;      // held for life
  net::Descriptor listener;  // TCP, for clients
  net::Descriptor status_socket;
  std::unique_ptr<Machine> machine;
  image::Eif image;
  EventLog events;
  ShimStatus status;  // as far as it is known
};

// Everything up to a running machine; then gives up root when the specification names a uid.
Result<ShimParts> prepare_shim(const std::string& folder, const Clock& clock);

// The last status, in the folder that was opened before.
void write_last_status(int folder, const ShimStatus& status);

}  // namespace gateway::host
