// A root file system being assembled: names in memory, contents in a spool file, no privilege, no real files.
//
// Input:  archives and folders that the image's author chose; hostile all the same: names go through symbolic links
//         inside the tree only, as a chroot would, never outside.
// Output: one sorted sequence of entries. Owner is root, the time is one fixed time, permissions are 0755 for folders
//         and programs and 0644 for the rest, because a workload is the only user that an image has; so the tree
//         behaves the same unpacked on `local` and booted on the others. Hard links become files of their own;
//         device nodes, sockets and FIFOs are left out.
// Bounds: RootfsLimits; memory grows with the number of names, not with contents.
// Errors: kMalformed image.rootfs.link_loop, image.rootfs.hard_link, image.rootfs.whiteout; kInvalidArgument
//         image.rootfs.kind, image.rootfs.conflict; kLimitExceeded image.rootfs.entries; and the archive's own
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "image/cpio.h"
#include "image/tar.h"

namespace gateway::image {

struct RootfsLimits {
  std::size_t entries = 2'000'000;
};

class RootFilesystem {
 public:
  static Result<RootFilesystem> create(const std::string& spool_folder, const RootfsLimits& limits = {});

  enum class FolderOverLink : std::uint8_t {
    kKeepLink,  // dpkg: a package's folder /lib leaves the link /lib → usr/lib alone
    kReplace,   // layers: the upper one wins
  };
  enum class Whiteouts : bool { kPlainNames, kApply };
  struct TarRules {
    FolderOverLink folder_over_link = FolderOverLink::kReplace;
    Whiteouts whiteouts = Whiteouts::kPlainNames;
    std::function<bool(std::string_view name)> excluded;  // may be empty
  };
  // Each call is a layer above all that came before.
  Status add_tar(ByteSource& source, const TarRules& rules, const TarLimits& limits = {});
  Status add_folder(const std::string& path);
  // One file of the host's under a name of the image's; `executable` decides the permissions.
  enum class FileMode : bool { kPlain, kExecutable };
  Status add_file(std::string_view name, const std::string& path, FileMode mode);
  Status add_text(std::string_view name, std::string_view contents, FileMode mode);
  // Creates what is missing; leaves what is there.
  Status ensure_folder(std::string_view name);

  // Whether the name leads to a file, through links of the tree.
  bool has_file(std::string_view name) const;
  std::size_t entries() const { return nodes_.size(); }
  std::uint64_t content_bytes() const;

  // All entries, sorted, below `prefix` ("rootfs"), which gets an entry itself.
  Status write(CpioWriter& to, std::string_view prefix) const;

 private:
  struct Node {
    FileType type = FileType::kFolder;
    bool executable = false;
    std::uint64_t offset = 0;  // into the spool
    std::uint64_t size = 0;
    std::string target;
    unsigned layer = 0;
  };
  RootFilesystem(SpoolFile spool, const RootfsLimits& limits) : spool_(std::move(spool)), limits_(limits) {}
  Result<std::string> resolve(std::string_view name, bool follow_last) const;
  Status put(const std::string& name, Node node, FolderOverLink rule);
  Status put_missing_parents(const std::string& name);
  void erase_tree(const std::string& name, unsigned below_layer);
  Status apply_whiteout(const std::string& folder, std::string_view base);
  Status add_tar_entry(TarReader& reader, const TarEntry& entry, const TarRules& rules);
  Result<Node> spool_descriptor(int descriptor, FileMode mode);
  Status add_host_entry(int folder, const std::string& name, const std::string& host_path, unsigned depth);
  Status add_host_folder(int folder, const std::string& prefix, const std::string& host_path, unsigned depth);

  SpoolFile spool_;
  RootfsLimits limits_;
  std::map<std::string, Node, std::less<>> nodes_;  // without the root itself; parents sort before children
  unsigned layer_ = 0;
};

}  // namespace gateway::image
