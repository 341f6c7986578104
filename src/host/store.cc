#include "host/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "host/files.h"
#include "host/json_fields.h"
#include "image/unpack.h"

namespace gateway::host {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxCompleteFile = 4096;
// A file that changed this recently may change again within the same tick of the file system's clock.
constexpr std::uint64_t kSettledNanoseconds = 2'000'000'000;
constexpr std::size_t kCopyStep = 64UZ * 1024 * 1024;

std::unexpected<Error> cannot(std::string_view what, const std::string& path) {
  return fail(ErrorCode::kInternal, "host.store.write",
              "cannot " + std::string(what) + " " + path + ": " + std::strerror(errno),
              "check the free space and the permissions of the state folder");
}

std::uint64_t nanoseconds(const timespec& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

Status copy_file(int from, int to, std::uint64_t size) {
  std::uint64_t done = 0;
  bool in_kernel = true;
  Bytes buffer;
  while (done < size) {
    auto offset = static_cast<off_t>(done);
    const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(size - done, kCopyStep));
    ssize_t copied = -1;
    if (in_kernel) {
      copied = ::copy_file_range(from, &offset, to, nullptr, step, 0);
      if (copied < 0 && errno != EINTR && errno != ENOSPC) in_kernel = false;  // not between these file systems
      if (copied < 0 && errno == ENOSPC) return cannot("copy the image:", "store");
      if (copied < 0) continue;
    } else {
      buffer.resize(1024UZ * 1024);
      copied = ::pread(from, buffer.data(), std::min(buffer.size(), step), offset);
      if (copied > 0 && ::write(to, buffer.data(), static_cast<std::size_t>(copied)) != copied) {
        return cannot("copy the image:", "store");
      }
    }
    if (copied < 0 && errno != EINTR) return cannot("read", "the image");
    if (copied == 0) {
      return fail(ErrorCode::kInvalidArgument, "host.image.file", "the image became shorter while it was read");
    }
    done += static_cast<std::uint64_t>(copied > 0 ? copied : 0);
  }
  return {};
}

// A digest over names, kinds, modes, sizes, times and link targets: finds what was removed, added or edited by mistake,
// for the price of one lstat a file.
Result<std::string> survey(const std::string& tree) {
  std::vector<std::string> lines;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(tree, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    struct stat status{};
    if (::lstat(entry->path().c_str(), &status) != 0) return cannot("look at", entry->path());
    std::string line = entry->path().native().substr(tree.size());
    line.append("\n").append(std::to_string(status.st_mode));
    if (S_ISREG(status.st_mode)) {
      line.append(" ").append(std::to_string(status.st_size)).append(" ");
      line.append(std::to_string(nanoseconds(status.st_mtim)));
    } else if (S_ISLNK(status.st_mode)) {
      line.append(" ").append(fs::read_symlink(entry->path(), error).native());
    }
    lines.push_back(std::move(line));
  }
  if (error) {
    return fail(ErrorCode::kUnavailable, "host.store.damaged",
                "the tree " + tree + " cannot be read: " + error.message());
  }
  std::ranges::sort(lines);
  crypto::Hasher hasher(crypto::HashAlgorithm::kSha256);
  for (const auto& line : lines) {
    hasher.update(as_bytes(line));
    hasher.update(ByteView{reinterpret_cast<const std::uint8_t*>("\0"), 1});
  }
  return to_hex(hasher.finish());
}

Status check_runnable(const image::Eif& eif, const std::string& tree) {
#if defined(__aarch64__)
  constexpr bool kHostIsArm = true;
#else
  constexpr bool kHostIsArm = false;
#endif
  if (eif.arm64() != kHostIsArm) {
    return fail(ErrorCode::kUnsupported, "host.image.architecture",
                std::string("the image is for ") + (eif.arm64() ? "arm64" : "x86_64") + ", this host is not");
  }
  struct stat init{};
  if (::lstat((tree + std::string(image::kInitPath)).c_str(), &init) != 0 || !S_ISREG(init.st_mode) ||
      (init.st_mode & 0111U) == 0) {
    return fail(ErrorCode::kMalformed, "host.image.init", "the image has no program /init to start",
                "run an image that `gateway build` made from a specification with a workload");
  }
  return {};
}

Result<image::Description> read_description(const std::string& tree) {
  auto text = read_file(tree + std::string(image::kDescriptionPath), image::kMaxDescriptionBytes);
  if (!text) {
    return fail(ErrorCode::kMalformed, "host.image.description",
                "the image has no " + std::string(image::kDescriptionPath) + ", which says what it runs",
                "run an image that `gateway build` made from a specification with a workload");
  }
  return image::parse_description(as_text(*text));
}

}  // namespace

std::string image_key(const image::Eif& eif, const image::Pcr& pcr0) {
  ByteWriter parts;
  parts.put("gateway/image-key/v1");
  parts.put(pcr0);
  for (const auto& section : eif.sections()) {
    const bool measured =
        section.type != image::SectionType::kMetadata && section.type != image::SectionType::kSignature;
    if (!measured) continue;
    parts.u16be(static_cast<std::uint16_t>(section.type));
    parts.u64be(section.data.size());
  }
  return to_hex(crypto::sha256(parts.bytes()));
}

ImageStore::ImageStore(ImageStore&& other) noexcept
    : folder_(std::move(other.folder_)), seen_(std::move(other.seen_)) {}

