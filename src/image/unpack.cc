#include "image/unpack.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace gateway::image {
namespace {

constexpr std::size_t kChunk = 256UZ * 1024;

std::unexpected<Error> malformed(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail), "the image is damaged or hostile; build or fetch it again");
}

std::unexpected<Error> cannot_write(int error_number) {
  return fail(ErrorCode::kUnavailable, "image.unpack.write", system_reason("unpacking an image", error_number),
              "check that the folder of the image store exists, that you may write to it and that the disk has room");
}

std::string_view base_of(std::string_view name) { return name.substr(name.rfind('/') + 1); }

// The limits are over all archives: what one leaves, the next one has.
class Budget {
 public:
  explicit Budget(const CpioLimits& limits) : left_(limits) {}
  const CpioLimits& left() const { return left_; }
  Status take(const CpioEntry& entry) {
    if (left_.entries == 0 || entry.size > left_.bytes) {
      return fail(ErrorCode::kLimitExceeded, "image.unpack.limit",
                  "the image unpacks to more entries or bytes than allowed",
                  "raise the limit of the image store if you trust the image");
    }
    --left_.entries;
    left_.bytes -= entry.size;
    return {};
  }

 private:
  CpioLimits left_;
};

class TreeWriter final : public CpioVisitor {
 public:
  TreeWriter(Descriptor root, const UnpackLimits& limits)
      : root_(std::move(root)), limits_(limits), budget_(limits.archive) {}

