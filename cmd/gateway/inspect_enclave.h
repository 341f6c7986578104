// gateway inspect NAME: everything that the host knows about one enclave. What it knows is not evidence: relying
// parties use `gateway verify`.
//
//   gateway inspect NAME [--json]
#pragma once

#include <string>

namespace gateway::cli {

struct InspectEnclaveOptions {
  std::string name;   // NAME
  bool json = false;  // --json; text is the same object, indented
};

// JSON: one enclave as host/enclave_json.h says.
int run_inspect_enclave(const InspectEnclaveOptions& options);

}  // namespace gateway::cli
