// A booted enclave that serves: puts the parts together on one loop, and takes them apart in order.
//
// Ready (kReady) is said once, when the workload first is; callers may attest before. On stop, callers are let finish
// for three quarters of the grace, then the workload is asked to end, then made to.
#pragma once

#include <memory>

#include "net/descriptor.h"
#include "runtime/boot.h"
#include "runtime/control_link.h"

namespace gateway::runtime {

struct EnclaveChannels {
  net::Descriptor control;
  net::Descriptor events;   // the reading end of the log's pipe
  net::Descriptor ingress;  // listens
  net::Descriptor egress;   // listens
};

class Enclave {
 public:
  // `attester` is the enclave's alone from here on and outlives it. Call before any thread exists.
  // Errors: kInternal runtime.signals, tls.setup; kUnavailable runtime.roots; those of the attester
  static Result<std::unique_ptr<Enclave>> start(Booted booted, attester::Attester& attester, EnclaveChannels channels,
                                                const std::string& root);
  ~Enclave();
  // Until it is stopped (ok) or cannot go on (the error, for the host to be told).
  Status run();

  struct Impl;

 private:
  explicit Enclave(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::runtime
