// What a policy entry demands of the platform's TCB, and its grace windows: the same shape for AMD and Intel.
#include "attestation/appraisal/policy_fields.h"

namespace gateway::attestation::policy_fields {
namespace {

// Intel's words for what an appraisal may accept. "Revoked", "NotSupported" and "Unknown" are not among them.
constexpr std::array<std::string_view, 8> kStatuses = {"UpToDate",
                                                       "SWHardeningNeeded",
                                                       "ConfigurationNeeded",
                                                       "ConfigurationAndSWHardeningNeeded",
                                                       "OutOfDate",
                                                       "OutOfDateConfigurationNeeded",
                                                       "TDRelaunchAdvised",
                                                       "TDRelaunchAdvisedConfigurationNeeded"};

Result<std::optional<SnpTcbFloor>> read_floor(codec::TomlTable& table, std::string_view key) {
  GATEWAY_ASSIGN(auto components, table.optional_table(key));
  if (!components) return std::nullopt;
  SnpTcbFloor floor;
  GATEWAY_ASSIGN(floor.fmc, read_number<std::uint8_t>(*components, "fmc"));
  for (const auto& [name, to] : {std::pair{"boot_loader", &floor.boot_loader}, std::pair{"tee", &floor.tee},
                                 std::pair{"snp", &floor.snp}, std::pair{"microcode", &floor.microcode}}) {
    GATEWAY_ASSIGN(const auto value, read_number<std::uint8_t>(*components, name));
    if (!value) {
      return fail(ErrorCode::kInvalidArgument, "toml.missing_key",
                  where(*components) + std::string(key) + "." + name + " is missing",
                  "name boot_loader, tee, snp and microcode (Turin: fmc too); 0 accepts any");
    }
    *to = *value;
  }
  GATEWAY_TRY(components->finish());
  return floor;
}

bool is_advisory_like(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return c == '-' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

Result<std::optional<std::vector<std::string>>> read_statuses(codec::TomlTable& table) {
  GATEWAY_ASSIGN(auto statuses, table.optional_texts("tcb_status"));
  if (!statuses) return std::nullopt;
  const auto known = [](const std::string& status) { return std::ranges::find(kStatuses, status) != kStatuses.end(); };
  if (statuses->empty() || statuses->size() > kStatuses.size() || !std::ranges::all_of(*statuses, known)) {
    std::string all;
    for (const std::string_view status : kStatuses) all += (all.empty() ? "" : ", ") + std::string(status);
    return table.bad_value("tcb_status", "expected a list of statuses in Intel's words",
                           "they are " + all + "; Revoked, NotSupported and Unknown are never accepted");
  }
  return statuses;
}

Result<std::optional<std::vector<std::string>>> read_advisories(codec::TomlTable& table) {
  GATEWAY_ASSIGN(auto advisories, table.optional_texts("advisories_allowed"));
  if (!advisories) return std::nullopt;
  if (advisories->size() > kMaxListed || !std::ranges::all_of(*advisories, is_advisory_like)) {
    return table.bad_value("advisories_allowed", "expected a list of names such as \"INTEL-SA-00615\"");
  }
  return advisories;
}

void add(std::vector<std::string>& to, const std::optional<std::vector<std::string>>& more) {
  if (more) to.insert(to.end(), more->begin(), more->end());
}

// The windows of an entry. Each starts as the entry's own rules and is weakened by what it names.
template <class ReadRules>
Status read_grace(codec::TomlTable& table, PolicyEntry& entry, ReadRules read_rules) {
  GATEWAY_ASSIGN(auto windows, table.tables("grace"));
  if (windows.size() > kMaxGraceWindows) {
    return table.bad_value("grace", "expected at most " + std::to_string(kMaxGraceWindows) + " windows");
  }
  for (codec::TomlTable& window : windows) {
    GraceWindow grace;
    grace.rules = entry.tcb;
    GATEWAY_ASSIGN(const std::string until, window.text("until"));
    const auto time = from_rfc3339(until);
    if (!time) return window.bad_value("until", "expected a time such as \"2026-12-31T00:00:00Z\"");
    grace.until = *time;
    bool relaxes = false;
    GATEWAY_TRY(read_rules(window, grace.rules, relaxes));
    GATEWAY_TRY(window.finish());
    if (!relaxes) {
      return fail(ErrorCode::kInvalidArgument, "policy.grace_relaxes_nothing",
                  where(window) + "a grace window names what is tolerated until its date; this one names nothing",
                  entry.platform == Platform::kSnp
                      ? "give min_tcb, min_committed_tcb or min_launch_tcb"
                      : "give tcb_status, advisories_allowed or min_tcb_evaluation_number");
    }
    entry.grace.push_back(std::move(grace));
  }
  return {};
}

Status read_snp_rules(codec::TomlTable& table, TcbRules& rules, bool& any) {
  for (const auto& [key, to] :
       {std::pair{"min_tcb", &rules.min_tcb}, std::pair{"min_committed_tcb", &rules.min_committed_tcb},
        std::pair{"min_launch_tcb", &rules.min_launch_tcb}}) {
    GATEWAY_ASSIGN(const auto floor, read_floor(table, key));
    if (floor) *to = floor;
    any = any || floor.has_value();
  }
  return {};
}

Status read_intel_rules(codec::TomlTable& table, TcbRules& rules, bool& any) {
  GATEWAY_ASSIGN(const auto number, read_number<std::uint32_t>(table, "min_tcb_evaluation_number"));
  if (number) rules.min_evaluation_number = number;
  GATEWAY_ASSIGN(const auto statuses, read_statuses(table));
  add(rules.statuses, statuses);
  GATEWAY_ASSIGN(const auto advisories, read_advisories(table));
  add(rules.advisories_allowed, advisories);
  GATEWAY_ASSIGN(const auto any_advisory, table.optional_boolean("insecure_any_advisory"));
  rules.insecure_any_advisory = rules.insecure_any_advisory || any_advisory.value_or(false);
  any = number || statuses || advisories || any_advisory.value_or(false);
  return {};
}

}  // namespace

Status read_snp_tcb(codec::TomlTable& table, PolicyEntry& entry) {
  bool any = false;
  GATEWAY_TRY(read_snp_rules(table, entry.tcb, any));
  if (!entry.tcb.min_tcb) {
    return fail(ErrorCode::kInvalidArgument, "policy.min_tcb_missing",
                where(table) + "platform \"snp\" needs min_tcb = { boot_loader = …, tee = …, snp = …, microcode = … }",
                "take reported_tcb from gateway verify --authenticate-only --json; firmware below it is refused");
  }
  return read_grace(table, entry, read_snp_rules);
}

Status read_intel_tcb(codec::TomlTable& table, PolicyEntry& entry) {
  bool any = false;
  GATEWAY_TRY(read_intel_rules(table, entry.tcb, any));
  if (entry.tcb.statuses.empty()) entry.tcb.statuses = {"UpToDate"};
  if (!entry.tcb.min_evaluation_number) {
    return fail(ErrorCode::kInvalidArgument, "policy.min_tcb_evaluation_number_missing",
                where(table) + "platform \"" + std::string(to_string(entry.platform)) +
                    "\" needs min_tcb_evaluation_number = …",
                "take tcb.evaluation_number from gateway verify --authenticate-only --json: without a minimum, old TCB "
                "data would call an old platform up to date");
  }
  return read_grace(table, entry, read_intel_rules);
}

}  // namespace gateway::attestation::policy_fields
