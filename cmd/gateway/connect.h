// gateway connect: verify an enclave, then offer its API on a plain port of this machine (docs/cli.md, "clients").
//
//   gateway connect HOST:PORT|NAME (--policy FILE | --release FILE --release-key KEY --config sha384:HEX
//           [--release-floor VERSION] [--root-digest sha256:HEX])
//       [--listen 127.0.0.1:PORT] [--root FILE]… [--collateral PATH]… [--token-file FILE] [--json]
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon_client.h"

namespace gateway::cli {

struct ConnectOptions {
  std::string endpoint;                   // HOST:PORT, a transport's URL or an enclave's name on this host; required
  std::optional<std::string> policy;      // --policy FILE, required unless --release
  std::string listen = "127.0.0.1:0";     // --listen
  std::vector<std::string> roots;         // --root FILE, repeatable
  std::vector<std::string> collateral;    // --collateral PATH, repeatable
  std::optional<std::string> token_file;  // --token-file FILE: for local clients that send no Authorization
  std::optional<std::string> release;     // --release FILE: instead of a policy
  std::string release_key;                // --release-key FILE
  std::string release_floor;              // --release-floor VERSION
  std::string config;                     // --config sha384:…, with --release
  std::string root_digest;                // --root-digest sha256:…, with --release, for platform local
  bool json = false;                      // --json
};

// Runs until SIGINT or SIGTERM. Returns the exit status.
int run_connect(const ConnectOptions& options);

// The address of what people name: HOST:PORT and URLs as they are, anything else asked of gatewayd as an enclave's
// name.
Outcome<std::string> resolve_endpoint(const std::string& text);

}  // namespace gateway::cli
