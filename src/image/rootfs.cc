#include "image/rootfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>

namespace gateway::image {
namespace {

constexpr std::size_t kChunk = 256UZ * 1024;
constexpr unsigned kMaxLinks = 40;   // as the kernel's own limit on links in one path
constexpr unsigned kMaxDepth = 128;  // of folders copied from the host
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..opq";  // after kWhiteout: ".wh..wh..opq"

std::string_view parent_of(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(0, slash);
}

std::string_view base_of(std::string_view name) { return name.substr(name.rfind('/') + 1); }

void push_segments_front(std::deque<std::string>& segments, std::string_view path) {
  std::vector<std::string> found;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) found.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  segments.insert(segments.begin(), found.begin(), found.end());
}

std::unexpected<Error> cannot_read(const std::string& path, int error_number) {
  return fail(ErrorCode::kUnavailable, "image.file.read", system_reason(path, error_number),
              "check that the file is there and that you may read it");
}

}  // namespace

Result<RootFilesystem> RootFilesystem::create(const std::string& spool_folder, const RootfsLimits& limits) {
  GATEWAY_ASSIGN(SpoolFile spool, SpoolFile::create(spool_folder));
  return RootFilesystem(std::move(spool), limits);
}

// Where a name leads when the tree is the root: links in the middle are followed, ".." stops at the root.
Result<std::string> RootFilesystem::resolve(std::string_view name, bool follow_last) const {
  std::deque<std::string> segments;
  push_segments_front(segments, name);
  std::string at;
  unsigned links = 0;
  while (!segments.empty()) {
    const std::string segment = std::move(segments.front());
    segments.pop_front();
    if (segment == ".") continue;
    if (segment == "..") {
      at = std::string(parent_of(at));
      continue;
    }
    std::string next = at.empty() ? segment : at + "/" + segment;
    const auto node = nodes_.find(next);
    const bool link = node != nodes_.end() && node->second.type == FileType::kSymlink;
    if (!link || (segments.empty() && !follow_last)) {
      at = std::move(next);
      continue;
    }
    if (++links > kMaxLinks) {
      return fail(ErrorCode::kMalformed, "image.rootfs.link_loop",
                  "symbolic links of the root file system run in a circle");
    }
    if (node->second.target.starts_with('/')) at.clear();
    push_segments_front(segments, node->second.target);
  }
  return at;
}

Status RootFilesystem::put_missing_parents(const std::string& name) {
  for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    const auto [node, made] = nodes_.try_emplace(name.substr(0, slash));
    if (made) node->second.layer = layer_;
    if (node->second.type != FileType::kFolder) {
      return fail(ErrorCode::kInvalidArgument, "image.rootfs.conflict",
                  "the root file system has both " + node->first + " as a file and something below it");
    }
  }
  return {};
}

void RootFilesystem::erase_tree(const std::string& name, unsigned below_layer) {
  const std::string prefix = name.empty() ? std::string() : name + "/";
  // An upper layer's own entries below a folder keep that folder.
  bool keeps = false;
  for (auto node = nodes_.lower_bound(prefix); node != nodes_.end() && node->first.starts_with(prefix);) {
    const bool lower = node->second.layer < below_layer;
    keeps = keeps || !lower;
    node = lower ? nodes_.erase(node) : std::next(node);
  }
  if (const auto node = nodes_.find(name); node != nodes_.end() && node->second.layer < below_layer && !keeps) {
    nodes_.erase(node);
  }
}

Status RootFilesystem::put(const std::string& name, Node node, FolderOverLink rule) {
  if (name.empty()) return {};  // the root itself
  GATEWAY_ASSIGN(std::string parent, resolve(parent_of(name), true));
  std::string place = parent.empty() ? std::string(base_of(name)) : parent + "/" + std::string(base_of(name));
  const auto there = nodes_.find(place);
  if (node.type == FileType::kFolder && there != nodes_.end()) {
    if (there->second.type == FileType::kFolder) {
      there->second.layer = layer_;
      return {};
    }
    if (there->second.type == FileType::kSymlink && rule == FolderOverLink::kKeepLink) return {};
  }
  GATEWAY_TRY(put_missing_parents(place));
  if (there != nodes_.end() && there->second.type == FileType::kFolder) {
    if (rule == FolderOverLink::kKeepLink) {
      return fail(ErrorCode::kInvalidArgument, "image.rootfs.conflict",
                  "two packages disagree: " + place + " is a folder in one and something else in another");
    }
    erase_tree(place, layer_ + 1);
  }
  node.layer = layer_;
  nodes_.insert_or_assign(std::move(place), std::move(node));
  if (nodes_.size() > limits_.entries) {
    return fail(ErrorCode::kLimitExceeded, "image.rootfs.entries",
                "the root file system has more than " + std::to_string(limits_.entries) + " entries");
  }
  return {};
}

