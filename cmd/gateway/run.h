// gateway run: starts an enclave from an image and waits until it is ready (docs/cli.md, "enclaves").
//
//   gateway run IMAGE.eif --name NAME [--config FILE] [--tokens FILE] [--platform local|nitro|snp]
//       [--listen HOST:PORT] [--connections N] [--in RATE] [--out RATE] [--per-source RATE] [--client-address] [--json]
//
// Without --config an access key and one token (call, logs, metrics) are made here and stored with mode 0600; the
// daemon sees the configuration and the signed list of hashes only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gateway::cli {

struct RunOptions {
  std::string image;                      // IMAGE.eif, required
  std::string name;                       // --name NAME, required
  std::optional<std::string> config;      // --config FILE
  std::optional<std::string> tokens;      // --tokens FILE: a signed token list, with --config
  std::string platform = "local";         // --platform local|nitro|snp
  std::string listen = "127.0.0.1:0";     // --listen HOST:PORT
  std::uint64_t connections = 0;          // --connections N
  std::optional<std::string> in, out;     // --in, --out RATE[:BURST], bytes a second
  std::optional<std::string> per_source;  // --per-source RATE[:BURST], connections a second
  bool client_address = false;            // --client-address
  bool json = false;                      // --json
};

// JSON: {"name","platform","listen","measurements":{"0","1","2"},"config":"sha384:…","root":"sha256:…"|null,
//        "root_file"|null,"token_file"|null}
int run_run(const RunOptions& options);

}  // namespace gateway::cli
