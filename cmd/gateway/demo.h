// gateway demo: private inference end to end on this machine, and every refusal shown. Runs the script that is
// installed with the examples; each of its steps is an ordinary command.
//
//   gateway demo [--keep]
#pragma once

namespace gateway::cli {

struct DemoOptions {
  bool keep = false;  // --keep: leaves the folder with everything that was made
};

// Does not return when the script could be started.
int run_demo(const DemoOptions& options);

}  // namespace gateway::cli
