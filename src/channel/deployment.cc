#include "channel/deployment.h"

#include <algorithm>

#include "codec/toml.h"

namespace gateway::channel {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::uint64_t kMaxLimitValue = 1ULL << 40;

Status check_texts(const std::vector<std::string>& texts, std::size_t max_count, ErrorId id, std::string_view what) {
  if (texts.size() > max_count) {
    return fail(ErrorCode::kInvalidArgument, id,
                "expected at most " + std::to_string(max_count) + " of " + std::string(what) + ", found " +
                    std::to_string(texts.size()));
  }
  for (const std::string& text : texts) {
    if (text.size() > kMaxDeploymentText || text.find('\0') != std::string::npos) {
      return fail(ErrorCode::kInvalidArgument, id,
                  std::string(what) + " must be at most " + std::to_string(kMaxDeploymentText) + " bytes without NUL");
    }
  }
  return {};
}

Result<crypto::PublicKey> read_access_key(codec::TomlTable& root) {
  GATEWAY_ASSIGN(const std::string text, root.text("access_key"));
  constexpr std::string_view kRemedy = "write the base64 of the P-256 public key that `gateway token` signs lists with";
  const auto spki = from_base64(text);
  if (!spki) {
    return fail(ErrorCode::kInvalidArgument, "deployment.access_key", "access_key is not canonical base64",
                std::string(kRemedy));
  }
  auto key = crypto::PublicKey::from_spki(*spki);
  if (!key || key->type() != crypto::KeyType::kP256) {
    return fail(ErrorCode::kInvalidArgument, "deployment.access_key",
                "access_key is not the SubjectPublicKeyInfo of a P-256 key", std::string(kRemedy));
  }
  return std::move(*key);
}

Status read_ingress(codec::TomlTable& root, DeploymentConfig& config) {
  GATEWAY_ASSIGN(auto table, root.optional_table("ingress"));
  if (!table) return {};
  GATEWAY_ASSIGN(config.paths, table->optional_texts("paths"));
  if (config.paths) {
    GATEWAY_TRY(check_texts(*config.paths, kMaxDeploymentPaths, "deployment.path", "ingress.paths"));
    for (const std::string& path : *config.paths) {
      if (!path.starts_with('/')) {
        return fail(ErrorCode::kInvalidArgument, "deployment.path", "each of ingress.paths must start with /");
      }
    }
  }
  return table->finish();
}

bool is_variable_name(std::string_view name) {
  if (name.empty() || name.size() > 128 || (name.front() >= '0' && name.front() <= '9')) return false;
  return std::ranges::all_of(name, [](char c) {
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

Status read_workload(codec::TomlTable& root, DeploymentConfig& config) {
  GATEWAY_ASSIGN(auto table, root.optional_table("workload"));
  if (!table) return {};
  GATEWAY_ASSIGN(auto args, table->optional_texts("args"));
  if (args) config.args = std::move(*args);
  GATEWAY_TRY(check_texts(config.args, kMaxDeploymentArguments, "deployment.argument", "workload.args"));
  GATEWAY_ASSIGN(auto env, table->optional_table("env"));
  if (env) {
    GATEWAY_ASSIGN(config.env, env->all_texts());
  }
  if (config.env.size() > kMaxDeploymentVariables) {
    return fail(ErrorCode::kInvalidArgument, "deployment.environment",
                "expected at most " + std::to_string(kMaxDeploymentVariables) + " variables in workload.env");
  }
  for (const auto& [name, value] : config.env) {
    GATEWAY_TRY(check_texts({value}, 1, "deployment.environment", "a value of workload.env"));
    if (!is_variable_name(name)) {
      return fail(ErrorCode::kInvalidArgument, "deployment.environment",
                  "a name in workload.env must be letters, digits and underscores and not start with a digit");
    }
  }
  return table->finish();
}

Result<std::optional<std::uint64_t>> read_limit(codec::TomlTable& table, std::string_view key) {
  GATEWAY_ASSIGN(const std::optional<std::int64_t> value, table.optional_integer(key));
  if (!value) return std::nullopt;
  if (*value < 1 || static_cast<std::uint64_t>(*value) > kMaxLimitValue) {
    return fail(ErrorCode::kInvalidArgument, "deployment.limit",
                "limits." + std::string(key) + " must be from 1 to " + std::to_string(kMaxLimitValue));
  }
  return static_cast<std::uint64_t>(*value);
}

Result<std::optional<Duration>> read_timeout(codec::TomlTable& table, std::string_view key) {
  GATEWAY_ASSIGN(const std::optional<Duration> value, table.optional_duration(key));
  if (value && *value < std::chrono::milliseconds(1)) {
    return fail(ErrorCode::kInvalidArgument, "deployment.limit",
                "limits." + std::string(key) + " must be at least 1ms");
  }
  return value;
}

Status read_limits(codec::TomlTable& root, DeploymentLimits& limits) {
  GATEWAY_ASSIGN(auto table, root.optional_table("limits"));
  if (!table) return {};
  GATEWAY_ASSIGN(limits.max_header, read_limit(*table, "max_header"));
  GATEWAY_ASSIGN(limits.max_body, read_limit(*table, "max_body"));
  GATEWAY_ASSIGN(limits.max_connections, read_limit(*table, "max_connections"));
  GATEWAY_ASSIGN(limits.max_in_flight, read_limit(*table, "max_in_flight"));
  GATEWAY_ASSIGN(limits.head_timeout, read_timeout(*table, "head_timeout"));
  GATEWAY_ASSIGN(limits.body_timeout, read_timeout(*table, "body_timeout"));
  GATEWAY_ASSIGN(limits.idle_timeout, read_timeout(*table, "idle_timeout"));
  GATEWAY_ASSIGN(limits.response_timeout, read_timeout(*table, "response_timeout"));
  return table->finish();
}

Status read_logging(codec::TomlTable& root, DeploymentConfig& config) {
  GATEWAY_ASSIGN(auto table, root.optional_table("logging"));
  if (!table) return {};
  GATEWAY_ASSIGN(const auto level, table->optional_text("level"));
  if (level) {
    if (*level == "debug") config.log_level = log::Level::kDebug;
    else if (*level == "info") config.log_level = log::Level::kInfo;
    else if (*level == "warning") config.log_level = log::Level::kWarning;
    else if (*level == "error") config.log_level = log::Level::kError;
    else {
      return fail(ErrorCode::kInvalidArgument, "deployment.level",
                  "logging.level must be debug, info, warning or error");
    }
  }
  return table->finish();
}

}  // namespace

Result<DeploymentConfig> parse_deployment(std::string_view toml, std::string file_name) {
  if (toml.size() > kMaxDeploymentSize) {
    return fail(
        ErrorCode::kLimitExceeded, "deployment.size",
        "expected at most " + std::to_string(kMaxDeploymentSize) + " bytes, found " + std::to_string(toml.size()));
  }
  GATEWAY_ASSIGN(auto root, codec::TomlTable::parse(toml, std::move(file_name), {.bytes = kMaxDeploymentSize}));
  GATEWAY_ASSIGN(const std::int64_t version, root.integer("version"));
  if (version != kVersion) {
    return fail(ErrorCode::kInvalidArgument, "deployment.version",
                "expected version = 1, found " + std::to_string(version));
  }
  GATEWAY_ASSIGN(auto access_key, read_access_key(root));
  DeploymentConfig config{
      .access_key = std::move(access_key), .paths = {}, .args = {}, .env = {}, .limits = {}, .log_level = {}};
  GATEWAY_TRY(read_ingress(root, config));
  GATEWAY_TRY(read_workload(root, config));
  GATEWAY_TRY(read_limits(root, config.limits));
  GATEWAY_TRY(read_logging(root, config));
  GATEWAY_TRY(root.finish());
  return config;
}

crypto::Sha384 deployment_digest(ByteView exact_bytes) { return crypto::sha384(exact_bytes); }

std::string make_default_config(const crypto::PublicKey& access_key) {
  return "# Deployment configuration: it may only narrow what the measured image allows.\n"
         "version = 1\n"
         "access_key = \"" +
         to_base64(access_key.spki()) + "\"\n";
}

}  // namespace gateway::channel