Status RootFilesystem::apply_whiteout(const std::string& folder, std::string_view base) {
  GATEWAY_ASSIGN(const std::string place, resolve(folder, true));
  if (base == kOpaque) {
    const std::string prefix = place.empty() ? std::string() : place + "/";
    for (auto node = nodes_.lower_bound(prefix); node != nodes_.end() && node->first.starts_with(prefix);) {
      node = node->second.layer < layer_ ? nodes_.erase(node) : std::next(node);
    }
    return {};
  }
  if (base.empty() || base == "." || base == "..") {
    return fail(ErrorCode::kMalformed, "image.rootfs.whiteout", "a layer removes something that has no name");
  }
  erase_tree(place.empty() ? std::string(base) : place + "/" + std::string(base), layer_);
  return {};
}

Status RootFilesystem::add_tar_entry(TarReader& reader, const TarEntry& entry, const TarRules& rules) {
  Node node;
  switch (entry.type) {
    case TarType::kFolder: node.type = FileType::kFolder; break;
    case TarType::kSymlink:
      node.type = FileType::kSymlink;
      node.target = entry.link;
      break;
    case TarType::kHardLink: {
      GATEWAY_ASSIGN(const std::string target, resolve(entry.link, false));
      const auto there = nodes_.find(target);
      if (there == nodes_.end() || there->second.type == FileType::kFolder) {
        return fail(ErrorCode::kMalformed, "image.rootfs.hard_link", "a hard link points at a file that is not there",
                    "the archive is damaged, or the rules exclude the file that it points at");
      }
      node = there->second;
      break;
    }
    case TarType::kFile: {
      node.type = FileType::kRegular;
      node.executable = (entry.permissions & 0111U) != 0;
      node.offset = spool_.size();
      Bytes buffer(kChunk);
      while (true) {
        GATEWAY_ASSIGN(const std::size_t got, reader.read(buffer));
        if (got == 0) break;
        GATEWAY_TRY(spool_.append(ByteView(buffer).first(got)));
      }
      node.size = spool_.size() - node.offset;
      break;
    }
    case TarType::kCharacterDevice:
    case TarType::kBlockDevice:
    case TarType::kFifo: return {};
  }
  return put(entry.name, std::move(node), rules.folder_over_link);
}

Status RootFilesystem::add_tar(ByteSource& source, const TarRules& rules, const TarLimits& limits) {
  ++layer_;
  BufferedSource buffered(source);
  TarReader reader(buffered, limits);
  while (true) {
    GATEWAY_ASSIGN(const std::optional<TarEntry> entry, reader.next());
    if (!entry) return {};
    if (rules.excluded && rules.excluded(entry->name)) continue;
    const std::string_view base = base_of(entry->name);
    if (rules.whiteouts == Whiteouts::kApply && base.starts_with(kWhiteout)) {
      GATEWAY_TRY(apply_whiteout(std::string(parent_of(entry->name)), base.substr(kWhiteout.size())));
      continue;
    }
    GATEWAY_TRY(add_tar_entry(reader, *entry, rules));
  }
}

Result<RootFilesystem::Node> RootFilesystem::spool_descriptor(int descriptor, FileMode mode) {
  Node node;
  node.type = FileType::kRegular;
  node.executable = mode == FileMode::kExecutable;
  node.offset = spool_.size();
  DescriptorSource source(descriptor);
  Bytes buffer(kChunk);
  while (true) {
    GATEWAY_ASSIGN(const std::size_t got, source.read(buffer));
    if (got == 0) break;
    GATEWAY_TRY(spool_.append(ByteView(buffer).first(got)));
  }
  node.size = spool_.size() - node.offset;
  return node;
}

Status RootFilesystem::add_file(std::string_view name, const std::string& path, FileMode mode) {
  ++layer_;
  const auto normal = normalised_name(name.starts_with('/') ? name.substr(1) : name);
  if (!normal || normal->empty()) {
    return fail(ErrorCode::kInvalidArgument, "image.rootfs.kind",
                "a file's place in the image must be a plain absolute path");
  }
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) {
    if (errno == ENOENT) {
      return fail(ErrorCode::kNotFound, "image.file.missing", path + " does not exist",
                  "check the name; names in a spec count from the folder of the spec");
    }
    return cannot_read(path, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, "image.rootfs.kind", path + " is not a regular file", "name a file");
  }
  GATEWAY_ASSIGN(Node node, spool_descriptor(file.get(), mode));
  return put(*normal, std::move(node), FolderOverLink::kKeepLink);
}