Result<ImageStore> ImageStore::open(const std::string& folder) {
  GATEWAY_TRY(make_folder(folder, 0755));
  std::error_code error;
  for (const auto& left : fs::directory_iterator(folder, error)) {
    const std::string name = left.path().filename();
    // An addition holds its folder's lock while it works.
    if (name.starts_with(".adding-") && !is_locked(left.path() / "lock")) remove_tree(left.path());
  }
  return ImageStore(folder);
}

Result<ImageStore::FileIdentity> ImageStore::identify(int image_file, std::uint64_t max_size) {
  struct stat status{};
  if (::fstat(image_file, &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, "host.image.file", "the image is not a regular file",
                "name the .eif file that `gateway build` wrote");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_size) {
    return fail(ErrorCode::kLimitExceeded, "host.image.size",
                "the image has " + std::to_string(size) + " bytes; this host takes " + std::to_string(max_size));
  }
  return FileIdentity{
      {status.st_dev, status.st_ino, size, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim), status.st_mode}};
}

Result<StoredImage> ImageStore::add(int image_file) {
  GATEWAY_ASSIGN(const FileIdentity before, identify(image_file, max_image_size));
  std::string known;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = seen_.find(before); found != seen_.end()) known = found->second;
  }
  if (!known.empty()) {
    if (auto stored = find(known)) return stored;
  }
  const std::string work = folder_ + "/.adding-" + to_hex(crypto::random_bytes(8));
  GATEWAY_TRY(make_folder(work, 0755));
  Result<std::string> key = [&]() -> Result<std::string> {
    GATEWAY_ASSIGN(const net::Descriptor at_work, lock_file(work + "/lock"));
    return copy_and_unpack(image_file, work);
  }();
  remove_tree(work);
  if (!key) return std::unexpected(std::move(key).error());
  GATEWAY_ASSIGN(StoredImage stored, find(*key));
  GATEWAY_ASSIGN(const FileIdentity after, identify(image_file, max_image_size));
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (before == after && nanoseconds(now) > before.fields[4] + kSettledNanoseconds) {
    const std::lock_guard lock(mutex_);
    seen_[before] = stored.key;
  }
  return stored;
}

Result<std::string> ImageStore::copy_and_unpack(int image_file, const std::string& work) {
  const std::string file = work + "/image.eif";
  {
    const net::Descriptor copy(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!copy.valid()) return cannot("create", file);
    GATEWAY_ASSIGN(const FileIdentity identity, identify(image_file, max_image_size));
    GATEWAY_TRY(copy_file(image_file, copy.get(), identity.fields[2]));
    ::fchmod(copy.get(), 0644);
  }
  GATEWAY_ASSIGN(const image::Eif eif, image::Eif::open(file));
  GATEWAY_ASSIGN(const image::Measurements measured, image::measure(eif));
  const std::string key = image_key(eif, measured.pcr0);
  if (find(key)) return key;
  GATEWAY_TRY(install(work, key, eif));
  return key;
}

Status ImageStore::install(const std::string& work, const std::string& key, const image::Eif& eif) {
  const std::string tree = work + "/tree";
  GATEWAY_TRY(image::unpack_ramdisks(eif.ramdisks(), tree));
  GATEWAY_TRY(check_runnable(eif, tree));
  GATEWAY_TRY(read_description(tree));
  GATEWAY_ASSIGN(const std::string digest, survey(tree));
  const std::string complete = codec::write_json(boost::json::object{{"version", 1}, {"survey", digest}});
  GATEWAY_TRY(write_file(work + "/complete.json", as_bytes(complete), 0644));
  ::unlink((work + "/lock").c_str());
  const std::lock_guard lock(mutex_);
  // Another process may have been faster, or an entry may be there that find() refused: the whole one wins.
  if (::rename(work.c_str(), entry(key).c_str()) == 0) return {};
  if (find(key)) return {};
  log::warning("host.store.replaced", {{"key", key}});
  const std::string aside = work + ".old";
  if (::rename(entry(key).c_str(), aside.c_str()) != 0) return cannot("replace", entry(key));
  const bool placed = ::rename(work.c_str(), entry(key).c_str()) == 0;
  remove_tree(aside);
  if (!placed) return cannot("place", entry(key));
  return {};
}

Result<StoredImage> ImageStore::find(const std::string& key) {
  const std::string folder = entry(key);
  GATEWAY_ASSIGN(const Bytes text, read_file(folder + "/complete.json", kMaxCompleteFile));
  GATEWAY_ASSIGN(JsonFields fields,
                 JsonFields::parse(as_text(text), kMaxCompleteFile, "host.store.damaged", "host.store.damaged"));
  GATEWAY_TRY(fields.number("version", 1));
  GATEWAY_ASSIGN(const std::string expected, fields.text("survey", 64));
  GATEWAY_ASSIGN(const std::string found, survey(folder + "/tree"));
  if (found != expected) {
    return fail(ErrorCode::kUnavailable, "host.store.damaged",
                "the unpacked image " + key.substr(0, 16) + " is not as it was unpacked",
                "run the image again with `gateway run`: it is unpacked anew");
  }
  StoredImage stored;
  stored.key = key;
  stored.file = folder + "/image.eif";
  stored.tree = folder + "/tree";
  GATEWAY_ASSIGN(stored.description, read_description(stored.tree));
  return stored;
}

}  // namespace gateway::host
