// gateway logs: the workload's output, read over the attested channel by a holder of a token with the right `logs`;
// with
// --events the events that the host may see (starts, stops, refusals), which need no token.
//
//   gateway logs NAME [--events] [--follow] [--policy FILE] [--token-file FILE] [--json]
#pragma once

#include <optional>
#include <string>

namespace gateway::cli {

struct LogsOptions {
  std::string name;                       // NAME
  bool events = false;                    // --events: what the host knows
  bool follow = false;                    // --follow, -f
  std::optional<std::string> policy;      // --policy FILE; else the measurements that `gateway run` printed
  std::optional<std::string> token_file;  // --token-file FILE; else the one that `gateway run` stored
  bool json = false;                      // --json: one JSON object a line
};

int run_logs(const LogsOptions& options);

// logs_live.cc: the workload's output. `listen` is the enclave's address; `folder` holds what `gateway run` stored
// (daemon_client.h, DeploymentFiles).
int run_logs_attested(const LogsOptions& options, const std::string& listen, const std::string& folder);

}  // namespace gateway::cli
