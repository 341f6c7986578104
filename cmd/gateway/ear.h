// gateway ear verify: what another verifier signed (docs/cli.md, "ear").
//
//   gateway ear verify TOKEN --key PUBLIC [--max-age DURATION] [--nonce TEXT] [--at RFC3339] [--json]
#pragma once

#include <optional>
#include <string>

namespace gateway::cli {

struct EarVerifyOptions {
  std::string token;                   // TOKEN: a file, "-" or the token itself
  std::string key;                     // --key PUBLIC
  std::optional<std::string> max_age;  // --max-age DURATION, 5m when left out
  std::optional<std::string> nonce;    // --nonce TEXT
  std::optional<std::string> at;       // --at RFC3339
  bool json = false;                   // --json
};

int run_ear_verify(const EarVerifyOptions& options);

}  // namespace gateway::cli
