#include "image/description.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <set>

#include "image/egress.h"

namespace gateway::image {
namespace {

// Counts and lengths: far above what images need, far below what would hurt the runtime that holds them.
constexpr std::size_t kMaxArguments = 256;
constexpr std::size_t kMaxText = 4096;
constexpr std::size_t kMaxEnvironment = 256;
constexpr std::size_t kMaxPatterns = 256;
constexpr std::size_t kMaxPattern = 512;
constexpr std::size_t kMaxDestinations = 256;
constexpr std::size_t kMaxKeys = 16;
constexpr std::size_t kMaxContext = 16;
constexpr std::size_t kMaxSocketPath = 100;  // sun_path holds 108 bytes
constexpr std::uint64_t kMiB = 1024ULL * 1024;

std::unexpected<Error> bad(std::string detail, std::string remedy = "correct the image's spec and build it again") {
  return fail(ErrorCode::kInvalidArgument, "image.description.value", std::move(detail), std::move(remedy));
}

bool plain_text(std::string_view text) { return text.size() <= kMaxText && text.find('\0') == std::string_view::npos; }

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
    GATEWAY_TRY(
        check_duration("workload.readiness.timeout", workload.readiness->timeout, Duration(1000), Duration(3'600'000)));
  }
  return check_duration("workload.stop_grace", workload.stop_grace, Duration(0), Duration(300'000));
}

Status check_ingress(const IngressDescription& ingress) {
  if (ingress.socket.empty() == (ingress.port == 0)) {
    return bad("ingress needs exactly one of socket and port",
               "say socket = \"/run/gateway/NAME.sock\", or port = a number from 1024 to 65535");
  }
  if (ingress.port != 0) GATEWAY_TRY(check_range("ingress.port", ingress.port, 1024, 65'535));
  if (ingress.padding != 0) {
    GATEWAY_TRY(check_range("ingress.padding", ingress.padding, 64, 16'384));
    if (!std::has_single_bit(ingress.padding)) return bad("ingress.padding must be a power of two");
  }
  if (!ingress.socket.empty()) {
    const std::string_view socket = ingress.socket;
    const auto plain = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    };
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

std::unexpected<Error> bad_egress(std::string detail, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, "image.description.egress", std::move(detail), std::move(remedy));
}

Status check_egress(const EgressDescription& egress) {
  if (egress.allow.size() + egress.insecure_allow.size() > kMaxDestinations) {
    return bad_egress("egress allows more than 256 destinations", "use \"*.name:port\", or ranges of addresses");
  }
  for (const std::string& text : egress.allow) {
    GATEWAY_ASSIGN(const EgressEntry entry, parse_egress_entry(text));
    if (entry.range || entry.udp) {
      return bad_egress("egress.allow has \"" + text + "\", which no TLS name can be held against",
                        "move it to egress.insecure_allow, if you mean it");
    }
  }
  for (const std::string& text : egress.insecure_allow) {
    GATEWAY_ASSIGN(const EgressEntry entry, parse_egress_entry(text));
    if (entry.udp && !egress.tun) {
      return bad_egress("\"" + text + "\" is UDP, which only the network device carries", "say egress.tun = true");
    }
  }
  const bool any = !egress.allow.empty() || !egress.insecure_allow.empty();
  if (!any && (egress.transparent || egress.tun || egress.runtime_tls)) {
    return bad_egress("egress has ways out, and no destination", "name destinations in egress.allow");
  }
  if (egress.tun && egress.insecure_allow.empty()) {
    return bad_egress("egress.tun carries bytes that nobody looks into, and egress.insecure_allow is empty",
                      "name destinations there, or leave tun out");
  }
  if (egress.runtime_tls && egress.roots.empty()) {
    return bad_egress("egress.tls is \"runtime\", and egress.roots says not whom to believe",
                      "name a PEM file of the image: roots = \"/etc/ssl/certs/ca-certificates.crt\"");
  }
  if (!egress.roots.empty() && !absolute_path(egress.roots)) return bad("egress.roots must be an absolute path");
  return {};
}

std::unexpected<Error> bad_kms(std::string detail, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, "image.description.kms", std::move(detail), std::move(remedy));
}

bool well_formed_region(std::string_view region) {
  return !region.empty() && region.size() <= 32 && std::ranges::all_of(region, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// "arn:aws:kms:REGION:ACCOUNT:key/ID": an alias would let whoever owns the account choose another key.
bool well_formed_key_arn(std::string_view arn, std::string_view region) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= arn.size();) {
    const std::size_t end = std::min(arn.find(':', at), arn.size());
    parts.push_back(arn.substr(at, end - at));
    at = end + 1;
  }
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto word = [&](char c) { return digit(c) || (c >= 'a' && c <= 'z') || c == '-'; };
  return arn.size() <= 256 && parts.size() == 6 && parts[0] == "arn" && parts[1].starts_with("aws") &&
         std::ranges::all_of(parts[1], word) && parts[2] == "kms" && parts[3] == region && parts[4].size() == 12 &&
         std::ranges::all_of(parts[4], digit) && parts[5].starts_with("key/") && parts[5].size() > 4 &&
         std::ranges::all_of(parts[5].substr(4), word);
}

Status check_kms(const KmsDescription& kms, const EgressDescription& egress) {
  if (!well_formed_region(kms.region)) return bad_kms("kms.region is no region's name", "write \"eu-central-1\"");
  if (const auto entry = parse_egress_entry(kms.endpoint); !entry || entry->range || entry->udp || entry->subdomains) {
    return bad_kms("kms.endpoint is not NAME:PORT", "leave it out, or write \"kms.eu-central-1.amazonaws.com:443\"");
  }
  if (kms.keys.empty() || kms.keys.size() > kMaxKeys ||
      !std::ranges::all_of(kms.keys, [&](const std::string& arn) { return well_formed_key_arn(arn, kms.region); })) {
    return bad_kms("kms.keys must name 1 to 16 keys by their full ARNs, of kms.region, without aliases",
                   "write \"arn:aws:kms:REGION:ACCOUNT:key/ID\", as `aws kms describe-key` prints it");
  }
  if (kms.context.empty() || kms.context.size() > kMaxContext) {
    return bad_kms("kms.context must have 1 to 16 entries: without them a ciphertext says not what it is for",
                   "write context = { purpose = \"model\" }");
  }
  for (const auto& [name, value] : kms.context) {
    if (name.empty() || name.starts_with("aws:") || name.size() > 256 || value.size() > 1024 ||
        !printable_ascii(name) || !printable_ascii(value)) {
      return bad_kms("an entry of kms.context is not of 1 to 256 and at most 1024 printable characters",
                     "names that begin with \"aws:\" are AWS's own");
    }
  }
  if (egress.roots.empty()) {
    return bad_kms("the runtime's TLS to KMS needs egress.roots",
                   "name a PEM file of the image: [egress] roots = \"/etc/ssl/certs/ca-certificates.crt\"");
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
  GATEWAY_TRY(check_range("limits.max_body", limits.max_body, 0, 1024UZ * 1024 * kMiB));
  GATEWAY_TRY(check_range("limits.max_in_flight", limits.max_in_flight, 1, 1'000'000));
  GATEWAY_TRY(check_range("limits.max_connections", limits.max_connections, 1, 1'000'000));
  const Duration second(1000);
  const Duration day(86'400'000);
  GATEWAY_TRY(check_duration("limits.head_timeout", limits.head_timeout, second, day));
  GATEWAY_TRY(check_duration("limits.body_timeout", limits.body_timeout, second, day));
  GATEWAY_TRY(check_duration("limits.idle_timeout", limits.idle_timeout, second, day));
  return check_duration("limits.response_timeout", limits.response_timeout, second, day);
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
  GATEWAY_TRY(check_egress(description.egress));
  if (description.kms) GATEWAY_TRY(check_kms(*description.kms, description.egress));
  GATEWAY_TRY(check_slots(description));
  GATEWAY_TRY(check_limits(description.limits));
  GATEWAY_TRY(check_range("resources.memory", description.resources.memory, 32 * kMiB, 16UZ * 1024 * 1024 * kMiB));
  GATEWAY_TRY(check_range("resources.cpus", description.resources.cpus, 1, 1024));
  if (description.llama.has_value() != (description.ingress.profile == IngressProfile::kLlama)) {
    return bad("llama must be given exactly when ingress.profile is llama");
  }
  if (description.llama) GATEWAY_TRY(check_range("llama.max_tokens", description.llama->max_tokens, 1, 1'000'000));
  return {};
}

}  // namespace gateway::image
