// Appraisal policy: what a relying party accepts. A TOML file (docs/policy.md), parsed strictly.
//
// An empty policy accepts nothing. Unknown keys are errors. Nothing has a default that accepts more, and what decides
// about a platform (its measurements, its minimum TCB) has to be written down.
//
// Spec:   docs/policy.md.
// Errors: kInvalidArgument toml.*, policy.too_many_entries, policy.measurements_missing, policy.root_missing,
//         policy.root_not_applicable, policy.regions_not_applicable, policy.min_tcb_missing,
//         policy.min_tcb_evaluation_number_missing, policy.grace_relaxes_nothing; kMalformed toml.syntax
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/appraisal/reference_values.h"
#include "attestation/model/claims.h"
#include "base/result.h"

namespace gateway::attestation {

inline constexpr std::size_t kMaxPolicySize = 256UZ * 1024;
inline constexpr std::size_t kMaxPolicyEntries = 1024;
inline constexpr std::size_t kMaxGraceWindows = 16;
inline constexpr Duration kDefaultMaxAge = std::chrono::minutes(5);

struct PolicyEntry {
  Platform platform{};
  std::optional<ByteArray<32>> root_sha256;  // local only, and then required
  std::map<unsigned, Bytes> measurements;    // nitro and local: register → value; at least 0, 1 and 2
  std::optional<ByteArray<48>> config;       // "sha384:…"
  std::optional<Bytes> report_data;          // nitro and local: user_data; elsewhere exactly 64 bytes
  Duration max_age = kDefaultMaxAge;
  std::vector<std::string> regions;   // nitro; empty: any
  bool insecure_allow_debug = false;  // `debug = true` in the file
  bool allow_migration = false;       // snp, tdx: a guest that a migration agent may move to other hardware
  SnpReference snp;                   // each for its platform alone
  TdxReference tdx;
  SgxReference sgx;
  TcbRules tcb;                    // snp, tdx, sgx
  std::vector<GraceWindow> grace;  // what is tolerated beside `tcb`, with a warning, until a date
  int line = 0;
};

struct Policy {
  std::vector<PolicyEntry> accept;
  static Result<Policy> parse(std::string_view toml, std::string file_name);
};

}  // namespace gateway::attestation
