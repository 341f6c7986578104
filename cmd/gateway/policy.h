// gateway policy: what a new policy would change, and a first policy from evidence in hand (docs/cli.md, "policy").
//
//   gateway policy test POLICY EVIDENCE… [--against OLD_POLICY] [--collateral PATH]… [--root FILE]…
//       [--at RFC3339|recorded] [--json]
//   gateway policy init EVIDENCE… [--collateral PATH]… [--root FILE]… [--at RFC3339|recorded] [-o FILE]
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace gateway::cli {

struct PolicyEvidence {
  std::vector<std::string> files;       // EVIDENCE…: files, and folders read recursively
  std::vector<std::string> collateral;  // --collateral PATH, repeatable
  std::vector<std::string> roots;       // --root FILE, repeatable
  std::optional<std::string> at;        // --at RFC3339|recorded
};

struct PolicyTestOptions {
  std::string policy;                  // POLICY
  std::optional<std::string> against;  // --against OLD_POLICY
  PolicyEvidence evidence;
  bool json = false;  // --json
};

struct PolicyInitOptions {
  PolicyEvidence evidence;
  std::optional<std::string> output;  // -o, --output
  bool insecure_allow_debug = false;  // --insecure-allow-debug
};

int run_policy_test(const PolicyTestOptions& options);
int run_policy_init(const PolicyInitOptions& options);

}  // namespace gateway::cli
