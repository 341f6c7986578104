#include "image/packages.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "crypto/hash.h"
#include "image/process.h"

namespace gateway::image {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) out.push_back(std::move(line));
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t end = std::min(text.find(separator), text.size());
    out.emplace_back(text.substr(0, end));
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
  }
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

// The repository that apt on this machine is configured with, by the label that its Release file bears.
Result<std::string> mirror_of(std::string_view label) {
  GATEWAY_ASSIGN(const std::string text, run_program({"apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)",
                                                      "Identifier: Packages", "Origin: Debian"}));
  for (const std::string& line : lines_of(text)) {
    const std::vector<std::string> fields = split(line, '|');
    if (fields.size() == 2 && fields[0] == label) return fields[1];
  }
  return fail(ErrorCode::kUnavailable, "image.packages.mirror",
              "apt on this machine has no index of a repository labelled " + std::string(label),
              "run `apt-get update` as root; the sources of Debian 12 must be configured");
}

// Our own settings on top of the machine's (whose proxies stay): a private state, no hooks of other tools.
std::string apt_settings(const std::string& folder) {
  std::string out;
  for (const char* hook :
       {"APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "DPkg::Pre-Invoke",
        "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs", "APT::Architectures", "APT::Default-Release"}) {
    out += "#clear " + std::string(hook) + ";\n";
  }
  const auto set = [&out](std::string_view key, std::string_view value) {
    out += std::string(key) + " \"" + std::string(value) + "\";\n";
  };
  set("APT::Architecture", "amd64");
  set("APT::Architectures::", "amd64");
  set("APT::Install-Recommends", "false");
  set("APT::Install-Suggests", "false");
  set("APT::Sandbox::User", "root");  // the private folders are not open to the user _apt
  set("Acquire::Languages", "none");
  // A frozen mirror's Release file expires. Signatures are still checked, and the lock pins every hash.
  set("Acquire::Check-Valid-Until", "false");
  set("Dir::State", folder + "/state");
  set("Dir::State::lists", "lists/");
  set("Dir::State::status", folder + "/status");
  set("Dir::Cache", folder + "/cache");
  set("Dir::Cache::archives", "archives/");
  set("Dir::Etc::sourcelist", folder + "/sources.list");
  set("Dir::Etc::sourceparts", "/dev/null");
  set("Acquire::ForceHash", "SHA256");  // what --print-uris prints
  set("Dir::Etc::preferences", "/dev/null");
  set("Dir::Etc::preferencesparts", "/dev/null");
  return out;
}

// "'URI' name_version_arch.deb SIZE SHA256:HEX"
Result<LockedPackage> parse_uri_line(const std::string& line) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInternal, "image.packages.output", "apt-get printed a line that is not understood",
                "this release knows apt of Debian 12; report the version of apt that you have");
  };
  const std::vector<std::string> fields = split(line, ' ');
  if (fields.size() != 4 || !fields[3].starts_with("SHA256:") || !fields[1].ends_with(".deb")) return wrong();
  std::vector<std::string> parts = split(fields[1].substr(0, fields[1].size() - 4), '_');
  if (parts.size() != 3) return wrong();
  LockedPackage out{parts[0], parts[1], parts[2], fields[3].substr(7), 0};
  if (const std::size_t colon = out.version.find("%3a"); colon != std::string::npos) out.version.replace(colon, 3, ":");
  const auto [end, error] = std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), out.size);
  if (error != std::errc{} || end != fields[2].data() + fields[2].size()) return wrong();
  return out;
}

// The numbers of "linux-image-6.12.117+deb12-cloud-amd64", for the order of versions.
std::vector<unsigned> numbers_in(std::string_view text) {
  std::vector<unsigned> out;
  while (!text.empty()) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{}) out.push_back(value);
    text.remove_prefix(error == std::errc{} ? static_cast<std::size_t>(end - text.data()) : 1);
  }
  return out;
}

std::string megabytes(std::uint64_t bytes) {
  const std::uint64_t tenths = (bytes + 50'000) / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MB";
}

}  // namespace

Result<std::string> hash_file(const std::string& path) {
  GATEWAY_ASSIGN(const MappedFile file, MappedFile::open(path));
  constexpr std::size_t kChunk = 4UZ * 1024 * 1024;
  crypto::Hasher hasher(crypto::HashAlgorithm::kSha256);
  for (ByteView rest = file.view(); !rest.empty();) {
    const ByteView chunk = rest.first(std::min(rest.size(), kChunk));
    hasher.update(chunk);
    file.release(chunk);
    rest = rest.subspan(chunk.size());
  }
  return to_hex(hasher.finish());
}

