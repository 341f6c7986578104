#include "image/description.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <set>
#include <utility>

#include "codec/json.h"

namespace gateway::image {
namespace {

namespace json = boost::json;

// Counts and lengths: far above what images need, far below what would hurt the runtime that holds them.
constexpr std::size_t kMaxArguments = 256;
constexpr std::size_t kMaxText = 4096;
constexpr std::size_t kMaxEnvironment = 256;
constexpr std::size_t kMaxPatterns = 256;
constexpr std::size_t kMaxPattern = 512;
constexpr std::size_t kMaxSocketPath = 100;  // sun_path holds 108 bytes
constexpr std::uint64_t kMiB = 1024ULL * 1024;

constexpr std::array<std::pair<RestartPolicy, std::string_view>, 3> kRestartNames{{
    {RestartPolicy::kNever, "never"}, {RestartPolicy::kOnFailure, "on-failure"}, {RestartPolicy::kAlways, "always"}}};
constexpr std::array<std::pair<IngressProfile, std::string_view>, 2> kProfileNames{
    {{IngressProfile::kHttp, "http"}, {IngressProfile::kLlama, "llama"}}};

template <class Enum, std::size_t N>
std::string_view name_of(const std::array<std::pair<Enum, std::string_view>, N>& names, Enum value) {
  for (const auto& [known, name] : names)
    if (known == value) return name;
  return names[0].second;
}

std::unexpected<Error> bad(std::string detail, std::string remedy = "correct the image's spec and build it again") {
  return fail(ErrorCode::kInvalidArgument, "image.description.value", std::move(detail), std::move(remedy));
}

bool plain_text(std::string_view text) {
  return text.size() <= kMaxText && text.find('\0') == std::string_view::npos;
}

bool printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool absolute_path(std::string_view path) {
  if (path.empty() || path.front() != '/' || !plain_text(path)) return false;
  if (path == "/") return true;
  std::size_t at = 1;
  while (at <= path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    if (segment.empty() || segment == "." || segment == "..") return false;
    at = end + 1;
  }
  return true;
}

bool well_formed_name(std::string_view name) {
  const auto word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && word(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return word(c) || c == '.' || c == '_' || c == '-'; });
}

// The loader and the shells read these before a program's own code runs: nobody outside the image may set them.
bool loader_variable(std::string_view name) {
  return name.starts_with("LD_") || name.starts_with("GCONV_") || name.starts_with("MALLOC_") ||
         name == "GLIBC_TUNABLES" || name == "BASH_ENV" || name == "ENV" || name == "IFS" || name == "PATH";
}

Status check_duration(std::string_view key, Duration value, Duration least, Duration most) {
  if (value < least || value > most) {
    return bad(std::string(key) + " is " + std::to_string(value.count()) + " ms; it must be between " +
               std::to_string(least.count()) + " and " + std::to_string(most.count()) + " ms");
  }
  return {};
}

Status check_range(std::string_view key, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value < least || value > most) {
    return bad(std::string(key) + " is " + std::to_string(value) + "; it must be between " + std::to_string(least) +
               " and " + std::to_string(most));
  }
  return {};
}

