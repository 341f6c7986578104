#include "image/locking.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "crypto/hash.h"

namespace gateway::image {
namespace {

namespace fs = std::filesystem;
using Inputs = std::map<std::string, std::string>;

constexpr std::int64_t kCompressionLevel = 9;
constexpr std::size_t kMaxLock = 4UZ * 1024 * 1024;

// SHA-256 over the sorted names, kinds and contents of a folder: what would change the image changes it.
Result<std::string> hash_folder(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (auto it = fs::recursive_directory_iterator(path, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    names.push_back(it->path().lexically_relative(path).string());
  }
  if (error) {
    return fail(error.value() == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable, "image.file.missing",
                system_reason(path, error.value()),
                "check the name; names in a spec count from the folder of the spec");
  }
  std::ranges::sort(names);
  crypto::Hasher hasher(crypto::HashAlgorithm::kSha256);
  for (const std::string& name : names) {
    const fs::path full = fs::path(path) / name;
    const auto status = fs::symlink_status(full, error);
    std::string line = name;
    line.push_back('\0');
    if (fs::is_symlink(status)) {
      line += "link " + fs::read_symlink(full, error).string();
    } else if (fs::is_directory(status)) {
      line += "folder";
    } else {
      GATEWAY_ASSIGN(const std::string hash, hash_file(full.string()));
      const bool executable =
          (status.permissions() & (fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec)) !=
          fs::perms::none;
      line += (executable ? "program " : "file ") + hash;
    }
    line.push_back('\n');
    hasher.update(as_bytes(line));
  }
  return to_hex(hasher.finish());
}

Status hash_input(const SpecPath& input, Inputs& out) {
  std::error_code ignored;
  if (fs::is_directory(input.path, ignored)) {
    GATEWAY_ASSIGN(out[input.written], hash_folder(input.path));
  } else {
    GATEWAY_ASSIGN(out[input.written], hash_file(input.path));
  }
  return {};
}

Result<Inputs> hash_inputs(const Spec& spec, const RootfsSpec& rootfs) {
  Inputs out;
  if (const auto* kernel = std::get_if<KernelFile>(&spec.kernel)) {
    GATEWAY_TRY(hash_input(kernel->image, out));
    for (const SpecPath& module : kernel->modules) GATEWAY_TRY(hash_input(module, out));
  }
  if (const auto* oci = std::get_if<OciSource>(&rootfs.source)) GATEWAY_TRY(hash_input(oci->image, out));
  if (const auto* folder = std::get_if<FolderSource>(&rootfs.source)) GATEWAY_TRY(hash_input(folder->folder, out));
  for (const SpecFile& file : rootfs.files) GATEWAY_TRY(hash_input(file.from, out));
  return out;
}

std::unexpected<Error> stale(const std::string& path, std::string what) {
  return fail(ErrorCode::kInvalidArgument, "image.lock.stale", path + " does not fit the spec: " + std::move(what),
              "build with --update-lock to resolve anew; the measurements may change");
}

std::unexpected<Error> changed(const std::string& path, const std::string& what) {
  return fail(ErrorCode::kInvalidArgument, "image.lock.input_changed", what + " is not what " + path + " pins",
              "bring the pinned one back, or build with --update-lock-inputs to take what is there now");
}

// The lock's promises about what lies on this disk.
Status check_inputs(const LockedBuild& build, const Inputs& inputs, const std::string& runtime_sha256) {
  if (build.lock.runtime != kAnyRuntime && build.lock.runtime != runtime_sha256)
    return changed(build.path, "the runtime binary");
  for (const auto& [name, hash] : inputs) {
    const auto pinned = build.lock.inputs.find(name);
    if (pinned == build.lock.inputs.end()) return stale(build.path, name + " is not in it");
    if (pinned->second != hash) return changed(build.path, name);
  }
  for (const auto& [name, hash] : build.lock.inputs) {
    if (!inputs.contains(name)) return stale(build.path, "it pins " + name + ", which the spec does not name");
  }
  return {};
}

Status check_packages(const LockedBuild& build, const Spec& spec, const RootfsSpec& rootfs) {
  const Lock& lock = build.lock;
  const auto* wanted = std::get_if<PackagesSource>(&rootfs.source);
  if (wanted != nullptr && (lock.suite != wanted->suite || lock.requested != wanted->packages)) {
    return stale(build.path, "it was resolved for other packages or another suite");
  }
  if (wanted == nullptr && !lock.suite.empty()) return stale(build.path, "it pins packages, and the spec names none");
  if (std::holds_alternative<KernelPackage>(spec.kernel) != lock.kernel.has_value()) {
    return stale(build.path,
                 lock.kernel ? "it pins a kernel package, and the spec wants none" : "it pins no kernel package");
  }
  if (lock.compressor.version == ZstdSink::version()) return {};
  return fail(ErrorCode::kInvalidArgument, "image.lock.compressor",
              build.path + " was made with zstd " + lock.compressor.version + ", this machine has " +
                  ZstdSink::version() + ": the bytes could differ",
              "build where that version is installed, or with --update-lock-inputs to take this one");
}

Status resolve_packages(Lock& lock, const Spec& spec, const RootfsSpec& rootfs, PackageCache& packages) {
  lock.kernel.reset();
  lock.packages.clear();
  lock.requested.clear();
  lock.suite.clear();
  if (std::holds_alternative<KernelPackage>(spec.kernel)) {
    lock.kernel_suite = PackageCache::kKernelSuite;
    GATEWAY_ASSIGN(lock.kernel, packages.resolve_kernel());
  }
  if (const auto* wanted = std::get_if<PackagesSource>(&rootfs.source)) {
    lock.suite = wanted->suite;
    lock.requested = wanted->packages;
    GATEWAY_ASSIGN(lock.packages, packages.resolve(wanted->suite, wanted->packages));
  }
  return {};
}

void tell_changes(const Lock& before, const Lock& after, const Progress& progress) {
  const auto versions = [](const Lock& lock) {
    std::map<std::string, std::string> out;
    for (const LockedPackage& package : lock.packages) out[package.name] = package.version;
    if (lock.kernel) out[lock.kernel->name] = lock.kernel->version;
    return out;
  };
  const auto old_versions = versions(before);
  const auto new_versions = versions(after);
  for (const auto& [name, version] : new_versions) {
    const auto old = old_versions.find(name);
    if (old == old_versions.end()) progress("  new: " + name + " " + version);
    else if (old->second != version) progress("  changed: " + name + " " + old->second + " → " + version);
  }
  for (const auto& [name, version] : old_versions) {
    if (!new_versions.contains(name)) progress("  gone: " + name + " " + version);
  }
}

void take_inputs(Lock& lock, Inputs inputs, const std::string& runtime_sha256, bool runtime_open) {
  lock.inputs = std::move(inputs);
  lock.runtime = runtime_open ? kAnyRuntime : runtime_sha256;
  lock.compressor = {.name = "zstd", .version = ZstdSink::version(), .level = kCompressionLevel};
}

}  // namespace

Result<LockedBuild> lock_build(const BuildOptions& options, const Spec& spec, const FullParts& parts,
                               const std::string& runtime_sha256, PackageCache& packages) {
  const RootfsSpec& rootfs = parts.rootfs;
  LockedBuild out;
  out.path = rootfs.lock;
  GATEWAY_ASSIGN(Inputs inputs, hash_inputs(spec, rootfs));
  std::error_code ignored;
  const bool there = fs::exists(out.path, ignored);
  if (there) {
    GATEWAY_ASSIGN(const std::string text, read_text_file(out.path, kMaxLock));
    GATEWAY_ASSIGN(out.lock, parse_lock(text, out.path));
  }
  if (there && options.lock == LockUse::kPinned) {
    GATEWAY_TRY(check_packages(out, spec, rootfs));
    GATEWAY_TRY(check_inputs(out, inputs, runtime_sha256));
    return out;
  }
  const Lock before = out.lock;
  const bool runtime_open = there && before.runtime == kAnyRuntime;
  const bool resolves =
      std::holds_alternative<KernelPackage>(spec.kernel) || std::holds_alternative<PackagesSource>(rootfs.source);
  if (there && options.lock == LockUse::kUpdateInputs) {
    take_inputs(out.lock, std::move(inputs), runtime_sha256, runtime_open);
    GATEWAY_TRY(check_packages(out, spec, rootfs));
    out.write = encode_lock(before) != encode_lock(out.lock);
    if (out.write) options.progress("NOTICE: the lock " + out.path + " takes the inputs as they are now");
    return out;
  }
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  out.lock.epoch = options.epoch.value_or(duration_cast<seconds>(options.now.time_since_epoch()).count());
  take_inputs(out.lock, std::move(inputs), runtime_sha256, runtime_open);
  GATEWAY_TRY(resolve_packages(out.lock, spec, rootfs, packages));
  out.write = resolves || options.lock != LockUse::kPinned;
  if (out.write) {
    options.progress(there ? "NOTICE: resolved anew; the lock " + out.path + " is replaced and the measurements change"
                           : "NOTICE: there is no lock yet; " + out.path + " is written: commit it beside the spec");
    if (there) tell_changes(before, out.lock, options.progress);
  } else {
    // Nothing was fetched and nothing is pinned: a fixed time, so that the same inputs give the same bytes.
    out.lock.epoch = options.epoch.value_or(0);
    out.path.clear();
  }
  return out;
}

}  // namespace gateway::image
