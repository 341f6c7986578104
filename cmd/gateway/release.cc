#include "release.h"

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>

#include "client/release.h"
#include "host/files.h"
#include "image/eif.h"
#include "image/measure.h"
#include "key_files.h"
#include "terminal.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

using attestation::Platform;
using client::Release;
using client::ReleaseVersion;
namespace json = boost::json;

std::unexpected<Error> usage(std::string detail, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, "release.usage", std::move(detail), std::move(remedy));
}

Result<std::vector<Platform>> platforms_of(const std::vector<std::string>& names) {
  std::vector<Platform> out;
  for (const std::string& name : names) {
    const auto platform = attestation::platform_from(name);
    if (!platform || (*platform != Platform::kNitro && *platform != Platform::kLocal)) {
      return usage("a platform is neither nitro nor local", "leave --platform out for both");
    }
    out.push_back(*platform);
  }
  return out;
}

// Here and now, of the file itself.
Result<std::vector<client::ReleaseMeasurements>> measure(const ReleaseOptions& options) {
  GATEWAY_ASSIGN(auto platforms, platforms_of(options.platforms));
  GATEWAY_ASSIGN(const image::Eif eif, image::Eif::open(options.file));
  GATEWAY_ASSIGN(const image::Measurements measured, image::measure(eif));
  if (platforms.empty()) platforms = {Platform::kNitro, Platform::kLocal};
  std::vector<client::ReleaseMeasurements> measurements;
  for (const Platform platform : platforms) {
    if (platform != Platform::kLocal && eif.local_only()) continue;  // it cannot boot anywhere else
    measurements.push_back({.platform = platform,
                            .registers = {{0U, to_bytes(ByteView(measured.pcr0))},
                                          {1U, to_bytes(ByteView(measured.pcr1))},
                                          {2U, to_bytes(ByteView(measured.pcr2))}}});
  }
  return measurements;
}

Result<Release> describe(const ReleaseOptions& options) {
  Release release;
  release.name = options.name;
  GATEWAY_ASSIGN(release.version, ReleaseVersion::parse(options.version));
  release.floor = release.version;
  if (!options.floor.empty()) {
    GATEWAY_ASSIGN(release.floor, ReleaseVersion::parse(options.floor));
  }
  const auto commit = from_hex(options.commit);
  if (!commit) return usage("--commit is not hexadecimal", "give the whole hash: git rev-parse HEAD");
  release.source_commit = *commit;
  GATEWAY_ASSIGN(release.measurements, measure(options));
  return release;
}

json::object to_json(const Release& release, bool verified) {
  json::object measurements;
  for (const auto& platform : release.measurements) {
    json::object registers;
    for (const auto& [index, value] : platform.registers) registers[std::to_string(index)] = to_hex(value);
    measurements[attestation::to_string(platform.platform)] = std::move(registers);
  }
  return {{"name", release.name},
          {"version", release.version.to_string()},
          {"floor", release.floor.to_string()},
          {"source_commit", to_hex(release.source_commit)},
          {"measurements", std::move(measurements)},
          {"verified", verified}};
}

void print(const Release& release) {
  print_line(release.name + " " + release.version.to_string() + "  (floor " + release.floor.to_string() + ")");
  print_line("  source  " + to_hex(release.source_commit));
  for (const auto& platform : release.measurements) {
    print_line("  " + std::string(attestation::to_string(platform.platform)));
    for (const auto& [index, value] : platform.registers) {
      print_line("    PCR" + std::to_string(index) + "  " + to_hex(value));
    }
  }
}

int sign(const ReleaseOptions& options) {
  const auto key = read_private_key(options.key);
  if (!key) return report(key.error());
  const auto release = describe(options);
  if (!release) return report(release.error());
  const auto file = client::sign_release(*release, *key);
  if (!file) return report(file.error());
  if (const Status written = host::write_file(options.output, *file, 0644); !written) return report(written.error());
  if (options.json) {
    json::object out = to_json(*release, true);
    out["file"] = options.output;
    print_json(out);
  } else {
    print(*release);
    print_line("signed in " + options.output);
  }
  return kDone;
}

int show(const ReleaseOptions& options) {
  const auto file = read_file(options.file, client::kMaxReleaseSize);
  if (!file) return report(file.error());
  const auto release = client::parse_release(*file);
  if (!release) return report(release.error());
  if (options.json) {
    print_json(to_json(release->contents, false));
  } else {
    print(release->contents);
    say("gateway: the signature was not checked; `gateway release verify` does that");
  }
  return kDone;
}

// The highest floor that the caller knows of.
Result<std::optional<ReleaseVersion>> floor_of(const ReleaseOptions& options, const crypto::PublicKey& key,
                                               std::string_view name) {
  std::optional<ReleaseVersion> floor;
  if (!options.floor.empty()) {
    GATEWAY_ASSIGN(floor, ReleaseVersion::parse(options.floor));
  }
  if (options.newest.empty()) return floor;
  GATEWAY_ASSIGN(const Bytes file, read_file(options.newest, client::kMaxReleaseSize));
  GATEWAY_ASSIGN(const Release newest, client::open_release(file, key, std::nullopt));
  if (newest.name != name) return usage("--newest is a release of another image", "name one of " + std::string(name));
  if (!floor || *floor < newest.floor) floor = newest.floor;
  return floor;
}

