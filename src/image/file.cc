#include "image/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace gateway::image {
namespace {

std::unexpected<Error> cannot_read(const std::string& path, int error_number) {
  if (error_number == ENOENT || error_number == ENOTDIR) {
    return fail(ErrorCode::kNotFound, "image.file.missing", path + " does not exist",
                "check the name; names in a spec count from the folder of the spec");
  }
  return fail(ErrorCode::kUnavailable, "image.file.read", system_reason(path, error_number),
              "check that the file is there and that you may read it");
}

std::unexpected<Error> cannot_write(const std::string& path, int error_number) {
  return fail(ErrorCode::kUnavailable, "image.file.write", system_reason(path, error_number),
              "check that the folder exists, that you may write to it and that the disk has room");
}

Result<Descriptor> open_regular(const std::string& path, struct stat& status) {
  // O_NONBLOCK: a FIFO in the place of a file must not hang the tool.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return cannot_read(path, errno);
  if (::fstat(file.get(), &status) != 0) return cannot_read(path, errno);
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, "image.file.kind", path + " is not a regular file", "name a file");
  }
  return file;
}

}  // namespace

std::string system_reason(const std::string& what, int error_number) {
  return what + ": " + std::generic_category().message(error_number);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) ::close(number_);
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  struct stat status{};
  GATEWAY_ASSIGN(const Descriptor file, open_regular(path, status));
  return map(file.get(), static_cast<std::uint64_t>(status.st_size), path);
}

Result<MappedFile> MappedFile::map(int descriptor, std::uint64_t size, const std::string& name) {
  if (size == 0) return MappedFile({});
  void* address = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_SHARED, descriptor, 0);
  if (address == MAP_FAILED) return cannot_read(name, errno);
  return MappedFile({static_cast<const std::uint8_t*>(address), static_cast<std::size_t>(size)});
}

void MappedFile::release(ByteView part) const {
  if (part.empty() || part.data() < view_.data() || part.data() + part.size() > view_.data() + view_.size()) return;
  // Whole pages only. The mapping is of a file and shared, so nothing is lost.
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(view_, other.view_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!view_.empty()) ::munmap(const_cast<std::uint8_t*>(view_.data()), view_.size());
}

Result<NewFile> NewFile::create(const std::string& target, unsigned mode) {
  std::string path = target + ".XXXXXX";
  Descriptor file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file.valid()) return cannot_write(target, errno);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file.get(), static_cast<mode_t>(mode) & ~mask) != 0) {
    const int reason = errno;
    ::unlink(path.c_str());
    return cannot_write(target, reason);
  }
  return NewFile(std::move(file), std::move(path), target);
}

NewFile::~NewFile() {
  if (descriptor_.valid() && !path_.empty()) ::unlink(path_.c_str());
}

Status write_fully(int descriptor, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(descriptor, bytes.data(), bytes.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return cannot_write("writing", errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return {};
}

Status NewFile::write(ByteView bytes) {
  auto status = write_fully(descriptor_.get(), bytes);
  if (!status) return cannot_write(target_, errno);
  return {};
}

Status NewFile::write_at(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return cannot_write(target_, errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

Status NewFile::commit() {
  if (::fsync(descriptor_.get()) != 0) return cannot_write(target_, errno);
  if (::rename(path_.c_str(), target_.c_str()) != 0) return cannot_write(target_, errno);
  path_.clear();
  return {};
}

Result<SpoolFile> SpoolFile::create(const std::string& folder) {
  Descriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.valid()) return SpoolFile(std::move(file));
  if (errno != EOPNOTSUPP && errno != EISDIR) return cannot_write(folder, errno);
  std::string path = folder + "/.spool.XXXXXX";  // a file system without O_TMPFILE
  file = Descriptor(::mkostemp(path.data(), O_CLOEXEC));
  if (!file.valid()) return cannot_write(folder, errno);
  ::unlink(path.c_str());
  return SpoolFile(std::move(file));
}

Result<MappedFile> SpoolFile::map() const { return MappedFile::map(descriptor_.get(), size_, "a temporary file"); }

Status SpoolFile::append(ByteView bytes) {
  GATEWAY_TRY(write_fully(descriptor_.get(), bytes));
  size_ += bytes.size();
  return {};
}

Status SpoolFile::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(descriptor_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return cannot_read("a temporary file", got < 0 ? errno : EIO);
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<std::string> read_text_file(const std::string& path, std::size_t limit) {
  struct stat status{};
  GATEWAY_ASSIGN(const Descriptor file, open_regular(path, status));
  if (static_cast<std::uint64_t>(status.st_size) > limit) {
    return fail(ErrorCode::kLimitExceeded, "image.file.size",
                path + " has " + std::to_string(status.st_size) + " bytes; the limit is " + std::to_string(limit));
  }
  std::string text(limit + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_read(path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > limit) {
    return fail(ErrorCode::kLimitExceeded, "image.file.size",
                path + " is larger than the limit of " + std::to_string(limit) + " bytes");
  }
  text.resize(size);
  return text;
}

Status write_text_file(const std::string& path, std::string_view text) {
  GATEWAY_ASSIGN(NewFile file, NewFile::create(path));
  GATEWAY_TRY(file.write(as_bytes(text)));
  return file.commit();
}

Status make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return cannot_write(path, error.value());
  return {};
}

}  // namespace gateway::image
