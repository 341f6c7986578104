// gateway ps: the enclaves of this host, what they may use and where they listen.
//
//   gateway ps [--all] [--json]        --all: also those that were stopped
#pragma once

namespace gateway::cli {

struct PsOptions {
  bool all = false;   // --all, -a
  bool json = false;  // --json
};

// JSON: {"enclaves":[…]}, each as host/enclave_json.h says.
int run_ps(const PsOptions& options);

}  // namespace gateway::cli