Result<Release> open(const ReleaseOptions& options) {
  GATEWAY_ASSIGN(const auto key, read_public_key(options.key));
  GATEWAY_ASSIGN(const Bytes file, read_file(options.file, client::kMaxReleaseSize));
  GATEWAY_ASSIGN(const Release release, client::open_release(file, key, std::nullopt));
  GATEWAY_ASSIGN(const auto floor, floor_of(options, key, release.name));
  return client::open_release(file, key, floor);
}

// "sha384:…" of the size given, so that a slip of the pen does not end in a policy.
Status check_digest(const std::string& text, std::string_view prefix, std::size_t size, const char* flag) {
  if (text.empty()) return {};
  const auto bytes = text.starts_with(prefix) ? from_hex(std::string_view(text).substr(prefix.size())) : std::nullopt;
  if (bytes && bytes->size() == size) return {};
  return usage(std::string(flag) + " is not " + std::string(prefix) + " and " + std::to_string(size) + " bytes in hex",
               "copy it from what `gateway run` printed");
}

// Entries for what was measured, under a comment that says what that is.
Result<std::string> policy_of(const std::string& what, const std::vector<client::ReleaseMeasurements>& measurements,
                              const ReleaseOptions& options) {
  GATEWAY_TRY(check_digest(options.config, "sha384:", 48, "--config"));
  GATEWAY_TRY(check_digest(options.root, "sha256:", 32, "--root"));
  GATEWAY_ASSIGN(const auto wanted, platforms_of(options.platforms));
  std::string policy = "# " + what + "\n";
  bool any = false;
  for (const auto& platform : measurements) {
    const bool local = platform.platform == Platform::kLocal;
    if (!wanted.empty() && std::ranges::find(wanted, platform.platform) == wanted.end()) continue;
    if (local && options.root.empty()) continue;
    any = true;
    policy += "[[accept]]\nplatform = \"" + std::string(attestation::to_string(platform.platform)) + "\"\n";
    if (local) policy += "root = \"" + options.root + "\"\n";
    policy += "measurements = {";
    for (const auto& [index, value] : platform.registers) {
      policy += (policy.back() == '{' ? " \"" : ", \"") + std::to_string(index) + "\" = \"" + to_hex(value) + "\"";
    }
    policy += " }\n";
    if (!options.config.empty()) policy += "config = \"" + options.config + "\"\n";
    policy += "max_age = \"5m\"\n\n";
  }
  if (any) return policy.substr(0, policy.size() - 1);
  return usage("there are no measurements that a policy could name here",
               "for platform local give --root sha256:…, which `gateway run` printed");
}

Result<std::string> policy_of(const Release& release, const ReleaseOptions& options) {
  return policy_of(release.name + " " + release.version.to_string() + ", source " + to_hex(release.source_commit),
                   release.measurements, options);
}

void warn_of_any_config(const ReleaseOptions& options) {
  if (!options.config.empty()) return;
  say("gateway: the policy names no configuration, so it accepts any; --config sha384:… names one");
}

int verify(const ReleaseOptions& options) {
  const auto release = open(options);
  if (!release) return report(release.error());
  const auto policy = policy_of(*release, options);
  if (!policy) return report(policy.error());
  if (options.json) {
    json::object out = to_json(*release, true);
    out["policy"] = *policy;
    print_json(out);
  } else {
    print_line(std::string_view(*policy).substr(0, policy->size() - 1));
    warn_of_any_config(options);
  }
  return kDone;
}

}  // namespace

int run_policy_image(const ReleaseOptions& options) {
  const auto policy = [&]() -> Result<std::string> {
    GATEWAY_ASSIGN(const auto measurements, measure(options));
    return policy_of("What " + std::filesystem::path(options.file).filename().string() + " measures to", measurements,
                     options);
  }();
  if (!policy) return report(policy.error());
  warn_of_any_config(options);
  if (options.output.empty()) {
    print_line(std::string_view(*policy).substr(0, policy->size() - 1));
    return kDone;
  }
  if (const Status written = write_new_file(options.output, as_bytes(*policy), 0644); !written)
    return report(written.error());
  say("wrote " + options.output);
  return kDone;
}

Result<std::string> policy_of_release(const ReleaseOptions& options) {
  GATEWAY_ASSIGN(const Release release, open(options));
  return policy_of(release, options);
}

int run_release(const ReleaseOptions& options) {
  switch (options.action) {
    case ReleaseAction::kSign: return sign(options);
    case ReleaseAction::kVerify: return verify(options);
    case ReleaseAction::kShow: return show(options);
  }
  return kFault;
}

}  // namespace gateway::cli
