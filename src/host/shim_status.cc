#include "host/shim_status.h"

#include "host/json_fields.h"

namespace gateway::host {
namespace {

constexpr std::uint64_t kMaxPid = 1ULL << 31U;
constexpr std::uint64_t kMaxTimeMs = 1ULL << 53U;

Time time_from(std::uint64_t milliseconds) {
  return Time(std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds)));
}

boost::json::value failure_json(const std::optional<Reported>& failure) {
  if (!failure) return nullptr;
  return boost::json::object{{"code", to_string(failure->code)},
                             {"id", failure->id},
                             {"detail", failure->detail},
                             {"remedy", failure->remedy}};
}

Result<Reported> parse_failure(JsonFields& fields) {
  Reported failure;
  GATEWAY_ASSIGN(const std::string code, fields.text("code", 32));
  const auto known = error_code_from(code);
  GATEWAY_ASSIGN(failure.id, fields.text("id", 96));
  if (!known || !well_formed_id(failure.id)) {
    return fail(ErrorCode::kMalformed, "host.status.key", "a failure has no known code or no well-formed id");
  }
  failure.code = *known;
  GATEWAY_ASSIGN(const std::string detail, fields.text("detail", 2 * kMaxReportedText));
  GATEWAY_ASSIGN(const std::string remedy, fields.text("remedy", 2 * kMaxReportedText));
  failure.detail = printable(detail);
  failure.remedy = printable(remedy);
  GATEWAY_TRY(fields.finish());
  return failure;
}

bool hex_of(std::string_view text, std::size_t bytes) {
  return text.empty() || (text.size() == 2 * bytes && from_hex(text).has_value());
}

}  // namespace

std::string_view to_string(EnclaveState state) {
  switch (state) {
    case EnclaveState::kStarting: return "starting";
    case EnclaveState::kReady: return "ready";
    case EnclaveState::kStopping: return "stopping";
    case EnclaveState::kStopped: return "stopped";
    case EnclaveState::kFailed: return "failed";
  }
  return "failed";
}

std::optional<EnclaveState> enclave_state_from(std::string_view name) {
  for (const auto state : {EnclaveState::kStarting, EnclaveState::kReady, EnclaveState::kStopping,
                           EnclaveState::kStopped, EnclaveState::kFailed}) {
    if (to_string(state) == name) return state;
  }
  return std::nullopt;
}

std::string encode_status(const ShimStatus& status) {
  boost::json::array measurements;
  for (const auto& measurement : status.measurements) measurements.emplace_back(measurement);
  return codec::write_json(boost::json::object{
      {"state", to_string(status.state)},
      {"pid", status.pid},
      {"enclave_pid", status.enclave_pid},
      {"listen", status.listen},
      {"measurements", std::move(measurements)},
      {"config_digest", status.config_digest},
      {"root_sha256", status.root_sha256},
      {"root_pem", status.root_pem},
      {"memory_limit", status.memory_limit},
      {"memory_note", status.memory_note},
      {"uid", status.uid},
      {"workload_uid", status.workload_uid},
      {"connections", status.connections},
      {"started_at_ms", status.started_at.time_since_epoch().count()},
      {"ready_at_ms", status.ready_at.time_since_epoch().count()},
      {"failure", failure_json(status.failure)},
  });
}

Result<ShimStatus> parse_status(std::string_view json) {
  GATEWAY_ASSIGN(JsonFields fields, JsonFields::parse(json, kMaxStatusLine, "host.status.syntax", "host.status.key"));
  ShimStatus status;
  GATEWAY_ASSIGN(const std::string state, fields.text("state", 16));
  const auto known = enclave_state_from(state);
  if (!known) return fail(ErrorCode::kMalformed, "host.status.key", "\"state\" is none of the known ones");
  status.state = *known;
  GATEWAY_ASSIGN(const std::uint64_t pid, fields.number("pid", kMaxPid));
  status.pid = static_cast<std::int64_t>(pid);
  GATEWAY_ASSIGN(const std::uint64_t enclave_pid, fields.number("enclave_pid", kMaxPid));
  status.enclave_pid = static_cast<std::int64_t>(enclave_pid);
  GATEWAY_ASSIGN(status.listen, fields.text("listen", 300));
  GATEWAY_ASSIGN(const auto measurements, fields.texts("measurements", 3, 96));
  if (measurements.size() != 3) return fail(ErrorCode::kMalformed, "host.status.key", "expected three measurements");
  bool hexadecimal = true;
  for (std::size_t i = 0; i < 3; ++i) {
    hexadecimal = hexadecimal && hex_of(measurements[i], 48);
    status.measurements[i] = measurements[i];
  }
  GATEWAY_ASSIGN(status.config_digest, fields.text("config_digest", 96));
  GATEWAY_ASSIGN(status.root_sha256, fields.text("root_sha256", 64));
  if (!hexadecimal || !hex_of(status.config_digest, 48) || !hex_of(status.root_sha256, 32)) {
    return fail(ErrorCode::kMalformed, "host.status.key", "a digest is not hexadecimal of its size");
  }
  GATEWAY_ASSIGN(status.root_pem, fields.text("root_pem", 8192));
  GATEWAY_ASSIGN(status.memory_limit, fields.number("memory_limit", 1ULL << 60U));
  GATEWAY_ASSIGN(status.memory_note, fields.text("memory_note", 512));
  GATEWAY_ASSIGN(const std::uint64_t uid, fields.number("uid", UINT32_MAX));
  GATEWAY_ASSIGN(const std::uint64_t workload_uid, fields.number("workload_uid", UINT32_MAX));
  status.uid = static_cast<std::uint32_t>(uid);
  status.workload_uid = static_cast<std::uint32_t>(workload_uid);
  GATEWAY_ASSIGN(status.connections, fields.number("connections", 1ULL << 32U));
  GATEWAY_ASSIGN(const std::uint64_t started, fields.number("started_at_ms", kMaxTimeMs));
  GATEWAY_ASSIGN(const std::uint64_t ready, fields.number("ready_at_ms", kMaxTimeMs));
  status.started_at = time_from(started);
  status.ready_at = time_from(ready);
  GATEWAY_ASSIGN(auto failure, fields.object_or_null("failure"));
  if (failure) {
    GATEWAY_ASSIGN(status.failure, parse_failure(*failure));
  }
  GATEWAY_TRY(fields.finish());
  return status;
}

}  // namespace gateway::host
