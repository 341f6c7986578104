#include "image/build.h"

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>

#include "codec/json.h"
#include "crypto/hash.h"
#include "image/locking.h"
#include "image/oci.h"

namespace gateway::image {
namespace {

namespace json = boost::json;

class SpoolSink final : public ByteSink {
 public:
  explicit SpoolSink(SpoolFile& to) : to_(to) {}
  Status write(ByteView bytes) override { return to_.append(bytes); }

 private:
  SpoolFile& to_;
};

// A kernel image names its release at an offset in its setup header (Linux Documentation/arch/x86/boot.rst,
// kernel_version). Only for the metadata: what is not there is called unknown.
std::string kernel_release(ByteView image) {
  constexpr std::size_t kMagicAt = 0x202;
  constexpr std::size_t kOffsetAt = 0x20e;
  if (image.size() < 0x300 || as_text(image.subspan(kMagicAt, 4)) != "HdrS") return "unknown";
  const std::size_t at = std::size_t{image[kOffsetAt]} + (std::size_t{image[kOffsetAt + 1]} << 8U) + 0x200;
  std::string out;
  for (std::size_t i = at; i < image.size() && out.size() < 64; ++i) {
    const char c = static_cast<char>(image[i]);
    if (c <= ' ' || c > '~') break;
    out.push_back(c);
  }
  return out.empty() ? "unknown" : out;
}

std::string metadata(const Spec& spec, const std::string& kernel, std::int64_t epoch) {
  const json::object out{{"ImageName", spec.name},
                         {"ImageVersion", spec.version.empty() ? std::string("0") : spec.version},
                         {"BuildMetadata", json::object{{"BuildTime", to_rfc3339(Time(std::chrono::seconds(epoch)))},
                                                        {"BuildTool", "gateway"},
                                                        {"BuildToolVersion", GATEWAY_VERSION},
                                                        {"OperatingSystem", "Linux"},
                                                        {"KernelVersion", kernel}}},
                         {"DockerInfo", json::object{}},
                         {"CustomMetadata", json::object{}}};
  return codec::write_json(out);
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

class Builder {
 public:
  explicit Builder(const BuildOptions& options) : options_(options), spool_folder_(folder_of(options.output_path)) {}
  Result<BuildReport> build();

 private:
  Result<BuildReport> build_raw(const Spec& spec, const RawParts& parts);
  Result<BuildReport> build_full(const Spec& spec, const FullParts& parts);
  Result<KernelFiles> kernel(const Spec& spec, const KernelNeeds& needs, const LockedBuild& locked,
                             PackageCache& packages);
  Result<SpoolFile> boot_ramdisk(const Spec& spec, const KernelFiles& kernel, const MappedFile& runtime,
                                 const Lock& lock);
  Result<SpoolFile> application_ramdisk(const FullParts& parts, const Lock& lock, PackageCache& packages);
  Status fill(RootFilesystem& tree, const FullParts& parts, const Lock& lock, PackageCache& packages);
  Result<BuildReport> report(const EifParts& parts);

  const BuildOptions& options_;
  std::string spool_folder_;
};

// Writes a compressed cpio archive into a temporary file.
template <class Fill>
Result<SpoolFile> make_ramdisk(const std::string& folder, const Lock& lock, Fill fill_archive) {
  GATEWAY_ASSIGN(SpoolFile spool, SpoolFile::create(folder));
  SpoolSink sink(spool);
  GATEWAY_ASSIGN(ZstdSink compressor, ZstdSink::create(sink, static_cast<int>(lock.compressor.level)));
  CpioWriter archive(compressor, static_cast<std::uint64_t>(lock.epoch));
  GATEWAY_TRY(fill_archive(archive));
  GATEWAY_TRY(archive.finish());
  GATEWAY_TRY(compressor.finish());
  return spool;
}

Result<KernelFiles> Builder::kernel(const Spec& spec, const KernelNeeds& needs, const LockedBuild& locked,
                                    PackageCache& packages) {
  KernelFiles out;
  if (std::holds_alternative<KernelNone>(spec.kernel)) return out;
  if (const auto* file = std::get_if<KernelFile>(&spec.kernel)) {
    GATEWAY_ASSIGN(const MappedFile image, MappedFile::open(file->image.path));
    out.image = to_bytes(image.view());
    out.release = kernel_release(out.image);
    for (const SpecPath& path : file->modules) {
      GATEWAY_ASSIGN(const MappedFile packed, MappedFile::open(path.path));
      std::string name = path.path.substr(path.path.rfind('/') + 1);
      name.resize(std::min(name.find(".ko"), name.size()));
      GATEWAY_ASSIGN(Bytes contents, decompress_module(packed.view()));
      out.modules.push_back({std::move(name), std::move(contents)});
    }
    return out;
  }
  GATEWAY_TRY(packages.fetch(locked.lock.kernel_suite, {*locked.lock.kernel}));
  options_.progress("unpacking the kernel from " + locked.lock.kernel->name);
  return unpack_kernel(packages.path_of(*locked.lock.kernel), needs);
}

Result<SpoolFile> Builder::boot_ramdisk(const Spec& spec, const KernelFiles& kernel, const MappedFile& runtime,
                                        const Lock& lock) {
  return make_ramdisk(spool_folder_, lock, [&](CpioWriter& archive) -> Status {
    GATEWAY_TRY(archive.folder("dev", 0755));
    GATEWAY_TRY(archive.folder("gateway", 0755));
    GATEWAY_TRY(archive.file(kCmdlinePath.substr(1), 0644, as_bytes(spec.cmdline)));
    GATEWAY_TRY(archive.folder(kModulesPath.substr(1), 0755));
    for (std::size_t i = 0; i < kernel.modules.size(); ++i) {
      // Two digits keep the load order under any sorting.
      const std::string number = (i < 10 ? "0" : "") + std::to_string(i);
      const auto& module = kernel.modules[i];
      GATEWAY_TRY(archive.file(std::string(kModulesPath.substr(1)) + "/" + number + "-" + module.name + ".ko", 0644,
                               module.contents));
    }
    GATEWAY_TRY(archive.file(kInitPath.substr(1), 0755, runtime.view()));
    for (const char* mount_point : {"proc", "run", "sys", "tmp"}) GATEWAY_TRY(archive.folder(mount_point, 0755));
    return {};
  });
}

Status Builder::fill(RootFilesystem& tree, const FullParts& parts, const Lock& lock, PackageCache& packages) {
  const RootfsSpec& rootfs = parts.rootfs;
  if (std::holds_alternative<PackagesSource>(rootfs.source)) {
    GATEWAY_TRY(packages.fetch(lock.suite, lock.packages));
    options_.progress("unpacking " + std::to_string(lock.packages.size()) + " packages");
    GATEWAY_TRY(add_packages(tree, packages, lock.packages));
  } else if (const auto* oci = std::get_if<OciSource>(&rootfs.source)) {
    options_.progress("unpacking the container image " + oci->image.written);
    GATEWAY_TRY(add_oci_image(tree, oci->image.path, spool_folder_));
  } else if (const auto* folder = std::get_if<FolderSource>(&rootfs.source)) {
    GATEWAY_TRY(tree.add_folder(folder->folder.path));
  }
  for (const SpecFile& file : rootfs.files) {
    GATEWAY_TRY(
        tree.add_file(file.to, file.from.path,
                      file.executable ? RootFilesystem::FileMode::kExecutable : RootFilesystem::FileMode::kPlain));
  }
  // The runtime mounts on these, and cannot make them on a read-only tree.
  for (const char* mount_point : {"dev", "proc", "run", "sys", "tmp"}) GATEWAY_TRY(tree.ensure_folder(mount_point));
  const std::string& program = parts.description.workload.argv.front();
  if (tree.has_file(program)) return {};
  return fail(ErrorCode::kInvalidArgument, "image.build.program_missing",
              "the root file system has no " + program + ", which workload.argv names",
              "correct workload.argv, or add the package or the file that brings the program");
}

Result<SpoolFile> Builder::application_ramdisk(const FullParts& parts, const Lock& lock, PackageCache& packages) {
  GATEWAY_ASSIGN(RootFilesystem tree, RootFilesystem::create(spool_folder_));
  GATEWAY_TRY(fill(tree, parts, lock, packages));
  GATEWAY_ASSIGN(const std::string description, encode_description(parts.description));
  options_.progress("packing " + std::to_string(tree.entries()) + " files and folders, " +
                    std::to_string(tree.content_bytes() / 1'000'000) + " MB, with zstd -" +
                    std::to_string(lock.compressor.level));
  return make_ramdisk(spool_folder_, lock, [&](CpioWriter& archive) -> Status {
    GATEWAY_TRY(archive.folder("gateway", 0755));
    GATEWAY_TRY(archive.file(kDescriptionPath.substr(1), 0644, as_bytes(description)));
    return tree.write(archive, kRootfsPath.substr(1));
  });
}

Result<BuildReport> Builder::report(const EifParts& parts) {
  GATEWAY_TRY(write_eif(parts, options_.output_path));
  GATEWAY_ASSIGN(const Eif eif, Eif::open(options_.output_path));
  BuildReport out;
  GATEWAY_ASSIGN(out.measurements, measure(eif));
  for (const EifSection& section : eif.sections()) out.sections.push_back({section.type, section.data.size()});
  out.local_only = eif.local_only();
  out.size = eif.bytes().size();
  return out;
}

Result<BuildReport> Builder::build_raw(const Spec& spec, const RawParts& raw) {
  EifParts parts;
  std::optional<MappedFile> kernel;
  if (const auto* file = std::get_if<KernelFile>(&spec.kernel)) {
    GATEWAY_ASSIGN(kernel, MappedFile::open(file->image.path));
    parts.kernel = kernel->view();
  }
  std::vector<MappedFile> ramdisks;
  for (const SpecPath& ramdisk : raw.ramdisks) {
    GATEWAY_ASSIGN(MappedFile file, MappedFile::open(ramdisk.path));
    parts.ramdisks.push_back(file.view());
    ramdisks.push_back(std::move(file));
  }
  parts.after_copy = [&ramdisks](ByteView part) {
    for (const MappedFile& ramdisk : ramdisks) ramdisk.release(part);
  };
  parts.cmdline = spec.cmdline;
  parts.metadata = metadata(spec, kernel ? kernel_release(kernel->view()) : "none", options_.epoch.value_or(0));
  GATEWAY_ASSIGN(BuildReport out, report(parts));
  out.measured = {"PCR0: the whole image: kernel, cmdline, all ramdisks as given",
                  "PCR1: kernel, cmdline and the first ramdisk", "PCR2: the other ramdisks"};
  return out;
}

Result<BuildReport> Builder::build_full(const Spec& spec, const FullParts& full) {
  if (options_.runtime_path.empty() || !std::filesystem::exists(options_.runtime_path)) {
    return fail(ErrorCode::kNotFound, "image.build.runtime_missing", "the runtime binary gateway-enclave is not there",
                "name it with --runtime FILE or in $GATEWAY_ENCLAVE");
  }
  GATEWAY_ASSIGN(const MappedFile runtime, MappedFile::open(options_.runtime_path));
  const std::string runtime_sha256 = to_hex(crypto::sha256(runtime.view()));
  PackageCache packages(options_.cache_folder, options_.progress);
  GATEWAY_ASSIGN(const LockedBuild locked, lock_build(options_, spec, full, runtime_sha256, packages));
  const EgressDescription& egress = full.description.egress;
  GATEWAY_ASSIGN(const KernelFiles kernel_files,
                 kernel(spec, {.redirect = egress.transparent, .tun = egress.tun}, locked, packages));
  GATEWAY_ASSIGN(const SpoolFile boot, boot_ramdisk(spec, kernel_files, runtime, locked.lock));
  GATEWAY_ASSIGN(const SpoolFile application, application_ramdisk(full, locked.lock, packages));
  GATEWAY_ASSIGN(const MappedFile boot_view, boot.map());
  GATEWAY_ASSIGN(const MappedFile application_view, application.map());
  EifParts parts{
      .kernel = kernel_files.image,
      .cmdline = spec.cmdline,
      .metadata = metadata(spec, kernel_files.release.empty() ? "none" : kernel_files.release, locked.lock.epoch),
      .ramdisks = {boot_view.view(), application_view.view()},
      .signature = {},
      .default_memory = full.description.resources.memory,
      .default_cpus = full.description.resources.cpus,
      .after_copy = [&](ByteView part) { application_view.release(part); }};
  GATEWAY_ASSIGN(BuildReport out, report(parts));
  if (locked.write) GATEWAY_TRY(write_text_file(locked.path, encode_lock(locked.lock)));
  out.lock = locked.lock;
  out.lock_path = locked.path;
  out.lock_written = locked.write;
  out.runtime_sha256 = runtime_sha256;
  out.measured = {"PCR0: the whole image",
                  "PCR1: what boots: kernel, cmdline, the runtime as /init and its kernel modules",
                  "PCR2: the application: its description (workload, paths, limits, slots) and its root file system"};
  return out;
}

Result<BuildReport> Builder::build() {
  GATEWAY_ASSIGN(const Spec spec, read_spec(options_.spec_path));
  // Nobody should wait for downloads to hear that the output's folder is missing.
  GATEWAY_TRY(SpoolFile::create(spool_folder_));
  if (const auto* raw = std::get_if<RawParts>(&spec.parts)) return build_raw(spec, *raw);
  return build_full(spec, std::get<FullParts>(spec.parts));
}

}  // namespace

Result<BuildReport> build_image(const BuildOptions& options) { return Builder(options).build(); }

}  // namespace gateway::image