Status check_workload(const WorkloadDescription& workload) {
  if (workload.argv.empty() || workload.argv.size() > kMaxArguments) {
    return bad("workload.argv has " + std::to_string(workload.argv.size()) + " entries; it must have 1 to 256");
  }
  if (!absolute_path(workload.argv[0]) || workload.argv[0] == "/") {
    return bad("workload.argv[0] must be the absolute path of a program, without . or .. in it");
  }
  if (!std::ranges::all_of(workload.argv, plain_text)) {
    return bad("an entry of workload.argv is longer than 4096 bytes or has a NUL byte in it");
  }
  if (workload.env.size() > kMaxEnvironment) return bad("workload.env has more than 256 variables");
  for (const auto& [name, value] : workload.env) {
    if (!well_formed_env_name(name)) return bad("a name in workload.env is not of the form [A-Za-z_][A-Za-z0-9_]*");
    if (!plain_text(value)) return bad("workload.env: " + name + " is longer than 4096 bytes or has a NUL byte in it");
  }
  if (!absolute_path(workload.cwd)) return bad("workload.cwd must be an absolute path without . or ..");
  GATEWAY_TRY(check_range("workload.uid", workload.uid, 1, 65'533));
  GATEWAY_TRY(check_range("workload.gid", workload.gid, 1, 65'533));
  if (workload.readiness) {
    if (!well_formed_pattern(workload.readiness->path) || workload.readiness->path.ends_with("/*")) {
      return bad("workload.readiness.path must be a plain absolute path such as /health");
    }
    GATEWAY_TRY(check_duration("workload.readiness.timeout", workload.readiness->timeout, Duration(1000),
                               Duration(3'600'000)));
  }
  return check_duration("workload.stop_grace", workload.stop_grace, Duration(0), Duration(300'000));
}

Status check_ingress(const IngressDescription& ingress) {
  if (ingress.socket.empty() == (ingress.port == 0)) {
    return bad("ingress needs exactly one of socket and port",
               "say socket = \"/run/gateway/NAME.sock\", or port = a number from 1024 to 65535");
  }
  if (ingress.port != 0) GATEWAY_TRY(check_range("ingress.port", ingress.port, 1024, 65'535));
  if (!ingress.socket.empty()) {
    const std::string_view socket = ingress.socket;
    const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-'; };
    if (!socket.starts_with(kSocketFolder) || socket.size() > kMaxSocketPath) {
      return bad("ingress.socket must lie in /run/gateway/ and be at most 100 bytes long");
    }
    const std::string_view name = socket.substr(kSocketFolder.size());
    if (name.empty() || name.front() == '.' || !std::ranges::all_of(name, plain)) {
      return bad("ingress.socket must be /run/gateway/NAME with a NAME of letters, digits, '.', '_' and '-'");
    }
  }
  if (ingress.paths.empty() || ingress.paths.size() > kMaxPatterns) {
    return bad("ingress.paths has " + std::to_string(ingress.paths.size()) + " entries; it must have 1 to 256");
  }
  if (!std::ranges::all_of(ingress.paths, well_formed_pattern)) {
    return bad("an entry of ingress.paths is not a plain absolute path, or such a path followed by /*",
               "write \"/v1/models\" or \"/v1/*\"; /.well-known/gateway belongs to the runtime");
  }
  return {};
}

Status check_slots(const Description& description) {
  const auto& slots = description.slots;
  if (slots.env.size() > kMaxEnvironment) return bad("slots.env has more than 256 names");
  std::set<std::string_view> seen;
  for (const std::string& name : slots.env) {
    if (!well_formed_env_name(name)) return bad("a name in slots.env is not of the form [A-Za-z_][A-Za-z0-9_]*");
    if (!seen.insert(name).second) return bad("slots.env names " + name + " twice");
    if (loader_variable(name)) {
      return fail(ErrorCode::kInvalidArgument, "image.description.slot",
                  "slots.env offers " + name + ", which changes how programs are loaded",
                  "set it in workload.env, inside the image, or leave it out");
    }
    if (description.workload.env.contains(name)) {
      return fail(ErrorCode::kInvalidArgument, "image.description.slot",
                  name + " is both fixed by workload.env and offered by slots.env", "keep one of the two");
    }
  }
  return {};
}

Status check_limits(const LimitsDescription& limits) {
  GATEWAY_TRY(check_range("limits.max_header", limits.max_header, 1024, kMiB));
  GATEWAY_TRY(check_range("limits.max_body", limits.max_body, 0, 1024 * 1024 * kMiB));
  GATEWAY_TRY(check_range("limits.max_in_flight", limits.max_in_flight, 1, 1'000'000));
  GATEWAY_TRY(check_range("limits.max_connections", limits.max_connections, 1, 1'000'000));
  const Duration second(1000);
  const Duration day(86'400'000);
  GATEWAY_TRY(check_duration("limits.head_timeout", limits.head_timeout, second, day));
  GATEWAY_TRY(check_duration("limits.body_timeout", limits.body_timeout, second, day));
  GATEWAY_TRY(check_duration("limits.idle_timeout", limits.idle_timeout, second, day));
  return check_duration("limits.response_timeout", limits.response_timeout, second, day);
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
  const json::object& raw() const { return object_; }
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
  GATEWAY_ASSIGN(const ObjectReader env, reader.object("env"));
  for (const auto& entry : env.raw()) {
    if (!entry.value().is_string()) return reader.wrong("env", "an object of strings");
    out.env.emplace(std::string(entry.key()), std::string(entry.value().get_string()));
  }
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
  GATEWAY_ASSIGN(ObjectReader egress, reader.object("egress"));
  GATEWAY_ASSIGN(out.egress.allow, egress.texts("allow"));
  GATEWAY_TRY(egress.finish());
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

json::object workload_json(const WorkloadDescription& workload) {
  json::object env;
  for (const auto& [name, value] : workload.env) env.emplace(name, value);
  json::value readiness = nullptr;
  if (workload.readiness) {
    readiness = json::object{{"path", workload.readiness->path}, {"timeout_ms", workload.readiness->timeout.count()}};
  }
  return {{"argv", to_array(workload.argv)},
          {"env", std::move(env)},
          {"cwd", workload.cwd},
          {"uid", workload.uid},
          {"gid", workload.gid},
          {"restart", name_of(kRestartNames, workload.restart)},
          {"readiness", std::move(readiness)},
          {"stop_grace_ms", workload.stop_grace.count()}};
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

bool well_formed_env_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; };
  return !name.empty() && name.size() <= 128 && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool well_formed_pattern(std::string_view pattern) {
  if (pattern.empty() || pattern.size() > kMaxPattern || pattern.front() != '/') return false;
  if (pattern == "/") return true;
  if (pattern.ends_with("/*")) pattern.remove_suffix(2);
  if (pattern.empty()) return true;  // "/*": everything
  // Unreserved characters of RFC 3986 §2.3: what is never percent-encoded in a normalised path.
  const auto unreserved = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~';
  };
  std::size_t at = 1;
  while (at <= pattern.size()) {
    const std::size_t end = std::min(pattern.find('/', at), pattern.size());
    const std::string_view segment = pattern.substr(at, end - at);
    if (segment.empty() || segment == "." || segment == ".." || !std::ranges::all_of(segment, unreserved)) return false;
    at = end + 1;
  }
  return pattern != "/.well-known/gateway" && !pattern.starts_with("/.well-known/gateway/");
}

bool path_allowed(std::span<const std::string> patterns, std::string_view path) {
  return std::ranges::any_of(patterns, [path](std::string_view pattern) {
    if (!pattern.ends_with("/*")) return pattern == path;
    pattern.remove_suffix(1);  // keeps the slash
    return path.size() > pattern.size() && path.starts_with(pattern);
  });
}

bool pattern_within(std::span<const std::string> patterns, std::string_view pattern) {
  if (!pattern.ends_with("/*")) return path_allowed(patterns, pattern);
  // All below a folder is matched only by a wildcard at the folder or above it.
  return std::ranges::any_of(patterns, [pattern](std::string_view known) {
    return known.ends_with("/*") && pattern.starts_with(known.substr(0, known.size() - 1));
  });
}

Status check(const Description& description) {
  if (!well_formed_name(description.name)) {
    return bad("name must be 1 to 63 characters of a-z, 0-9, '.', '_' and '-', starting with a letter or digit");
  }
  if (description.app_version.size() > 64 || !printable_ascii(description.app_version)) {
    return bad("app_version must be at most 64 printable ASCII characters");
  }
  GATEWAY_TRY(check_workload(description.workload));
  GATEWAY_TRY(check_ingress(description.ingress));
  if (!description.egress.allow.empty()) {
    return fail(ErrorCode::kUnsupported, "image.description.egress",
                "egress.allow names " + std::to_string(description.egress.allow.size()) +
                    " destinations, but this release gives a workload no way out at all",
                "leave [egress] allow empty; what the workload needs must be in the image");
  }
  GATEWAY_TRY(check_slots(description));
  GATEWAY_TRY(check_limits(description.limits));
  GATEWAY_TRY(check_range("resources.memory", description.resources.memory, 32 * kMiB, 16 * 1024 * 1024 * kMiB));
  GATEWAY_TRY(check_range("resources.cpus", description.resources.cpus, 1, 1024));
  if (description.llama.has_value() != (description.ingress.profile == IngressProfile::kLlama)) {
    return bad("llama must be given exactly when ingress.profile is llama");
  }
  if (description.llama) GATEWAY_TRY(check_range("llama.max_tokens", description.llama->max_tokens, 1, 1'000'000));
  return {};
}

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
  const json::object out{
      {"version", kDescriptionVersion},
      {"name", description.name},
      {"app_version", description.app_version},
      {"workload", workload_json(description.workload)},
      {"ingress", json::object{{"socket", description.ingress.socket},
                               {"port", description.ingress.port},
                               {"profile", name_of(kProfileNames, description.ingress.profile)},
                               {"paths", to_array(description.ingress.paths)}}},
      {"egress", json::object{{"allow", to_array(description.egress.allow)}}},
      {"slots", json::object{{"args_append", description.slots.args_append},
                             {"env", to_array(description.slots.env)},
                             {"paths_narrow", description.slots.paths_narrow}}},
      {"limits", limits_json(description.limits)},
      {"resources",
       json::object{{"memory", description.resources.memory}, {"cpus", description.resources.cpus}}},
      {"llama", std::move(llama)},
      {"insecure_logs_to_host", description.insecure_logs_to_host},
      {"insecure_host_time", description.insecure_host_time}};
  std::string text = codec::write_json(out) + "\n";
  if (text.size() > kMaxDescriptionBytes) {
    return fail(ErrorCode::kLimitExceeded, "image.description.size",
                "the description has " + std::to_string(text.size()) + " bytes; the limit is 262144",
                "shorten the arguments, the environment or the list of paths");
  }
  return text;
}

}  // namespace gateway::image
