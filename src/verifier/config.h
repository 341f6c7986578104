// The configuration of `gateway verifier serve`: a TOML file of the operator's, parsed strictly. Names files, reads
// none.
//
//   listen = "127.0.0.1:8443"
//   ear_key = "ear.pem"                    # P-256 or P-384, signs the results
//   tls = { certificate = "tls.crt", key = "tls.key" }   # left out: a self-signed one, made at start
//   collateral = ["collateral"]            # files or folders
//   max_sessions = 10000
//   session_life = "5m"
//   anonymous_per_minute = 600             # without [[caller]]
//   [[policy]]                             # the first is the one for callers who name none
//   id = "default"
//   file = "policy.toml"
//   [[caller]]                             # left out: everybody may ask
//   id = "alice"
//   token_sha256 = "…hex…"
//   per_minute = 120                       # 0: no quota
//
// Errors: kInvalidArgument toml.*, verifier.config_policy, verifier.config_caller; kMalformed toml.syntax
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "verifier/callers.h"

namespace gateway::verifier {

struct PolicyFile {
  std::string id;
  std::string file;
};

struct ServiceConfig {
  std::string listen;
  std::string ear_key;
  std::optional<std::string> tls_certificate, tls_key;  // both or none
  std::vector<std::string> collateral;
  std::vector<PolicyFile> policies;
  std::vector<CallerEntry> callers;
  std::uint64_t anonymous_per_minute = 600;
  std::size_t max_sessions = 10'000;
  Duration session_life = std::chrono::minutes(5);

  static Result<ServiceConfig> parse(std::string_view toml, std::string file_name);
};

}  // namespace gateway::verifier