  Status on_entry(const CpioEntry& entry, CpioReader& reader) override {
    GATEWAY_TRY(budget_.take(entry));
    ++result_.entries;
    if (entry.name.empty()) {
      if (entry.type == FileType::kFolder) return {};
      return malformed("image.unpack.archive", "the root of the ramdisk is not a folder");
    }
    GATEWAY_ASSIGN(const Descriptor parent, open_parent(entry.name));
    const std::string base(base_of(entry.name));
    switch (entry.type) {
      case FileType::kFolder: return make_folder(parent.get(), base, entry);
      case FileType::kSymlink: return make_symlink(parent.get(), base, reader);
      case FileType::kRegular: return make_file(parent.get(), base, entry, reader);
      case FileType::kCharacterDevice:
      case FileType::kBlockDevice:
      case FileType::kFifo:
      case FileType::kSocket: ++result_.skipped; return {};
    }
    return {};
  }
  // Permissions of folders come last: a read-only one must take its contents first.
  Status finish() {
    for (const auto& [name, permissions] : folders_) {
      GATEWAY_ASSIGN(const Descriptor parent, open_parent(name));
      const std::string base(base_of(name));
      const Descriptor folder(::openat(parent.get(), base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      // A folder that a later archive replaced by something else has nothing to be set.
      if (folder.valid() && ::fchmod(folder.get(), permissions | 0700U) != 0) return cannot_write(errno);
    }
    return {};
  }
  const Unpacked& result() const { return result_; }
  int root() const { return root_.get(); }
  const CpioLimits& left() const { return budget_.left(); }

 private:
  using Inode = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;

  Result<Descriptor> open_parent(std::string_view name) const {
    Descriptor at(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 3));
    if (!at.valid()) return cannot_write(errno);
    std::size_t depth = 0;
    for (std::size_t slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/')) {
      if (++depth > limits_.depth) {
        return fail(ErrorCode::kLimitExceeded, "image.unpack.limit", "a name in the ramdisk is nested too deep");
      }
      const std::string segment(name.substr(0, slash));
      name.remove_prefix(slash + 1);
      Descriptor next(::openat(at.get(), segment.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next.valid() && errno == ENOENT)
        return malformed("image.unpack.no_parent", "a file comes before the folder that it lies in");
      if (!next.valid() && (errno == ENOTDIR || errno == ELOOP)) {
        return malformed("image.unpack.through_link", "a name leads through a symbolic link or a file");
      }
      if (!next.valid()) return cannot_write(errno);
      at = std::move(next);
    }
    return at;
  }

  // Later archives replace what earlier ones made, as the kernel does; a folder with contents stays.
  Status make_room(int parent, const std::string& base) const {
    struct stat status{};
    if (::fstatat(parent, base.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT ? Status{} : cannot_write(errno);
    if (::unlinkat(parent, base.c_str(), S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) == 0) return {};
    if (errno == ENOTEMPTY || errno == EEXIST) {
      return malformed("image.unpack.replaces_folder",
                       "a later archive puts something else in the place of a folder with contents");
    }
    return cannot_write(errno);
  }

  Status make_folder(int parent, const std::string& base, const CpioEntry& entry) {
    folders_[entry.name] = entry.permissions & 0777U;
    if (::mkdirat(parent, base.c_str(), 0700) == 0) return {};
    struct stat status{};
    if (errno == EEXIST && ::fstatat(parent, base.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(status.st_mode)) {
      return {};
    }
    GATEWAY_TRY(make_room(parent, base));
    return ::mkdirat(parent, base.c_str(), 0700) == 0 ? Status{} : cannot_write(errno);
  }

  Status make_symlink(int parent, const std::string& base, CpioReader& reader) const {
    GATEWAY_ASSIGN(const std::string target, reader.link_target());
    GATEWAY_TRY(make_room(parent, base));
    return ::symlinkat(target.c_str(), parent, base.c_str()) == 0 ? Status{} : cannot_write(errno);
  }

  // newc names a file's other names by the same inode number; the contents come with one of them.
  Result<bool> link_to_earlier(int parent, const std::string& base, const CpioEntry& entry) {
    if (entry.links < 2) return false;
    const Inode inode{entry.device_major, entry.device_minor, entry.inode};
    const auto [known, first] = inodes_.try_emplace(inode, entry.name);
    if (first || known->second == entry.name) return false;
    GATEWAY_ASSIGN(const Descriptor from, open_parent(known->second));
    const std::string from_base(base_of(known->second));
    GATEWAY_TRY(make_room(parent, base));
    struct stat status{};
    if (::fstatat(from.get(), from_base.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode) ||
        ::linkat(from.get(), from_base.c_str(), parent, base.c_str(), 0) != 0) {
      return malformed("image.unpack.hard_link", "a hard link points at something that is not there");
    }
    return true;
  }

  Status make_file(int parent, const std::string& base, const CpioEntry& entry, CpioReader& reader) {
    GATEWAY_ASSIGN(const bool linked, link_to_earlier(parent, base, entry));
    if (linked && entry.size == 0) return {};
    if (!linked) GATEWAY_TRY(make_room(parent, base));
    // The first name may have been given permissions that keep its owner from writing.
    if (linked && ::fchmodat(parent, base.c_str(), 0600, 0) != 0) return cannot_write(errno);
    // Write-only and never through a link; a name that was just made room for is new.
    const int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (linked ? O_TRUNC : O_CREAT | O_EXCL);
    const Descriptor file(::openat(parent, base.c_str(), flags, 0600));
    if (!file.valid()) return cannot_write(errno);
    while (true) {
      GATEWAY_ASSIGN(const std::size_t got, reader.read(buffer_));
      if (got == 0) break;
      if (auto status = write_fully(file.get(), ByteView(buffer_).first(got)); !status) return cannot_write(errno);
      result_.bytes += got;
    }
    return ::fchmod(file.get(), (entry.permissions & 0777U) | 0400U) == 0 ? Status{} : cannot_write(errno);
  }

  Descriptor root_;
  UnpackLimits limits_;
  Budget budget_;
  Unpacked result_;
  std::map<std::string, mode_t, std::less<>> folders_;
  std::map<Inode, std::string> inodes_;
  Bytes buffer_ = Bytes(kChunk);
};

// Reads archives from a stream until its end; between archives there may be zeros.
Status visit_stream(ByteSource& source, const CpioLimits& limits, CpioVisitor& visitor, bool packed,
                    std::uint64_t& consumed) {
  BufferedSource buffered(source);
  CpioReader reader(buffered, limits);
  while (true) {
    GATEWAY_ASSIGN(ByteView have, buffered.peek());
    while (!have.empty() && have.front() == 0) {
      const auto used =
          static_cast<std::size_t>(std::ranges::find_if(have, [](std::uint8_t b) { return b != 0; }) - have.begin());
      buffered.consume(used);
      GATEWAY_ASSIGN(have, buffered.peek());
    }
    consumed = buffered.offset();
    if (have.empty()) return {};
    // What begins with something else is another member of the concatenation, for the caller; not inside a packed one.
    if (have.front() != '0') {
      return packed ? malformed("image.unpack.archive", "a packed ramdisk holds something that is no cpio archive")
                    : Status{};
    }
    while (true) {
      GATEWAY_ASSIGN(const std::optional<CpioEntry> entry, reader.next());
      if (!entry) break;
      GATEWAY_TRY(visitor.on_entry(*entry, reader));
    }
  }
}

Status remove_below(int folder, unsigned depth) {
  if (depth > 4096)
    return fail(ErrorCode::kLimitExceeded, "image.unpack.limit", "a tree to be removed is nested too deep");
  ::fchmod(folder, 0700);
  const int copy = ::fcntl(folder, F_DUPFD_CLOEXEC, 3);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(copy), &::closedir);
  if (!listing) return cannot_write(errno);
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(folder, name.c_str(), 0) == 0) continue;
    const Descriptor inner(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inner.valid()) return cannot_write(errno);
    GATEWAY_TRY(remove_below(inner.get(), depth + 1));
    if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0) return cannot_write(errno);
  }
  return {};
}

}  // namespace

