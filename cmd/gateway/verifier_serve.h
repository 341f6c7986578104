// gateway verifier serve: a verifier as a service (docs/verifier.md).
//
//   gateway verifier serve --config FILE [--listen HOST:PORT] [--json]
#pragma once

#include <optional>
#include <string>

namespace gateway::cli {

struct VerifierServeOptions {
  std::string config;                 // --config FILE
  std::optional<std::string> listen;  // --listen HOST:PORT, instead of the file's
  bool json = false;                  // --json
};

int run_verifier_serve(const VerifierServeOptions& options);

}  // namespace gateway::cli
