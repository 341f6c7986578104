// How a platform's enclaves are started, found again and stopped. One driver a platform; the daemon knows no more.
//
// Every enclave has a process of its own (its shim), which outlives the daemon. An Instance is the daemon's hold on a
// living one; dropping it interrupts nothing.
// Errors: what the platform lacks, by id, with what to do about it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "host/admission.h"
#include "host/enclave_spec.h"
#include "host/shim_status.h"

namespace gateway::host {

class Instance {
 public:
  virtual ~Instance() = default;
  // Becomes readable when the status changed or the enclave ended; then call next_status.
  virtual int watch_descriptor() const = 0;
  // The newest status; nullopt when the shim has ended (then Driver::last_status tells how).
  virtual std::optional<ShimStatus> next_status() = 0;
  virtual Result<ShimStatus> status() = 0;
  virtual Status push_tokens(ByteView signed_list) = 0;
  virtual Status stop(std::chrono::milliseconds grace) = 0;  // asks; the end shows as next_status() == nullopt
  virtual void kill() = 0;                                   // insists
};

class Driver {
 public:
  virtual ~Driver() = default;
  // Whether this host can run the platform, and if not, what is missing.
  virtual Status check() = 0;
  // `folder` holds configuration and tokens already; the driver writes the specification and starts the shim.
  // Returns when the shim listens; the enclave itself may still be starting.
  virtual Outcome<std::unique_ptr<Instance>> start(const std::string& folder, EnclaveSpec spec) = 0;
  // The enclave that lives in `folder`; nullptr when none does.
  virtual Result<std::unique_ptr<Instance>> adopt(const std::string& folder) = 0;
  // What this platform's enclaves have to share, and with whom: drivers of one pool share one.
  virtual HostCapacity capacity() const { return read_host_capacity(); }
  virtual std::string_view pool() const { return "host"; }
  // The same platform may dedicate processors to an enclave or let several share one.
  virtual unsigned enclaves_per_cpu() const = 0;
  // What the shim wrote as it ended; absent when it was killed before it could.
  virtual std::optional<ShimStatus> last_status(const std::string& folder) = 0;
  // Removes what outlives a shim outside its folder.
  virtual void clean_up(const std::string& name) = 0;
};

}  // namespace gateway::host
