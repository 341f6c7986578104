// Debian packages for an image, without any privilege: apt-get downloads with a private state, we unpack.
//
// Input:  package names of the spec; versions and hashes of the lock. The mirror is the one that apt on this machine
//         is configured with. Archive signatures are checked by apt against Debian's keyring; after that a package is
//         what its SHA-256 in the lock says, wherever it came from.
// Output: .deb files in the cache, named by their hash.
// Errors: kUnavailable image.packages.mirror, image.packages.none, image.lock.version_gone; kNotAuthentic
//         image.lock.package_hash; kInternal image.packages.output; and process.h's
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "image/lock.h"
#include "image/rootfs.h"

namespace gateway::image {

using Progress = std::function<void(std::string_view)>;

class PackageCache {
 public:
  // The folder is made when something is fetched into it; empty: fetching is refused.
  PackageCache(const std::string& folder, Progress progress);
  // $GATEWAY_CACHE, $XDG_CACHE_HOME/gateway or ~/.cache/gateway.
  static Result<std::string> default_folder();

  // What the suite has now for the packages asked for, with all that they depend on.
  Result<std::vector<LockedPackage>> resolve(const std::string& suite, const std::vector<std::string>& packages);
  // The newest cloud kernel of the 6.12 series that Debian 12 offers.
  Result<LockedPackage> resolve_kernel();
  static constexpr const char* kKernelSuite = "bookworm-security";

  // Makes sure that all of them are in the cache with the right hash. Those that the mirror no longer has are named.
  Status fetch(const std::string& suite, const std::vector<LockedPackage>& packages);
  std::string path_of(const LockedPackage& package) const;

 private:
  struct AptState {
    std::string folder;
    Descriptor lock;
    std::vector<std::string> command(std::string program, std::vector<std::string> rest) const;
  };
  Status prepare() const;
  Result<AptState> apt_state(const std::string& suite);
  Status check_available(const AptState& apt, const std::vector<LockedPackage>& missing) const;
  Status take_downloads(const std::string& downloads, const std::vector<LockedPackage>& missing) const;
  Result<bool> in_cache(const LockedPackage& package) const;

  std::string folder_;
  Progress progress_;
  std::set<std::string> up_to_date_;  // suites whose index this run has read
};

// Lays the packages' files into the tree, base-files first (it brings the /usr merge's links), then by name.
// Manual pages, translations and documentation stay out; copyright files stay in.
Status add_packages(RootFilesystem& tree, const PackageCache& cache, const std::vector<LockedPackage>& packages);

struct KernelFiles {
  Bytes image;  // bzImage
  struct Module {
    std::string name;  // "virtio_mmio"
    Bytes contents;    // decompressed
  };
  std::vector<Module> modules;  // in load order
  std::string release;          // "6.12.117+deb12-cloud-amd64"
};
// The kernel and the modules that an enclave needs, out of the package: those to speak at all, and those of the ways
// out that its image has.
struct KernelNeeds {
  bool redirect = false;  // nftables with NAT
  bool tun = false;
};
Result<KernelFiles> unpack_kernel(const std::string& deb_path, const KernelNeeds& needs = {});
// Decompresses a module file by its magic (.ko, .ko.xz, .ko.zst, .ko.gz).
Result<Bytes> decompress_module(ByteView contents);

// SHA-256 of a file, lower-case hex.
Result<std::string> hash_file(const std::string& path);

}  // namespace gateway::image
