// The description's form: strict JSON in, canonical JSON out. The rules about values are in description.cc.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "codec/json.h"
#include "image/description.h"

namespace gateway::image {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<RestartPolicy, std::string_view>, 3> kRestartNames{
    {{RestartPolicy::kNever, "never"}, {RestartPolicy::kOnFailure, "on-failure"}, {RestartPolicy::kAlways, "always"}}};
constexpr std::array<std::pair<IngressProfile, std::string_view>, 2> kProfileNames{
    {{IngressProfile::kHttp, "http"}, {IngressProfile::kLlama, "llama"}}};

template <class Enum, std::size_t N>
std::string_view name_of(const std::array<std::pair<Enum, std::string_view>, N>& names, Enum value) {
  for (const auto& [known, name] : names)
    if (known == value) return name;
  return names[0].second;
}

// Reads one JSON object by asking for its keys; what nobody asked for is refused by finish().
class ObjectReader {
 public:
  ObjectReader(const json::object& object, std::string path) : object_(object), path_(std::move(path)) {}

  Result<const json::value*> at(std::string_view key) {
    ++asked_;
    const json::value* value = object_.if_contains(key);
    if (value == nullptr) {
      return fail(ErrorCode::kMalformed, "image.description.missing_key", path_ + std::string(key) + " is missing");
    }
    return value;
  }
  bool has(std::string_view key) const { return object_.contains(key); }
  Result<std::string> text(std::string_view key) {
    GATEWAY_ASSIGN(const json::value* value, at(key));
    if (!value->is_string()) return wrong(key, "a string");
    return std::string(value->get_string());
  }
  Result<bool> boolean(std::string_view key) {
    GATEWAY_ASSIGN(const json::value* value, at(key));
    if (!value->is_bool()) return wrong(key, "true or false");
    return value->get_bool();
  }
  template <class Integer>
  Status number(std::string_view key, Integer& out) {
    GATEWAY_ASSIGN(const json::value* value, at(key));
    std::uint64_t read = 0;
    if (value->is_int64() && value->get_int64() >= 0) {
      read = static_cast<std::uint64_t>(value->get_int64());
    } else if (value->is_uint64()) {
      read = value->get_uint64();
    } else {
      return wrong(key, "a whole number that is not negative");
    }
    if (!std::in_range<Integer>(read)) return wrong(key, "a number within range");
    out = static_cast<Integer>(read);
    return {};
  }
  Status duration(std::string_view key, Duration& out) {
    std::uint32_t milliseconds = 0;
    GATEWAY_TRY(number(key, milliseconds));
    out = Duration(milliseconds);
    return {};
  }
  Result<std::vector<std::string>> texts(std::string_view key) {
    GATEWAY_ASSIGN(const json::value* value, at(key));
    if (!value->is_array()) return wrong(key, "an array of strings");
    std::vector<std::string> out;
    for (const json::value& item : value->get_array()) {
      if (!item.is_string()) return wrong(key, "an array of strings");
      out.emplace_back(item.get_string());
    }
    return out;
  }
  Result<std::map<std::string, std::string, std::less<>>> text_map(std::string_view key) {
    GATEWAY_ASSIGN(const ObjectReader map, object(key));
    std::map<std::string, std::string, std::less<>> out;
    for (const auto& entry : map.object_) {
      if (!entry.value().is_string()) return wrong(key, "an object of strings");
      out.emplace(std::string(entry.key()), std::string(entry.value().get_string()));
    }
    return out;
  }
  Result<ObjectReader> object(std::string_view key) {
    GATEWAY_ASSIGN(const json::value* value, at(key));
    if (!value->is_object()) return wrong(key, "an object");
    return ObjectReader(value->get_object(), path_ + std::string(key) + ".");
  }
  // null stands for absent, so that every key is always written.
  Result<std::optional<ObjectReader>> nullable_object(std::string_view key) {
    GATEWAY_ASSIGN(const json::value* value, at(key));
    if (value->is_null()) return std::nullopt;
    if (!value->is_object()) return wrong(key, "an object or null");
    return std::optional(ObjectReader(value->get_object(), path_ + std::string(key) + "."));
  }
  Status finish() const {
    // Each key was asked for once and was there, so a surplus can only be keys that nobody knows.
    if (object_.size() == asked_) return {};
    return fail(ErrorCode::kMalformed, "image.description.unknown_key",
                (path_.empty() ? "the top level" : path_.substr(0, path_.size() - 1)) +
                    " has a key that this version does not know",
                "build the image with the same release as the runtime inside it");
  }
  std::unexpected<Error> wrong(std::string_view key, std::string_view expected) const {
    return fail(ErrorCode::kMalformed, "image.description.type",
                path_ + std::string(key) + " must be " + std::string(expected));
  }

