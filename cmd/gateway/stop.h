// gateway stop: asks the workload to end, waits, insists.
//
//   gateway stop NAME… [--grace DURATION] [--json]
#pragma once

#include <string>
#include <vector>

namespace gateway::cli {

struct StopOptions {
  std::vector<std::string> names;  // NAME, at least one
  std::string grace = "10s";       // --grace DURATION: from the request to end to the end
  bool json = false;               // --json
};

// JSON: {"stopped":[names]}
int run_stop(const StopOptions& options);

}  // namespace gateway::cli
