// What the drivers of all platforms share: an enclave is its shim's, and the shim is found by its folder.
//
// A driver says what its platform needs (check) and fills the specification (prepare); from there on all are alike.
// Errors: kUnavailable host.shim.silent; kNotFound host.shim.program; whatever the shim refuses, under its own id
#pragma once

#include "host/driver.h"

namespace gateway::host {

class ShimDriver : public Driver {
 public:
  // `shim`: the program gateway-shim.
  ShimDriver(std::string shim, EgressConfig egress) : shim_(std::move(shim)), egress_(std::move(egress)) {}
  Outcome<std::unique_ptr<Instance>> start(const std::string& folder, EnclaveSpec spec) override;
  Result<std::unique_ptr<Instance>> adopt(const std::string& folder) override;
  std::optional<ShimStatus> last_status(const std::string& folder) override;

 protected:
  // What the platform adds to the specification.
  virtual Result<EnclaveSpec> prepare(EnclaveSpec spec) = 0;

 private:
  Outcome<void> spawn(const std::string& folder);
  Reported why_it_is_gone(const std::string& folder, const Error& unreachable);
  Status execute(const std::string& folder, int report, int log) const;

  std::string shim_;
  EgressConfig egress_;
};

// A program of ours beside the one that runs. Errors: kNotFound host.shim.program
Result<std::string> find_program(const std::string& name);

}  // namespace gateway::host
