#include "host/daemon_config.h"

#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "codec/toml.h"

namespace gateway::host {
namespace {

constexpr std::int64_t kMaxEnclavesPerCpu = 1024;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string home_folder() {
  if (const std::string home = environment("HOME"); !home.empty()) return home;
  const passwd* entry = ::getpwuid(::getuid());
  return entry == nullptr ? "/" : entry->pw_dir;
}

Status read_limits(codec::TomlTable& table, DaemonConfig& config) {
  GATEWAY_ASSIGN(const auto memory, table.optional_text("memory"));
  if (memory) {
    const auto bytes = parse_bytes(*memory);
    if (!bytes || *bytes == 0) return table.bad_value("memory", "expected a size such as \"12GiB\" or \"512MiB\"");
    config.memory = *bytes;
  }
  GATEWAY_ASSIGN(const auto per_cpu, table.optional_integer("enclaves_per_cpu"));
  if (per_cpu) {
    if (*per_cpu < 1 || *per_cpu > kMaxEnclavesPerCpu) {
      return table.bad_value("enclaves_per_cpu", "expected a number from 1 to " + std::to_string(kMaxEnclavesPerCpu));
    }
    config.enclaves_per_cpu = static_cast<unsigned>(*per_cpu);
  }
  return table.finish();
}

Status read_egress(codec::TomlTable& table, EgressConfig& egress) {
  GATEWAY_ASSIGN(const auto offered, table.optional_boolean("offered"));
  GATEWAY_ASSIGN(egress.allow, table.optional_texts("allow"));
  GATEWAY_ASSIGN(const auto resolver, table.optional_text("resolver"));
  GATEWAY_ASSIGN(const auto credentials, table.optional_text("aws_credentials"));
  GATEWAY_ASSIGN(const auto imds, table.optional_text("imds"));
  GATEWAY_ASSIGN(const auto packets, table.optional_boolean("packets"));
  egress.offered = offered.value_or(egress.offered);
  egress.resolver = resolver.value_or(egress.resolver);
  egress.aws_credentials = credentials.value_or(egress.aws_credentials);
  egress.imds = imds.value_or(egress.imds);
  egress.packets = packets.value_or(egress.packets);
  GATEWAY_TRY(table.finish());
  return check_egress_config(egress);
}

Status read_log(codec::TomlTable& table, DaemonConfig& config) {
  GATEWAY_ASSIGN(const auto level, table.optional_text("level"));
  if (level) {
    if (*level == "debug") config.log_level = log::Level::kDebug;
    else if (*level == "info") config.log_level = log::Level::kInfo;
    else if (*level == "warning") config.log_level = log::Level::kWarning;
    else if (*level == "error") config.log_level = log::Level::kError;
    else return table.bad_value("level", "expected debug, info, warning or error");
  }
  GATEWAY_ASSIGN(const auto format, table.optional_text("format"));
  if (format) {
    if (*format != "text" && *format != "json") return table.bad_value("format", "expected text or json");
    config.log_format = *format == "json" ? log::Format::kJson : log::Format::kText;
  }
  return table.finish();
}

}  // namespace

Result<DaemonConfig> parse_daemon_config(std::string_view toml, std::string file_name) {
  GATEWAY_ASSIGN(auto table, codec::TomlTable::parse(toml, std::move(file_name), {.bytes = 64UZ * 1024, .depth = 4}));
  DaemonConfig config;
  GATEWAY_ASSIGN(auto state_dir, table.optional_text("state_dir"));
  GATEWAY_ASSIGN(auto socket, table.optional_text("socket"));
  if (state_dir && !state_dir->starts_with('/')) return table.bad_value("state_dir", "expected an absolute path");
  if (socket && !socket->starts_with('/')) return table.bad_value("socket", "expected an absolute path");
  GATEWAY_ASSIGN(auto qemu, table.optional_text("qemu"));
  if (qemu && !qemu->starts_with('/')) return table.bad_value("qemu", "expected an absolute path");
  config.qemu = qemu.value_or("");
  config.state_dir = state_dir.value_or("");
  config.socket = socket.value_or("");
  GATEWAY_ASSIGN(config.group, table.optional_text("group"));
  GATEWAY_ASSIGN(auto limits, table.optional_table("limits"));
  if (limits) GATEWAY_TRY(read_limits(*limits, config));
  GATEWAY_ASSIGN(auto egress, table.optional_table("egress"));
  if (egress) GATEWAY_TRY(read_egress(*egress, config.egress));
  GATEWAY_ASSIGN(auto log, table.optional_table("log"));
  if (log) GATEWAY_TRY(read_log(*log, config));
  GATEWAY_TRY(table.finish());
  return config;
}

std::string state_folder_of_user() {
  if (std::string state = environment("GATEWAY_STATE"); !state.empty()) return state;
  if (::geteuid() == 0) return "/var/lib/gateway";
  if (const std::string state = environment("XDG_STATE_HOME"); state.starts_with('/')) return state + "/gateway";
  return home_folder() + "/.local/state/gateway";
}

std::string socket_in(const std::string& state_folder) {
  if (std::string socket = environment("GATEWAY_SOCKET"); !socket.empty()) return socket;
  return state_folder + "/gatewayd.sock";
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  unsigned shift = 0;
  if (unit == "KiB") shift = 10;
  else if (unit == "MiB") shift = 20;
  else if (unit == "GiB") shift = 30;
  else if (unit == "TiB") shift = 40;
  else if (!unit.empty()) return std::nullopt;
  if (number > (UINT64_MAX >> shift)) return std::nullopt;
  return number << shift;
}

}  // namespace gateway::host
