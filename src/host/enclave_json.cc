#include "host/enclave_json.h"

#include "channel/deployment.h"
#include "host/event_log.h"
#include "host/json_fields.h"

namespace gateway::host {
namespace {

boost::json::value time_or_null(Time time) {
  if (time == Time{}) return nullptr;
  return boost::json::string(to_rfc3339(time));
}

boost::json::value measurements_json(const ShimStatus& status) {
  if (status.measurements[0].empty()) return nullptr;
  return boost::json::object{
      {"0", status.measurements[0]}, {"1", status.measurements[1]}, {"2", status.measurements[2]}};
}

boost::json::value failure_json(const std::optional<Reported>& failure) {
  if (!failure) return nullptr;
  return boost::json::object{{"id", failure->id}, {"detail", failure->detail}, {"remedy", failure->remedy}};
}

boost::json::object memory_json(const KeeperView& view) {
  boost::json::object memory{{"declared", view.record.memory}, {"limit", nullptr}, {"note", view.status.memory_note}};
  if (view.status.memory_limit != 0) memory["limit"] = view.status.memory_limit;
  return memory;
}

boost::json::value traffic_json(const Traffic& traffic) {
  return codec::parse_json(encode_traffic(traffic), {}).value_or(nullptr);
}

boost::json::object enclave_json(const KeeperView& view, Detail detail) {
  const auto& record = view.record;
  const auto& status = view.status;
  boost::json::array cpus;
  for (const int cpu : record.cpus) cpus.emplace_back(cpu);
  boost::json::object enclave{
      {"name", record.name},
      {"platform", record.platform},
      {"state", to_string(view.phase)},
      {"listen", record.listen},
      {"pid", status.pid},
      {"enclave_pid", status.enclave_pid},
      {"memory", memory_json(view)},
      {"cpus", std::move(cpus)},
      {"max_connections", record.max_connections},
      {"traffic", traffic_json(record.traffic)},
      {"restarts", record.restarts},
      {"connections", view.over() ? 0 : status.connections},
      {"created_at", to_rfc3339(record.created_at)},
      {"started_at", time_or_null(status.started_at)},
      {"ready_at", time_or_null(status.ready_at)},
      {"measurements", measurements_json(status)},
      {"config", "sha384:" + to_hex(channel::deployment_digest(record.config))},
      {"root", nullptr},
      {"failure", failure_json(view.failure)},
  };
  if (!status.root_sha256.empty()) enclave["root"] = "sha256:" + status.root_sha256;
  if (detail == Detail::kFull) {
    enclave["image"] = record.image_key;
    enclave["uid"] = status.uid;
    enclave["workload_uid"] = status.workload_uid;
    enclave["root_pem"] = status.root_pem;
  }
  return enclave;
}

}  // namespace

std::string encode_enclave(const KeeperView& view, Detail detail) {
  return codec::write_json(boost::json::object{{"ok", true}, {"enclave", enclave_json(view, detail)}});
}

std::string encode_enclaves(const std::vector<KeeperView>& views) {
  boost::json::array enclaves;
  for (const auto& view : views) enclaves.push_back(enclave_json(view, Detail::kShort));
  return codec::write_json(boost::json::object{{"ok", true}, {"enclaves", std::move(enclaves)}});
}

std::string encode_events(const std::vector<std::string>& lines, std::size_t max_size, Phase phase) {
  boost::json::array events;
  std::size_t size = 0;
  bool more = false;
  for (const auto& line : lines) {
    size += line.size();
    more = size > max_size;
    if (more) break;
    if (auto event = codec::parse_json(line, {.bytes = 2 * kMaxEvent, .depth = 6, .values = 512})) {
      events.push_back(*std::move(event));
    }
  }
  return codec::write_json(
      boost::json::object{{"ok", true}, {"events", std::move(events)}, {"state", to_string(phase)}, {"more", more}});
}

std::string encode_version(const std::string& version, const std::string& state_folder, long pid) {
  return codec::write_json(
      boost::json::object{{"ok", true}, {"version", version}, {"state_folder", state_folder}, {"pid", pid}});
}

}  // namespace gateway::host