Status visit_ramdisk(ByteView ramdisk, const CpioLimits& limits, CpioVisitor& visitor) {
  bool any = false;
  while (!ramdisk.empty()) {
    const Compression compression = recognise_compression(ramdisk);
    const bool packed = compression != Compression::kNone;
    if (!packed && ramdisk.front() != '0' && ramdisk.front() != 0) {
      return malformed("image.unpack.archive", "a ramdisk holds something that is neither cpio nor gzip, zstd or xz");
    }
    GATEWAY_ASSIGN(const auto member, open_member(ramdisk, compression));
    std::uint64_t read = 0;
    GATEWAY_TRY(visit_stream(*member, limits, visitor, packed, read));
    ramdisk = ramdisk.subspan(packed ? member->consumed() : static_cast<std::size_t>(read));
    any = true;
  }
  return any ? Status{} : malformed("image.unpack.archive", "a ramdisk is empty");
}

Result<Unpacked> unpack_ramdisks(std::span<const ByteView> ramdisks, const std::string& target,
                                 const UnpackLimits& limits) {
  std::string partial = target + ".partial-XXXXXX";
  if (::mkdtemp(partial.data()) == nullptr) return cannot_write(errno);
  const auto unpack = [&]() -> Result<Unpacked> {
    Descriptor root(::open(partial.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!root.valid()) return cannot_write(errno);
    TreeWriter writer(std::move(root), limits);
    for (const ByteView ramdisk : ramdisks) GATEWAY_TRY(visit_ramdisk(ramdisk, writer.left(), writer));
    GATEWAY_TRY(writer.finish());
    // The folder's name vouches for its contents, after a power failure too.
    if (::syncfs(writer.root()) != 0) return cannot_write(errno);
    return writer.result();
  };
  auto done = unpack();
  if (done && ::chmod(partial.c_str(), 0755) == 0 && ::rename(partial.c_str(), target.c_str()) == 0) return done;
  const int reason = errno;
  (void)remove_tree(partial);
  if (!done) return done;
  if (reason == EEXIST || reason == ENOTEMPTY) return done;  // another process was first
  return cannot_write(reason);
}

Status remove_tree(const std::string& path) {
  {
    const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder.valid()) return errno == ENOENT ? Status{} : cannot_write(errno);
    GATEWAY_TRY(remove_below(folder.get(), 0));
  }
  return ::rmdir(path.c_str()) == 0 ? Status{} : cannot_write(errno);
}

}  // namespace gateway::image
