// cpio archives in the "newc" form, as the Linux kernel unpacks into its first root file system.
//
// Input:  untrusted streams. Names come out normalised and relative: absolute names, "..", empty segments, NULs and
//         control bytes are refused. What a symbolic link points at is the unpacker's business.
// Bounds: CpioLimits; one entry at a time, contents are read through.
// Spec:   Linux Documentation/driver-api/early-userspace/buffer-format.rst (070701).
// Errors: kMalformed image.cpio.truncated, image.cpio.magic, image.cpio.header, image.cpio.name, image.cpio.padding,
//         image.cpio.link, image.cpio.trailer; kLimitExceeded image.cpio.entries, image.cpio.bytes,
//         image.cpio.file_size
#pragma once

#include <optional>
#include <string>

#include "image/stream.h"

namespace gateway::image {

struct CpioLimits {
  std::uint64_t entries = 1'000'000;
  std::uint64_t bytes = 64ULL * 1024 * 1024 * 1024;  // of all contents together
  std::size_t name = 4096;
};

// File types of st_mode, as cpio and tar both use them.
enum class FileType : std::uint8_t { kRegular, kFolder, kSymlink, kCharacterDevice, kBlockDevice, kFifo, kSocket };
std::optional<FileType> file_type(std::uint32_t mode);
std::uint32_t mode_bits(FileType type);

struct CpioEntry {
  std::string name;  // "usr/bin/env"; empty for the root itself
  FileType type = FileType::kRegular;
  std::uint32_t permissions = 0;  // 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t links = 1;
  std::uint32_t inode = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint64_t modified = 0;  // seconds since 1970
  std::uint64_t size = 0;      // of the contents; for a symbolic link: of its target
};

class CpioReader {
 public:
  CpioReader(BufferedSource& source, const CpioLimits& limits) : source_(source), limits_(limits) {}
  // The next entry; nullopt after the trailer. Unread contents of the previous entry are skipped. After the trailer
  // another archive may follow: call again.
  Result<std::optional<CpioEntry>> next();
  // Contents of the current entry; 0 at their end.
  Result<std::size_t> read(std::span<std::uint8_t> out);
  // The target of the current entry, which is a symbolic link.
  Result<std::string> link_target();

 private:
  Status leave_entry();
  BufferedSource& source_;
  CpioLimits limits_;
  std::uint64_t left_ = 0;     // unread contents
  std::uint64_t padding_ = 0;  // after them
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
};

// Writes entries in the order given, inode numbers counted up, one fixed time.
class CpioWriter {
 public:
  CpioWriter(ByteSink& to, std::uint64_t modified) : to_(to), modified_(modified) {}
  Status folder(std::string_view name, std::uint32_t permissions);
  Status symlink(std::string_view name, std::string_view target);
  Status file(std::string_view name, std::uint32_t permissions, ByteView contents);
  // For contents that come in pieces: begin_file, then exactly `size` bytes through write().
  Status begin_file(std::string_view name, std::uint32_t permissions, std::uint64_t size);
  Status write(ByteView contents);
  Status finish();  // the trailer

 private:
  Status header(std::string_view name, std::uint32_t mode, std::uint32_t links, std::uint64_t size);
  Status pad();
  ByteSink& to_;
  std::uint64_t modified_;
  std::uint32_t inode_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t written_ = 0;
};

// "./a//b" is not accepted as "a/b"; "./a/b", "a/b" and "a/b/" are. nullopt: not a name that may be unpacked.
std::optional<std::string> normalised_name(std::string_view name);

}  // namespace gateway::image