Status RootFilesystem::add_text(std::string_view name, std::string_view contents, FileMode mode) {
  ++layer_;
  Node node{.type = FileType::kRegular,
            .executable = mode == FileMode::kExecutable,
            .offset = spool_.size(),
            .size = contents.size(),
            .target = {},
            .layer = layer_};
  GATEWAY_TRY(spool_.append(as_bytes(contents)));
  return put(std::string(name), std::move(node), FolderOverLink::kKeepLink);
}

Status RootFilesystem::ensure_folder(std::string_view name) {
  ++layer_;
  return put(std::string(name), Node{}, FolderOverLink::kKeepLink);
}

Status RootFilesystem::add_host_entry(int folder, const std::string& name, const std::string& host_path,
                                      unsigned depth) {
  const std::string base(base_of(name));
  struct stat status{};
  if (::fstatat(folder, base.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return cannot_read(host_path, errno);
  if (!normalised_name(name)) {
    return fail(ErrorCode::kInvalidArgument, "image.rootfs.kind",
                "a name below " + host_path + " has bytes that do not belong");
  }
  if (S_ISDIR(status.st_mode)) {
    GATEWAY_TRY(put(name, Node{}, FolderOverLink::kReplace));
    const Descriptor inner(::openat(folder, base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inner.valid()) return cannot_read(host_path, errno);
    return add_host_folder(inner.get(), name, host_path, depth + 1);
  }
  if (S_ISLNK(status.st_mode)) {
    std::string target(4096, '\0');
    const ssize_t size = ::readlinkat(folder, base.c_str(), target.data(), target.size());
    if (size <= 0 || size > 4095) return cannot_read(host_path, errno);
    target.resize(static_cast<std::size_t>(size));
    Node node;
    node.type = FileType::kSymlink;
    node.target = std::move(target);
    return put(name, std::move(node), FolderOverLink::kReplace);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, "image.rootfs.kind",
                host_path + " is neither a file, a folder nor a symbolic link", "remove it from the folder");
  }
  const Descriptor file(::openat(folder, base.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return cannot_read(host_path, errno);
  GATEWAY_ASSIGN(Node node, spool_descriptor(file.get(),
                                             (status.st_mode & 0111U) != 0 ? FileMode::kExecutable : FileMode::kPlain));
  return put(name, std::move(node), FolderOverLink::kReplace);
}

Status RootFilesystem::add_host_folder(int folder, const std::string& prefix, const std::string& host_path,
                                       unsigned depth) {
  if (depth > kMaxDepth) {
    return fail(ErrorCode::kLimitExceeded, "image.rootfs.entries", host_path + " is nested deeper than 128 folders");
  }
  const int copy = ::fcntl(folder, F_DUPFD_CLOEXEC, 3);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(copy), &::closedir);
  if (!listing) return cannot_read(host_path, errno);
  std::vector<std::string> names;  // sorted, so that the spool is the same on every run
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::ranges::sort(names);
  for (const std::string& base : names) {
    const std::string name = prefix.empty() ? base : prefix + "/" + base;
    GATEWAY_TRY(add_host_entry(folder, name, host_path + "/" + base, depth));
  }
  return {};
}

Status RootFilesystem::add_folder(const std::string& path) {
  ++layer_;
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) {
    if (errno == ENOENT) {
      return fail(ErrorCode::kNotFound, "image.file.missing", path + " does not exist",
                  "check the name; names in a spec count from the folder of the spec");
    }
    return cannot_read(path, errno);
  }
  return add_host_folder(folder.get(), {}, path, 0);
}

bool RootFilesystem::has_file(std::string_view name) const {
  const auto place = resolve(name, true);
  if (!place) return false;
  const auto node = nodes_.find(*place);
  return node != nodes_.end() && node->second.type == FileType::kRegular;
}

std::uint64_t RootFilesystem::content_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [name, node] : nodes_) sum += node.size;
  return sum;
}

Status RootFilesystem::write(CpioWriter& to, std::string_view prefix) const {
  GATEWAY_TRY(to.folder(prefix, 0755));
  Bytes buffer(kChunk);
  for (const auto& [name, node] : nodes_) {
    const std::string full = std::string(prefix) + "/" + name;
    if (node.type == FileType::kFolder) {
      GATEWAY_TRY(to.folder(full, 0755));
      continue;
    }
    if (node.type == FileType::kSymlink) {
      GATEWAY_TRY(to.symlink(full, node.target));
      continue;
    }
    GATEWAY_TRY(to.begin_file(full, node.executable ? 0755 : 0644, node.size));
    for (std::uint64_t done = 0; done < node.size;) {
      const auto chunk =
          std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, node.size - done)));
      GATEWAY_TRY(spool_.read(node.offset + done, chunk));
      GATEWAY_TRY(to.write(chunk));
      done += chunk.size();
    }
  }
  return {};
}

}  // namespace gateway::image
