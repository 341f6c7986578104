// Appraisal policy: what a relying party accepts. A TOML file (docs/cli.md), parsed strictly.
//
// An empty policy accepts nothing. Unknown keys are errors. Nothing has a default that accepts more.
//
// Errors: kInvalidArgument toml.*, policy.too_many_entries, policy.measurements_missing, policy.root_missing,
//         policy.root_not_applicable, policy.regions_not_applicable; kUnsupported policy.platform_unsupported;
//         kMalformed toml.syntax
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/model/claims.h"
#include "base/result.h"

namespace gateway::attestation {

inline constexpr std::size_t kMaxPolicySize = 256UZ * 1024;
inline constexpr std::size_t kMaxPolicyEntries = 1024;
inline constexpr Duration kDefaultMaxAge = std::chrono::minutes(5);

struct PolicyEntry {
  Platform platform{};
  std::optional<ByteArray<32>> root_sha256;  // local only, and then required
  std::map<unsigned, Bytes> measurements;    // register → value; nitro and local need at least 0, 1 and 2
  std::optional<ByteArray<48>> config;       // "sha384:…"
  Duration max_age = kDefaultMaxAge;
  std::vector<std::string> regions;   // nitro; empty: any
  bool insecure_allow_debug = false;  // `debug = true` in the file
  int line = 0;
};

struct Policy {
  std::vector<PolicyEntry> accept;
  static Result<Policy> parse(std::string_view toml, std::string file_name);
};

}  // namespace gateway::attestation
