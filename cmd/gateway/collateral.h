// gateway collateral fetch: what a piece of evidence needs, from AMD's and Intel's services into a folder
// (docs/cli.md).
//
//   gateway collateral fetch --for EVIDENCE -o DIR [--pccs URL] [--kds URL] [--proxy URL] [--tls-root FILE]…
//       [--cache DIR] [--product NAME] [--timeout DURATION] [--at RFC3339] [--json]
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace gateway::cli {

struct CollateralFetchOptions {
  std::string evidence;                // --for EVIDENCE: a file or "-"
  std::string output;                  // -o, --output DIR
  std::optional<std::string> pccs;     // --pccs URL
  std::optional<std::string> kds;      // --kds URL
  std::optional<std::string> proxy;    // --proxy URL; else https_proxy and no_proxy of the environment
  std::vector<std::string> tls_roots;  // --tls-root FILE, repeatable
  std::optional<std::string> cache;    // --cache DIR
  std::optional<std::string> product;  // --product Milan|Genoa|Turin
  std::optional<std::string> timeout;  // --timeout DURATION
  std::optional<std::string> at;       // --at RFC3339
  bool json = false;                   // --json
};

int run_collateral_fetch(const CollateralFetchOptions& options);

}  // namespace gateway::cli
