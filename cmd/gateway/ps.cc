#include "ps.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/clock.h"
#include "daemon_client.h"
#include "host/admission.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kColumns = 8;
using Row = std::array<std::string, kColumns>;

std::string age_of(const boost::json::object& enclave, Time now) {
  const auto since = from_rfc3339(text_of(enclave, "ready_at"));
  if (!since || text_of(enclave, "state") != "ready") return "-";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - *since).count();
  if (seconds < 120) return std::to_string(std::max<std::int64_t>(seconds, 0)) + "s";
  if (seconds < 7200) return std::to_string(seconds / 60) + "m";
  if (seconds < 172'800) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86'400) + "d";
}

// What is enforced, never what was only asked for.
std::string memory_of(const boost::json::object& enclave) {
  const auto* memory = object_of(enclave, "memory");
  if (memory == nullptr || text_of(enclave, "state") == "stopped") return "-";
  if (const auto limit = number_of(*memory, "limit"); limit > 0) {
    return host::human_bytes(static_cast<std::uint64_t>(limit));
  }
  return "none (" + safe(text_of(*memory, "note")) + ")";
}

std::string cpus_of(const boost::json::object& enclave) {
  std::string text;
  if (const auto* cpus = enclave.if_contains("cpus"); cpus != nullptr && cpus->is_array()) {
    for (const auto& cpu : cpus->as_array()) {
      if (cpu.is_int64()) text.append(text.empty() ? "" : ",").append(std::to_string(cpu.as_int64()));
    }
  }
  return text.empty() ? "-" : text;
}

Row row_of(const boost::json::object& enclave, Time now) {
  std::string state = text_of(enclave, "state");
  if (const auto* failure = object_of(enclave, "failure")) state += " (" + text_of(*failure, "id") + ")";
  return {text_of(enclave, "name"),     safe(state),
          text_of(enclave, "platform"), text_of(enclave, "listen"),
          memory_of(enclave),           cpus_of(enclave),
          age_of(enclave, now),         std::to_string(number_of(enclave, "restarts"))};
}

void print_table(const std::vector<Row>& rows) {
  std::array<std::size_t, kColumns> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < kColumns; ++i) {
      line += row[i];
      if (i + 1 < kColumns) line.append(widths[i] - row[i].size() + 3, ' ');
    }
    print_line(line);
  }
}

}  // namespace

int run_ps(const PsOptions& options) {
  auto daemon = DaemonClient::connect();
  if (!daemon) return report_refusal(daemon.error());
  const auto answer = daemon->ask(host::PsRequest{}, kQuickAnswer);
  if (!answer) return report_refusal(answer.error());
  boost::json::array shown;
  std::vector<Row> rows{{"NAME", "STATE", "PLATFORM", "LISTEN", "MEMORY LIMIT", "CPUS", "UP", "RESTARTS"}};
  const Time now = SystemClock().now();
  if (const auto* enclaves = answer->if_contains("enclaves"); enclaves != nullptr && enclaves->is_array()) {
    for (const auto& enclave : enclaves->as_array()) {
      if (!enclave.is_object()) continue;
      if (!options.all && text_of(enclave.as_object(), "state") == "stopped") continue;
      rows.push_back(row_of(enclave.as_object(), now));
      shown.push_back(enclave);
    }
  }
  if (options.json) {
    print_json(boost::json::object{{"enclaves", std::move(shown)}});
  } else {
    print_table(rows);
  }
  return kDone;
}

}  // namespace gateway::cli
