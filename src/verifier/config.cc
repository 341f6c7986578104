#include "verifier/config.h"

#include <algorithm>

#include "codec/toml.h"

namespace gateway::verifier {
namespace {

using codec::TomlTable;

constexpr std::int64_t kMostSessions = 1'000'000;
constexpr std::int64_t kMostPerMinute = 1'000'000;
constexpr std::size_t kMostEntries = 1024;
constexpr Duration kLongestSession = std::chrono::hours(24);

// Ids travel in URLs and in EARs.
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

Result<std::uint64_t> number(TomlTable& table, std::string_view key, std::int64_t least, std::int64_t most,
                             std::uint64_t otherwise) {
  GATEWAY_ASSIGN(const auto value, table.optional_integer(key));
  if (!value) return otherwise;
  if (*value < least || *value > most) {
    return table.bad_value(key, "expected " + std::to_string(least) + " to " + std::to_string(most));
  }
  return static_cast<std::uint64_t>(*value);
}

Result<PolicyFile> read_policy(TomlTable& table) {
  PolicyFile policy;
  GATEWAY_ASSIGN(policy.id, table.text("id"));
  if (!is_id(policy.id)) return table.bad_value("id", "expected letters, digits, '-', '_' and '.', at most 64");
  GATEWAY_ASSIGN(policy.file, table.text("file"));
  GATEWAY_TRY(table.finish());
  return policy;
}

Result<CallerEntry> read_caller(TomlTable& table) {
  CallerEntry caller;
  GATEWAY_ASSIGN(caller.id, table.text("id"));
  if (!is_id(caller.id)) return table.bad_value("id", "expected letters, digits, '-', '_' and '.', at most 64");
  GATEWAY_ASSIGN(const std::string digest, table.text("token_sha256"));
  const auto bytes = from_hex(digest);
  if (!bytes || bytes->size() != caller.token_sha256.size()) {
    return table.bad_value("token_sha256", "expected 64 hexadecimal digits",
                           "printf %s \"$TOKEN\" | sha256sum, with a token of at least 128 random bits");
  }
  std::ranges::copy(*bytes, caller.token_sha256.begin());
  GATEWAY_ASSIGN(caller.per_minute, number(table, "per_minute", 0, kMostPerMinute, 600));
  GATEWAY_TRY(table.finish());
  return caller;
}

template <class Entry>
bool twice(const std::vector<Entry>& entries) {
  std::vector<std::string> ids;
  for (const Entry& entry : entries) ids.push_back(entry.id);
  std::ranges::sort(ids);
  return std::ranges::adjacent_find(ids) != ids.end();
}

Status read_tls(TomlTable& table, ServiceConfig& config) {
  GATEWAY_ASSIGN(auto tls, table.optional_table("tls"));
  if (!tls) return {};
  GATEWAY_ASSIGN(config.tls_certificate, tls->text("certificate"));
  GATEWAY_ASSIGN(config.tls_key, tls->text("key"));
  return tls->finish();
}

}  // namespace

Result<ServiceConfig> ServiceConfig::parse(std::string_view toml, std::string file_name) {
  GATEWAY_ASSIGN(TomlTable table, TomlTable::parse(toml, std::move(file_name)));
  ServiceConfig config;
  GATEWAY_ASSIGN(config.listen, table.text("listen"));
  GATEWAY_ASSIGN(config.ear_key, table.text("ear_key"));
  GATEWAY_TRY(read_tls(table, config));
  GATEWAY_ASSIGN(const auto collateral, table.optional_texts("collateral"));
  if (collateral) config.collateral = *collateral;
  GATEWAY_ASSIGN(config.max_sessions, number(table, "max_sessions", 1, kMostSessions, config.max_sessions));
  GATEWAY_ASSIGN(config.anonymous_per_minute,
                 number(table, "anonymous_per_minute", 0, kMostPerMinute, config.anonymous_per_minute));
  GATEWAY_ASSIGN(const auto life, table.optional_duration("session_life"));
  if (life && (*life < std::chrono::seconds(1) || *life > kLongestSession)) {
    return table.bad_value("session_life", "expected \"1s\" to \"24h\"");
  }
  config.session_life = life.value_or(config.session_life);
  GATEWAY_ASSIGN(auto policies, table.tables("policy"));
  GATEWAY_ASSIGN(auto callers, table.tables("caller"));
  GATEWAY_TRY(table.finish());
  for (TomlTable& each : policies) {
    GATEWAY_ASSIGN(PolicyFile policy, read_policy(each));
    config.policies.push_back(std::move(policy));
  }
  for (TomlTable& each : callers) {
    GATEWAY_ASSIGN(CallerEntry caller, read_caller(each));
    config.callers.push_back(std::move(caller));
  }
  if (config.policies.empty() || config.policies.size() > kMostEntries || twice(config.policies)) {
    return fail(ErrorCode::kInvalidArgument, "verifier.config_policy",
                table.file_name() + ": expected one to 1024 [[policy]] entries, each id once",
                "write [[policy]] with id and file; without a policy there is no verdict");
  }
  if (config.callers.size() > kMostEntries || twice(config.callers)) {
    return fail(ErrorCode::kInvalidArgument, "verifier.config_caller",
                table.file_name() + ": expected at most 1024 [[caller]] entries, each id once", "remove one of them");
  }
  return config;
}

}  // namespace gateway::verifier
