// gateway bundle: evidence and its collateral in one file, which `gateway verify` judges with nothing else at hand.
//
//   gateway bundle EVIDENCE --collateral PATH… -o FILE [--json]
//
// EVIDENCE is a file or '-', raw or in any form that verify reads. Nothing is judged here: a bundle vouches for
// nothing.
#pragma once

#include <string>
#include <vector>

#include "terminal.h"

namespace gateway::cli {

struct BundleOptions {
  std::string evidence;
  std::vector<std::string> collateral;  // files or folders, folders read recursively
  std::string output;
  Output format = Output::kText;
};

// JSON: {"bundle","size","sha256","evidence":{"size","sha256","carrier":string|null},"collateral":[{"size","sha256"}]}
int run_bundle(const BundleOptions& options);

}  // namespace gateway::cli
