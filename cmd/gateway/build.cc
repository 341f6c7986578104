#include "build.h"

#include <boost/json.hpp>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "crypto/hash.h"
#include "image/lock.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// The runtime that this program came with, unless told otherwise; an empty text lets the builder say what is missing.
std::string find_runtime(const std::string& given) {
  if (!given.empty()) return given;
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path& candidate :
       {folder / "gateway-enclave", folder.parent_path() / "libexec/gateway/gateway-enclave",
        fs::path("/usr/libexec/gateway/gateway-enclave")}) {
    if (fs::is_regular_file(candidate, ignored)) return candidate.string();
  }
  const char* variable = std::getenv("GATEWAY_ENCLAVE");
  return variable != nullptr ? variable : "";
}

Result<std::optional<std::int64_t>> source_date_epoch() {
  const char* variable = std::getenv("SOURCE_DATE_EPOCH");
  if (variable == nullptr || *variable == '\0') return std::nullopt;
  const std::string_view text = variable;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > 0xffffffffLL) {
    return fail(ErrorCode::kInvalidArgument, "cli.build.source_date_epoch",
                "SOURCE_DATE_EPOCH is not a number of seconds", "unset it, or set it to seconds since 1970");
  }
  return value;
}

json::value lock_json(const image::BuildReport& report) {
  if (!report.lock) return nullptr;
  const image::Lock& lock = *report.lock;
  const auto package_json = [](const image::LockedPackage& package) {
    return json::object{{"name", package.name}, {"version", package.version}, {"sha256", package.sha256}};
  };
  json::array packages;
  for (const image::LockedPackage& package : lock.packages) packages.push_back(package_json(package));
  json::object inputs;
  for (const auto& [name, hash] : lock.inputs) inputs.emplace(name, hash);
  return json::object{{"path", report.lock_path.empty() ? json::value(nullptr) : json::value(report.lock_path)},
                      {"written", report.lock_written},
                      {"sha256", to_hex(crypto::sha256(as_bytes(image::encode_lock(lock))))},
                      {"source_date_epoch", lock.epoch},
                      {"compressor", lock.compressor.name + " " + lock.compressor.version + " -" +
                                         std::to_string(lock.compressor.level)},
                      {"kernel", lock.kernel ? json::value(package_json(*lock.kernel)) : json::value(nullptr)},
                      {"packages", std::move(packages)},
                      {"inputs", std::move(inputs)}};
}

json::object report_json(const BuildOptions& options, const image::BuildReport& report) {
  json::array sections;
  for (const auto& section : report.sections) {
    sections.push_back(json::object{{"type", image::to_string(section.type)}, {"size", section.size}});
  }
  json::array measured;
  for (const std::string& line : report.measured) measured.emplace_back(line);
  return {{"image", options.output},
          {"size", report.size},
          {"pcrs", json::object{{"0", to_hex(report.measurements.pcr0)},
                                {"1", to_hex(report.measurements.pcr1)},
                                {"2", to_hex(report.measurements.pcr2)}}},
          {"sections", std::move(sections)},
          {"local_only", report.local_only},
          {"lock", lock_json(report)},
          {"runtime",
           report.runtime_sha256.empty() ? json::value(nullptr) : json::value("sha256:" + report.runtime_sha256)},
          {"measured", std::move(measured)}};
}

void print_text(const BuildOptions& options, const image::BuildReport& report) {
  print_line(options.output + "  " + std::to_string(report.size) + " bytes");
  for (const auto& section : report.sections) {
    print_line("  " + std::string(image::to_string(section.type)) + "  " + std::to_string(section.size));
  }
  print_line("PCR0  " + to_hex(report.measurements.pcr0));
  print_line("PCR1  " + to_hex(report.measurements.pcr1));
  print_line("PCR2  " + to_hex(report.measurements.pcr2));
  say("measured:");
  for (const std::string& line : report.measured) say("  " + line);
  if (!report.runtime_sha256.empty()) say("runtime: sha256:" + report.runtime_sha256);
  if (report.local_only) say("this image has no kernel: it runs on platform local alone");
  if (report.lock && !report.lock_path.empty() && report.lock->runtime == image::kAnyRuntime) {
    say("the lock " + report.lock_path + " leaves the runtime open: PCR0 and PCR1 change with the runtime binary");
  }
}

}  // namespace

int run_build(const BuildOptions& options) {
  const auto epoch = source_date_epoch();
  if (!epoch) return report(epoch.error());
  std::string cache = options.cache;
  // Without a place for downloads an image that needs none is built all the same.
  if (cache.empty()) cache = image::PackageCache::default_folder().value_or("");
  const image::BuildOptions build{.spec_path = options.spec,
                                  .output_path = options.output,
                                  .runtime_path = find_runtime(options.runtime),
                                  .lock = options.lock,
                                  .now = SystemClock().now(),
                                  .epoch = *epoch,
                                  .cache_folder = cache,
                                  .progress = [](std::string_view line) { say(line); }};
  const auto built = image::build_image(build);
  if (!built) return report(built.error());
  if (options.format == Output::kJson) print_json(report_json(options, *built));
  else print_text(options, *built);
  return kDone;
}

}  // namespace gateway::cli