 private:
  const json::object& object_;
  std::string path_;
  std::size_t asked_ = 0;
};

Result<WorkloadDescription> read_workload(ObjectReader reader) {
  WorkloadDescription out;
  GATEWAY_ASSIGN(out.argv, reader.texts("argv"));
  GATEWAY_ASSIGN(out.env, reader.text_map("env"));
  GATEWAY_ASSIGN(out.cwd, reader.text("cwd"));
  GATEWAY_TRY(reader.number("uid", out.uid));
  GATEWAY_TRY(reader.number("gid", out.gid));
  GATEWAY_ASSIGN(const std::string restart, reader.text("restart"));
  const auto* known = std::ranges::find(kRestartNames, restart, [](const auto& pair) { return pair.second; });
  if (known == kRestartNames.end()) return reader.wrong("restart", "never, on-failure or always");
  out.restart = known->first;
  GATEWAY_ASSIGN(std::optional<ObjectReader> readiness, reader.nullable_object("readiness"));
  if (readiness) {
    out.readiness.emplace();
    GATEWAY_ASSIGN(out.readiness->path, readiness->text("path"));
    GATEWAY_TRY(readiness->duration("timeout_ms", out.readiness->timeout));
    GATEWAY_TRY(readiness->finish());
  }
  GATEWAY_TRY(reader.duration("stop_grace_ms", out.stop_grace));
  GATEWAY_TRY(reader.finish());
  return out;
}

Result<IngressDescription> read_ingress(ObjectReader reader) {
  IngressDescription out;
  GATEWAY_ASSIGN(out.socket, reader.text("socket"));
  GATEWAY_TRY(reader.number("port", out.port));
  GATEWAY_ASSIGN(const std::string profile, reader.text("profile"));
  const auto* known = std::ranges::find(kProfileNames, profile, [](const auto& pair) { return pair.second; });
  if (known == kProfileNames.end()) return reader.wrong("profile", "http or llama");
  out.profile = known->first;
  GATEWAY_ASSIGN(out.paths, reader.texts("paths"));
  if (reader.has("padding")) GATEWAY_TRY(reader.number("padding", out.padding));
  if (reader.has("client_address")) {
    GATEWAY_ASSIGN(out.client_address, reader.boolean("client_address"));
  }
  GATEWAY_TRY(reader.finish());
  return out;
}

Result<EgressDescription> read_egress(ObjectReader reader) {
  EgressDescription out;
  GATEWAY_ASSIGN(out.allow, reader.texts("allow"));
  if (reader.has("insecure_allow")) {
    GATEWAY_ASSIGN(out.insecure_allow, reader.texts("insecure_allow"));
  }
  if (reader.has("transparent")) {
    GATEWAY_ASSIGN(out.transparent, reader.boolean("transparent"));
  }
  if (reader.has("tun")) {
    GATEWAY_ASSIGN(out.tun, reader.boolean("tun"));
  }
  if (reader.has("tls")) {
    GATEWAY_ASSIGN(const std::string tls, reader.text("tls"));
    if (tls != "runtime" && tls != "workload") return reader.wrong("tls", "runtime or workload");
    out.runtime_tls = tls == "runtime";
  }
  if (reader.has("roots")) {
    GATEWAY_ASSIGN(out.roots, reader.text("roots"));
  }
  GATEWAY_TRY(reader.finish());
  return out;
}

Result<KmsDescription> read_kms(ObjectReader reader) {
  KmsDescription out;
  GATEWAY_ASSIGN(out.region, reader.text("region"));
  GATEWAY_ASSIGN(out.endpoint, reader.text("endpoint"));
  GATEWAY_ASSIGN(out.keys, reader.texts("keys"));
  GATEWAY_ASSIGN(out.context, reader.text_map("context"));
  GATEWAY_TRY(reader.finish());
  return out;
}

Result<SlotsDescription> read_slots(ObjectReader reader) {
  SlotsDescription out;
  GATEWAY_ASSIGN(out.args_append, reader.boolean("args_append"));
  GATEWAY_ASSIGN(out.env, reader.texts("env"));
  GATEWAY_ASSIGN(out.paths_narrow, reader.boolean("paths_narrow"));
  GATEWAY_TRY(reader.finish());
  return out;
}

Result<LimitsDescription> read_limits(ObjectReader reader) {
  LimitsDescription out;
  GATEWAY_TRY(reader.number("max_header", out.max_header));
  GATEWAY_TRY(reader.number("max_body", out.max_body));
  GATEWAY_TRY(reader.number("max_in_flight", out.max_in_flight));
  GATEWAY_TRY(reader.number("max_connections", out.max_connections));
  GATEWAY_TRY(reader.duration("head_timeout_ms", out.head_timeout));
  GATEWAY_TRY(reader.duration("body_timeout_ms", out.body_timeout));
  GATEWAY_TRY(reader.duration("idle_timeout_ms", out.idle_timeout));
  GATEWAY_TRY(reader.duration("response_timeout_ms", out.response_timeout));
  GATEWAY_TRY(reader.finish());
  return out;
}

Result<ResourcesDescription> read_resources(ObjectReader reader) {
  ResourcesDescription out;
  GATEWAY_TRY(reader.number("memory", out.memory));
  GATEWAY_TRY(reader.number("cpus", out.cpus));
  GATEWAY_TRY(reader.finish());
  return out;
}

Result<Description> read_description(ObjectReader reader) {
  Description out;
  std::uint32_t version = 0;
  GATEWAY_TRY(reader.number("version", version));
  if (version != kDescriptionVersion) {
    return fail(ErrorCode::kMalformed, "image.description.version",
                "the description has version " + std::to_string(version) + "; this release reads version 1",
                "build the image with the same release as the runtime inside it");
  }
  GATEWAY_ASSIGN(out.name, reader.text("name"));
  GATEWAY_ASSIGN(out.app_version, reader.text("app_version"));
  GATEWAY_ASSIGN(const ObjectReader workload, reader.object("workload"));
  GATEWAY_ASSIGN(out.workload, read_workload(workload));
  GATEWAY_ASSIGN(const ObjectReader ingress, reader.object("ingress"));
  GATEWAY_ASSIGN(out.ingress, read_ingress(ingress));
  GATEWAY_ASSIGN(const ObjectReader egress, reader.object("egress"));
  GATEWAY_ASSIGN(out.egress, read_egress(egress));
  GATEWAY_ASSIGN(const ObjectReader slots, reader.object("slots"));
  GATEWAY_ASSIGN(out.slots, read_slots(slots));
  GATEWAY_ASSIGN(const ObjectReader limits, reader.object("limits"));
  GATEWAY_ASSIGN(out.limits, read_limits(limits));
  GATEWAY_ASSIGN(const ObjectReader resources, reader.object("resources"));
  GATEWAY_ASSIGN(out.resources, read_resources(resources));
  GATEWAY_ASSIGN(std::optional<ObjectReader> llama, reader.nullable_object("llama"));
  if (llama) {
    out.llama.emplace();
    GATEWAY_TRY(llama->number("max_tokens", out.llama->max_tokens));
    GATEWAY_TRY(llama->finish());
  }
  if (reader.has("kms")) {
    GATEWAY_ASSIGN(const ObjectReader kms, reader.object("kms"));
    GATEWAY_ASSIGN(out.kms, read_kms(kms));
  }
  GATEWAY_ASSIGN(out.insecure_logs_to_host, reader.boolean("insecure_logs_to_host"));
  GATEWAY_ASSIGN(out.insecure_host_time, reader.boolean("insecure_host_time"));
  GATEWAY_TRY(reader.finish());
  return out;
}

json::array to_array(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

json::object text_map_json(const std::map<std::string, std::string, std::less<>>& texts) {
  json::object out;
  for (const auto& [name, value] : texts) out.emplace(name, value);
  return out;
}

json::object workload_json(const WorkloadDescription& workload) {
  json::value readiness = nullptr;
  if (workload.readiness) {
    readiness = json::object{{"path", workload.readiness->path}, {"timeout_ms", workload.readiness->timeout.count()}};
  }
  return {{"argv", to_array(workload.argv)},
          {"env", text_map_json(workload.env)},
          {"cwd", workload.cwd},
          {"uid", workload.uid},
          {"gid", workload.gid},
          {"restart", name_of(kRestartNames, workload.restart)},
          {"readiness", std::move(readiness)},
          {"stop_grace_ms", workload.stop_grace.count()}};
}

// What is not there is left out, as images of before have it.
json::object egress_json(const EgressDescription& egress) {
  json::object out{{"allow", to_array(egress.allow)}};
  if (!egress.insecure_allow.empty()) out["insecure_allow"] = to_array(egress.insecure_allow);
  if (egress.transparent) out["transparent"] = true;
  if (egress.tun) out["tun"] = true;
  if (egress.runtime_tls) out["tls"] = "runtime";
  if (!egress.roots.empty()) out["roots"] = egress.roots;
  return out;
}

json::object kms_json(const KmsDescription& kms) {
  return {{"region", kms.region},
          {"endpoint", kms.endpoint},
          {"keys", to_array(kms.keys)},
          {"context", text_map_json(kms.context)}};
}

json::object limits_json(const LimitsDescription& limits) {
  return {{"max_header", limits.max_header},
          {"max_body", limits.max_body},
          {"max_in_flight", limits.max_in_flight},
          {"max_connections", limits.max_connections},
          {"head_timeout_ms", limits.head_timeout.count()},
          {"body_timeout_ms", limits.body_timeout.count()},
          {"idle_timeout_ms", limits.idle_timeout.count()},
          {"response_timeout_ms", limits.response_timeout.count()}};
}

}  // namespace

Result<Description> parse_description(std::string_view text) {
  if (text.size() > kMaxDescriptionBytes) {
    return fail(ErrorCode::kLimitExceeded, "image.description.size",
                "the description has " + std::to_string(text.size()) + " bytes; the limit is 262144");
  }
  auto value = codec::parse_json(text, {.bytes = kMaxDescriptionBytes, .depth = 6, .values = 4096});
  if (!value || !value->is_object()) {
    return fail(ErrorCode::kMalformed, "image.description.syntax",
                value ? "the description is not a JSON object" : "the description: " + value.error().message());
  }
  GATEWAY_ASSIGN(Description out, read_description(ObjectReader(value->get_object(), "")));
  GATEWAY_TRY(check(out));
  return out;
}

Result<std::string> encode_description(const Description& description) {
  GATEWAY_TRY(check(description));
  json::value llama = nullptr;
  if (description.llama) llama = json::object{{"max_tokens", description.llama->max_tokens}};
  json::object ingress{{"socket", description.ingress.socket},
                       {"port", description.ingress.port},
                       {"profile", name_of(kProfileNames, description.ingress.profile)},
                       {"paths", to_array(description.ingress.paths)}};
  // Left out where there is none, as images of before have it.
  if (description.ingress.padding != 0) ingress["padding"] = description.ingress.padding;
  if (description.ingress.client_address) ingress["client_address"] = true;
  json::object out{
      {"version", kDescriptionVersion},
      {"name", description.name},
      {"app_version", description.app_version},
      {"workload", workload_json(description.workload)},
      {"ingress", std::move(ingress)},
      {"egress", egress_json(description.egress)},
      {"slots", json::object{{"args_append", description.slots.args_append},
                             {"env", to_array(description.slots.env)},
                             {"paths_narrow", description.slots.paths_narrow}}},
      {"limits", limits_json(description.limits)},
      {"resources", json::object{{"memory", description.resources.memory}, {"cpus", description.resources.cpus}}},
      {"llama", std::move(llama)},
      {"insecure_logs_to_host", description.insecure_logs_to_host},
      {"insecure_host_time", description.insecure_host_time}};
  if (description.kms) out["kms"] = kms_json(*description.kms);
  std::string text = codec::write_json(out) + "\n";
  if (text.size() > kMaxDescriptionBytes) {
    return fail(ErrorCode::kLimitExceeded, "image.description.size",
                "the description has " + std::to_string(text.size()) + " bytes; the limit is 262144",
                "shorten the arguments, the environment or the list of paths");
  }
  return text;
}

}  // namespace gateway::image
