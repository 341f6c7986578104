#include "host/enclave_spec.h"

#include <limits>

#include "host/json_fields.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMaxSpecSize = 64UZ * 1024;
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxDestinations = 256;
constexpr std::uint64_t kMaxMemory = 1ULL << 50U;
constexpr std::uint64_t kMaxStartTimeoutMs = 24ULL * 3600 * 1000;

}  // namespace

Status check_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  bool good = !name.empty() && name.size() <= 63 && letter(name.front());
  for (const char c : name) good = good && (letter(c) || c == '.' || c == '_' || c == '-');
  if (good) return {};
  return fail(ErrorCode::kInvalidArgument, "host.name",
              "a name is 1 to 63 of a-z, 0-9, '.', '_' and '-', and starts with a letter or a digit",
              "choose another name");
}

namespace {

boost::json::object egress_json(const EgressConfig& egress) {
  boost::json::array allow;
  for (const std::string& entry : egress.allow.value_or(std::vector<std::string>{})) allow.emplace_back(entry);
  return {{"offered", egress.offered},   {"narrowed", egress.allow.has_value()},      {"allow", std::move(allow)},
          {"resolver", egress.resolver}, {"aws_credentials", egress.aws_credentials}, {"imds", egress.imds},
          {"packets", egress.packets}};
}

Result<EgressConfig> read_egress(JsonFields fields) {
  EgressConfig egress;
  GATEWAY_ASSIGN(egress.offered, fields.boolean("offered"));
  GATEWAY_ASSIGN(const bool narrowed, fields.boolean("narrowed"));
  GATEWAY_ASSIGN(auto allow, fields.texts("allow", kMaxDestinations, 300));
  if (narrowed) egress.allow = std::move(allow);
  GATEWAY_ASSIGN(egress.resolver, fields.text("resolver", 300));
  GATEWAY_ASSIGN(egress.aws_credentials, fields.text("aws_credentials", kMaxPath));
  GATEWAY_ASSIGN(egress.imds, fields.text("imds", 300));
  GATEWAY_ASSIGN(egress.packets, fields.boolean("packets"));
  GATEWAY_TRY(fields.finish());
  GATEWAY_TRY(check_egress_config(egress));
  return egress;
}

}  // namespace

std::string encode_spec(const EnclaveSpec& spec) {
  boost::json::array cpus;
  for (const int cpu : spec.cpus) cpus.emplace_back(cpu);
  return codec::write_json(boost::json::object{
      {"version", 1},
      {"name", spec.name},
      {"platform", spec.platform},
      {"image_file", spec.image_file},
      {"image_key", spec.image_key},
      {"tree", spec.tree},
      {"listen", spec.listen},
      {"root_folder", spec.root_folder},
      {"qemu_folder", spec.qemu_folder},
      {"cgroup", spec.cgroup},
      {"cgroup_note", spec.cgroup_note},
      {"memory", spec.memory},
      {"cpus", std::move(cpus)},
      {"slot", spec.slot},
      {"ids", boost::json::array{spec.ids.enclave, spec.ids.workload_uid, spec.ids.workload_gid, spec.ids.spare_uid,
                                 spec.ids.spare_gid}},
      {"start_timeout_ms", spec.start_timeout.count()},
      {"max_connections", spec.max_connections},
      {"traffic", encode_traffic(spec.traffic)},
      {"egress", egress_json(spec.egress)},
  });
}

Result<EnclaveSpec> parse_spec(std::string_view json) {
  GATEWAY_ASSIGN(JsonFields fields, JsonFields::parse(json, kMaxSpecSize, "host.spec.syntax", "host.spec.key"));
  EnclaveSpec spec;
  GATEWAY_ASSIGN(const std::uint64_t version, fields.number("version", 1));
  if (version != 1) return fail(ErrorCode::kMalformed, "host.spec.key", "the version is not 1");
  GATEWAY_ASSIGN(spec.name, fields.text("name", 63));
  GATEWAY_TRY(check_name(spec.name));
  GATEWAY_ASSIGN(spec.platform, fields.text("platform", 16));
  GATEWAY_ASSIGN(spec.image_file, fields.text("image_file", kMaxPath));
  GATEWAY_ASSIGN(spec.image_key, fields.text("image_key", 128));
  GATEWAY_ASSIGN(spec.tree, fields.text("tree", kMaxPath));
  GATEWAY_ASSIGN(spec.listen, fields.text("listen", 300));
  GATEWAY_ASSIGN(spec.root_folder, fields.text("root_folder", kMaxPath));
  GATEWAY_ASSIGN(spec.qemu_folder, fields.text("qemu_folder", kMaxPath));
  GATEWAY_ASSIGN(spec.cgroup, fields.text("cgroup", kMaxPath));
  GATEWAY_ASSIGN(spec.cgroup_note, fields.text("cgroup_note", 512));
  GATEWAY_ASSIGN(spec.memory, fields.number("memory", kMaxMemory));
  GATEWAY_ASSIGN(spec.cpus, fields.small_numbers("cpus", 4096, 65535));
  GATEWAY_ASSIGN(const std::uint64_t slot, fields.number("slot", 1'000'000));
  spec.slot = static_cast<std::uint32_t>(slot);
  GATEWAY_ASSIGN(const auto ids, fields.small_numbers("ids", 5, std::numeric_limits<int>::max()));
  if (ids.size() != 5) return fail(ErrorCode::kMalformed, "host.spec.key", "\"ids\" must be five numbers");
  const auto id = [&](std::size_t i) { return static_cast<std::uint32_t>(ids[i]); };
  spec.ids = {id(0), id(1), id(2), id(3), id(4)};
  GATEWAY_ASSIGN(const std::uint64_t timeout, fields.number("start_timeout_ms", kMaxStartTimeoutMs));
  spec.start_timeout = std::chrono::milliseconds(timeout);
  GATEWAY_ASSIGN(spec.max_connections, fields.number("max_connections", 1'000'000));
  GATEWAY_ASSIGN(const std::string traffic, fields.text("traffic", 4096));
  GATEWAY_ASSIGN(spec.traffic, parse_traffic(traffic));
  GATEWAY_ASSIGN(std::optional<JsonFields> egress, fields.object_or_null("egress"));
  if (!egress) return fail(ErrorCode::kMalformed, "host.spec.key", "\"egress\" must be an object");
  GATEWAY_ASSIGN(spec.egress, read_egress(*std::move(egress)));
  GATEWAY_TRY(fields.finish());
  return spec;
}

}  // namespace gateway::host
