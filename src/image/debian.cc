// What is inside Debian packages: files for the tree, and the kernel with its modules.
#include <algorithm>
#include <array>
#include <map>

#include "image/packages.h"
#include "image/process.h"

namespace gateway::image {
namespace {

// Modules that an enclave needs before it can speak to anyone, in load order.
constexpr std::array<std::string_view, 5> kModules{"virtio_mmio", "vsock", "vmw_vsock_virtio_transport_common",
                                                   "vmw_vsock_virtio_transport", "nsm"};
constexpr std::array<std::string_view, 9> kRedirectModules{"libcrc32c",    "nf_defrag_ipv4", "nf_defrag_ipv6",
                                                           "nf_conntrack", "nf_nat",         "nfnetlink",
                                                           "nf_tables",    "nft_chain_nat",  "nft_redir"};
constexpr std::uint64_t kMaxKernel = 256ULL * 1024 * 1024;
constexpr std::size_t kMaxModule = 64UZ * 1024 * 1024;

bool excluded(std::string_view name) {
  if (name.starts_with("usr/share/doc/"))
    return !name.ends_with("/copyright") && name.find('/', 14) != std::string_view::npos;
  return name.starts_with("usr/share/man/") || name.starts_with("usr/share/locale/") ||
         name.starts_with("usr/share/info/");
}

Result<Bytes> read_all(ByteSource& source, std::size_t limit) {
  Bytes out;
  Bytes buffer(256UZ * 1024);
  while (true) {
    GATEWAY_ASSIGN(const std::size_t got, source.read(buffer));
    if (got == 0) return out;
    if (out.size() + got > limit) {
      return fail(ErrorCode::kLimitExceeded, "image.kernel.size", "a kernel module unpacks to more than 64 MiB");
    }
    append(out, ByteView(buffer).first(got));
  }
}

Result<Bytes> read_entry(TarReader& reader, const TarEntry& entry) {
  if (entry.size > kMaxKernel) {
    return fail(ErrorCode::kLimitExceeded, "image.kernel.size", "a file of the kernel package is larger than 256 MiB");
  }
  Bytes out(static_cast<std::size_t>(entry.size));
  for (std::size_t at = 0; at < out.size();) {
    GATEWAY_ASSIGN(const std::size_t got, reader.read(std::span(out).subspan(at)));
    at += got;
  }
  return out;
}

// "…/virtio_mmio.ko.xz" → "virtio_mmio"; Debian writes dashes in some names where the kernel says underscores.
std::string module_name(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  name.resize(std::min(name.find(".ko"), name.size()));
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace

Status add_packages(RootFilesystem& tree, const PackageCache& cache, const std::vector<LockedPackage>& packages) {
  std::vector<LockedPackage> ordered = packages;
  std::ranges::sort(ordered, {},
                    [](const LockedPackage& package) { return std::pair(package.name != "base-files", package.name); });
  for (const LockedPackage& package : ordered) {
    GATEWAY_ASSIGN(const auto source, ProgramSource::start({"dpkg-deb", "--fsys-tarfile", cache.path_of(package)}));
    auto added = tree.add_tar(*source, {.folder_over_link = RootFilesystem::FolderOverLink::kKeepLink,
                                        .whiteouts = RootFilesystem::Whiteouts::kPlainNames,
                                        .excluded = excluded});
    if (!added) {
      const Error& error = added.error();
      return fail(error.code(), error.error_id(), package.name + ": " + error.detail(), error.remedy());
    }
    GATEWAY_TRY(source->finish());
  }
  return {};
}

Result<Bytes> decompress_module(ByteView contents) {
  GATEWAY_ASSIGN(const auto source, open_member(contents, recognise_compression(contents)));
  GATEWAY_ASSIGN(Bytes out, read_all(*source, kMaxModule));
  constexpr ByteArray<4> kElf{0x7f, 'E', 'L', 'F'};
  if (out.size() < 64 || !equal(ByteView(out).first(4), kElf)) {
    return fail(ErrorCode::kMalformed, "image.kernel.module", "a kernel module is not an ELF file",
                "name the .ko, .ko.xz or .ko.zst files of the kernel's own package");
  }
  return out;
}

Result<KernelFiles> unpack_kernel(const std::string& deb_path, const KernelNeeds& needs) {
  std::vector<std::string_view> wanted(kModules.begin(), kModules.end());
  if (needs.redirect) wanted.insert(wanted.end(), kRedirectModules.begin(), kRedirectModules.end());
  if (needs.tun) wanted.emplace_back("tun");
  GATEWAY_ASSIGN(const auto source, ProgramSource::start({"dpkg-deb", "--fsys-tarfile", deb_path}));
  BufferedSource buffered(*source);
  TarReader reader(buffered, {});
  KernelFiles out;
  std::map<std::string, Bytes, std::less<>> modules;
  while (true) {
    GATEWAY_ASSIGN(const std::optional<TarEntry> entry, reader.next());
    if (!entry) break;
    if (entry->type != TarType::kFile) continue;
    constexpr std::string_view kImage = "boot/vmlinuz-";
    if (entry->name.starts_with(kImage)) {
      out.release = entry->name.substr(kImage.size());
      GATEWAY_ASSIGN(out.image, read_entry(reader, *entry));
    } else if (entry->name.find("lib/modules/") != std::string::npos && entry->name.find(".ko") != std::string::npos) {
      const std::string name = module_name(entry->name);
      if (std::ranges::find(wanted, name) == wanted.end()) continue;
      GATEWAY_ASSIGN(const Bytes packed, read_entry(reader, *entry));
      GATEWAY_ASSIGN(modules[name], decompress_module(packed));
    }
  }
  GATEWAY_TRY(source->finish());
  if (out.image.empty()) {
    return fail(ErrorCode::kMalformed, "image.kernel.package", "the kernel package has no boot/vmlinuz-… in it");
  }
  for (const std::string_view name : wanted) {
    const auto found = modules.find(name);
    if (found == modules.end()) {
      return fail(ErrorCode::kMalformed, "image.kernel.package",
                  "the kernel package has no module " + std::string(name),
                  "the enclave could not do without it what its image says; choose another kernel");
    }
    out.modules.push_back({std::string(name), std::move(found->second)});
  }
  return out;
}

}  // namespace gateway::image