Result<std::string> PackageCache::default_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (const std::string own = variable("GATEWAY_CACHE"); !own.empty()) return own;
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache + "/gateway";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.cache/gateway";
  return fail(ErrorCode::kInvalidArgument, "image.packages.cache", "there is no place for downloads: HOME is not set",
              "set GATEWAY_CACHE to a folder");
}

PackageCache::PackageCache(const std::string& folder, Progress progress) : progress_(std::move(progress)) {
  std::error_code ignored;
  if (!folder.empty()) folder_ = fs::absolute(folder, ignored).string();
}

// Only what fetches makes folders: an image without packages leaves no trace.
Status PackageCache::prepare() const {
  if (folder_.empty()) {
    GATEWAY_TRY(default_folder());
    return fail(ErrorCode::kInvalidArgument, "image.packages.cache", "no folder was named for downloads",
                "set GATEWAY_CACHE to a folder");
  }
  return make_folders(folder_ + "/debs");
}

std::string PackageCache::path_of(const LockedPackage& package) const {
  return folder_ + "/debs/" + package.sha256 + ".deb";
}

std::vector<std::string> PackageCache::AptState::command(std::string program, std::vector<std::string> rest) const {
  std::vector<std::string> out{std::move(program), "-c", folder + "/apt.conf"};
  out.insert(out.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
  return out;
}

// A folder of apt's for one suite, brought up to date; locked against other builds until it goes out of scope.
Result<PackageCache::AptState> PackageCache::apt_state(const std::string& suite) {
  GATEWAY_TRY(prepare());
  GATEWAY_ASSIGN(const std::string mirror, mirror_of(suite.ends_with("-security") ? "Debian-Security" : "Debian"));
  AptState out;
  out.folder = folder_ + "/apt/" + suite;
  for (const char* below : {"/state/lists/partial", "/cache/archives/partial", "/downloads"}) {
    GATEWAY_TRY(make_folders(out.folder + below));
  }
  out.lock = Descriptor(::open((out.folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!out.lock.valid() || ::flock(out.lock.get(), LOCK_EX) != 0) {
    return fail(ErrorCode::kUnavailable, "image.file.write", system_reason(out.folder + "/lock", errno));
  }
  GATEWAY_TRY(write_text_file(out.folder + "/status", ""));
  GATEWAY_TRY(write_text_file(out.folder + "/apt.conf", apt_settings(out.folder)));
  GATEWAY_TRY(write_text_file(out.folder + "/sources.list",
                              "deb [signed-by=" + std::string(kKeyring) + "] " + mirror + " " + suite + " main\n"));
  if (!up_to_date_.contains(suite)) {
    progress_("reading Debian's index of " + suite);
    GATEWAY_TRY(run_program(out.command("apt-get", {"-qq", "-o", "APT::Update::Error-Mode=any", "update"})));
    up_to_date_.insert(suite);
  }
  return out;
}

Result<std::vector<LockedPackage>> PackageCache::resolve(const std::string& suite,
                                                         const std::vector<std::string>& packages) {
  GATEWAY_ASSIGN(const AptState apt, apt_state(suite));
  std::vector<std::string> rest{"-qq", "-y", "--no-install-recommends", "--print-uris", "install", "base-files"};
  rest.insert(rest.end(), packages.begin(), packages.end());
  GATEWAY_ASSIGN(const std::string text, run_program(apt.command("apt-get", std::move(rest))));
  std::vector<LockedPackage> out;
  for (const std::string& line : lines_of(text)) {
    if (!line.starts_with('\'')) continue;
    GATEWAY_ASSIGN(LockedPackage package, parse_uri_line(line));
    out.push_back(std::move(package));
  }
  if (out.empty()) {
    return fail(ErrorCode::kUnavailable, "image.packages.none", "apt resolved the packages to nothing",
                "check the names in [rootfs] packages");
  }
  std::ranges::sort(out, {}, &LockedPackage::name);
  return out;
}

Result<LockedPackage> PackageCache::resolve_kernel() {
  GATEWAY_ASSIGN(const AptState apt, apt_state(kKernelSuite));
  GATEWAY_ASSIGN(const std::string found,
                 run_program(apt.command(
                     "apt-cache", {"search", "--names-only", "^linux-image-6\\.12\\.[0-9]+\\+deb12-cloud-amd64$"})));
  std::string newest;
  for (const std::string& line : lines_of(found)) {
    const std::string name = line.substr(0, line.find(' '));
    if (numbers_in(name) > numbers_in(newest)) newest = name;
  }
  if (newest.empty()) {
    return fail(ErrorCode::kUnavailable, "image.packages.none", "Debian's mirror has no 6.12 cloud kernel",
                "name a kernel file in the spec: [image] kernel = \"FILE\", modules = [\"…\"]");
  }
  GATEWAY_ASSIGN(const std::string uris,
                 run_program(apt.command("apt-get", {"-qq", "--print-uris", "download", newest})));
  const std::vector<std::string> lines = lines_of(uris);
  return parse_uri_line(lines.empty() ? std::string() : lines.back());
}

Result<bool> PackageCache::in_cache(const LockedPackage& package) const {
  const std::string path = path_of(package);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return false;
  GATEWAY_ASSIGN(const std::string hash, hash_file(path));
  if (hash == package.sha256) return true;
  fs::remove(path, ignored);  // damaged on this disk: fetched again
  return false;
}

// All that the mirror no longer has are named at once, with what it has instead.
Status PackageCache::check_available(const AptState& apt, const std::vector<LockedPackage>& missing) const {
  std::vector<std::string> rest{"madison"};
  for (const LockedPackage& package : missing) rest.push_back(package.name);
  GATEWAY_ASSIGN(const std::string text, run_program(apt.command("apt-cache", std::move(rest))));
  std::map<std::string, std::set<std::string>> offered;
  for (const std::string& line : lines_of(text)) {
    const std::vector<std::string> fields = split(line, '|');
    if (fields.size() >= 2) offered[trimmed(fields[0])].insert(trimmed(fields[1]));
  }
  std::string gone;
  for (const LockedPackage& package : missing) {
    const std::set<std::string>& versions = offered[package.name];
    if (versions.contains(package.version)) continue;
    gone += (gone.empty() ? "" : ", ") + package.name + " " + package.version +
            (versions.empty() ? " (it has none)" : " (it has " + *versions.rbegin() + ")");
  }
  if (gone.empty()) return {};
  return fail(ErrorCode::kUnavailable, "image.lock.version_gone",
              "Debian's mirror no longer has what the lock pins: " + gone,
              "build with --update-lock to resolve anew; the measurements change with the packages");
}

Status PackageCache::take_downloads(const std::string& downloads, const std::vector<LockedPackage>& missing) const {
  std::map<std::string, std::string> by_hash;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(downloads, error)) {
    GATEWAY_ASSIGN(const std::string hash, hash_file(file.path().string()));
    by_hash.emplace(hash, file.path().string());
  }
  for (const LockedPackage& package : missing) {
    const auto found = by_hash.find(package.sha256);
    if (found == by_hash.end()) {
      return fail(ErrorCode::kNotAuthentic, "image.lock.package_hash",
                  package.name + " " + package.version +
                      " from the mirror is not the package that the lock pins (SHA-256 " + package.sha256 + ")",
                  "do not trust this mirror before you know why; if the lock is wrong, build with --update-lock");
    }
    fs::rename(found->second, path_of(package), error);
    if (error) return fail(ErrorCode::kUnavailable, "image.file.write", system_reason(path_of(package), error.value()));
  }
  return {};
}

Status PackageCache::fetch(const std::string& suite, const std::vector<LockedPackage>& packages) {
  GATEWAY_TRY(prepare());
  std::vector<LockedPackage> missing;
  std::uint64_t bytes = 0;
  for (const LockedPackage& package : packages) {
    GATEWAY_ASSIGN(const bool there, in_cache(package));
    if (there) continue;
    missing.push_back(package);
    bytes += package.size;
  }
  if (missing.empty()) return {};
  GATEWAY_ASSIGN(const AptState apt, apt_state(suite));
  GATEWAY_TRY(check_available(apt, missing));
  progress_("downloading " + std::to_string(missing.size()) + (missing.size() == 1 ? " package of " : " packages of ") +
            suite + ", " + megabytes(bytes));
  const std::string downloads = apt.folder + "/downloads";
  std::error_code ignored;
  for (const auto& stale : fs::directory_iterator(downloads, ignored)) fs::remove(stale.path(), ignored);
  std::vector<std::string> rest{"-qq", "download"};
  for (const LockedPackage& package : missing) rest.push_back(package.name + "=" + package.version);
  GATEWAY_TRY(run_program(apt.command("apt-get", std::move(rest)), downloads));
  return take_downloads(downloads, missing);
}

}  // namespace gateway::image
