// gateway build SPEC.toml -o IMAGE.eif: makes an image and prints its measurements.
#pragma once

#include <string>

#include "image/build.h"
#include "terminal.h"

namespace gateway::cli {

// gateway build SPEC.toml -o,--output IMAGE.eif [--runtime FILE] [--cache FOLDER] [--update-lock |
// --update-lock-inputs] [--json]
struct BuildOptions {
  std::string spec;
  std::string output;
  std::string runtime;  // --runtime; empty: beside this program, /usr/libexec/gateway, then $GATEWAY_ENCLAVE
  std::string cache;    // --cache; empty: $GATEWAY_CACHE, $XDG_CACHE_HOME/gateway, ~/.cache/gateway
  image::LockUse lock = image::LockUse::kPinned;  // --update-lock: kUpdateAll; --update-lock-inputs: kUpdateInputs
  Output format = Output::kText;                  // --json
};

// JSON: {"image","size","pcrs":{"0","1","2"},"sections":[{"type","size"}],"local_only","lock":null|{"path","written",
//        "sha256","source_date_epoch","compressor","packages":[…],"kernel":…},"runtime":null|"sha256:…","measured":[…]}
int run_build(const BuildOptions& options);

}  // namespace gateway::cli
