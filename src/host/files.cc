#include "host/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace gateway::host {
namespace {

std::string reason(std::string_view what, const std::string& path) {
  return std::string(what) + " " + path + ": " + std::strerror(errno);
}

Status write_all(int descriptor, ByteView content) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(ErrorCode::kInternal, "host.file.write", std::strerror(errno));
    content = content.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Status write_file(const std::string& path, ByteView content, mode_t mode, Durable durable) {
  const std::string beside = path + ".new";
  ::unlink(beside.c_str());
  net::Descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.valid()) return fail(ErrorCode::kInternal, "host.file.write", reason("cannot create", beside));
  const bool written = ::fchmod(file.get(), mode) == 0 && write_all(file.get(), content).has_value() &&
                       (durable == Durable::kNo || ::fsync(file.get()) == 0) &&
                       ::rename(beside.c_str(), path.c_str()) == 0;
  if (!written) {
    auto failure = fail(ErrorCode::kInternal, "host.file.write", reason("cannot write", path));
    ::unlink(beside.c_str());
    return failure;
  }
  return {};
}

Result<Bytes> read_file(const std::string& path, std::size_t limit, WrittenBy writer) {
  // Folders of enclaves belong to users with fewer rights: no link is followed, nothing but a file is read.
  const net::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  struct stat status{};
  if (file.valid() && (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))) {
    return fail(ErrorCode::kUnavailable, "host.file.read", path + " is not a regular file");
  }
  if (file.valid() && writer == WrittenBy::kThisUser &&
      (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
    return fail(ErrorCode::kPolicyRejected, "host.file.owner",
                path + " could have been written by another user than the one who runs this program",
                "start the enclave through gatewayd, or give the file to this user with mode 0600");
  }
  if (!file.valid()) {
    if (errno == ENOENT)
      return fail(ErrorCode::kNotFound, "host.file.missing", "there is no " + path, "check the name");
    return fail(ErrorCode::kUnavailable, "host.file.read", reason("cannot open", path));
  }
  Bytes content;
  for (;;) {
    const std::size_t before = content.size();
    content.resize(before + 64UZ * 1024);
    const ssize_t got = ::read(file.get(), content.data() + before, content.size() - before);
    content.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(ErrorCode::kUnavailable, "host.file.read", reason("cannot read", path));
    if (content.size() > limit) {
      return fail(ErrorCode::kLimitExceeded, "host.file.size",
                  path + " is larger than the " + std::to_string(limit) + " bytes that are allowed");
    }
    if (got == 0) return content;
  }
}

Status make_folder(const std::string& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || ::chmod(path.c_str(), mode) != 0) {
    return fail(ErrorCode::kInternal, "host.file.write",
                error ? "cannot create " + path + ": " + error.message() : reason("cannot set the mode of", path));
  }
  return {};
}

void remove_tree(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  // Read-only folders of an unpacked image would keep their files from being removed.
  for (auto entry = fs::recursive_directory_iterator(path, fs::directory_options::none, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (entry->symlink_status(error).type() == fs::file_type::directory) ::chmod(entry->path().c_str(), 0700);
  }
  fs::remove_all(path, error);
}

Result<net::Descriptor> lock_file(const std::string& path) {
  net::Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return fail(ErrorCode::kUnavailable, "host.file.read", reason("cannot open", path));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::kUnavailable, "host.file.locked", path + " is held by another process");
  }
  return file;
}

bool is_locked(const std::string& path) {
  const net::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return file.valid() && ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace gateway::host
