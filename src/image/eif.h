// Enclave Image Files: bytes to sections, and sections to bytes.
//
// Input:  untrusted files, ours or AWS's, up to several GiB: mapped, never copied.
// Output: Eif: views into the mapping. Structure is checked by open(); the CRC is checked where all bytes are read
//         anyway (measure(), check_crc()).
// Bounds: at most 32 sections; kMaxCmdline, kMaxMetadata, kMaxSignature. Sections lie one after another from the end
//         of the header to the end of the file: no gap, no overlap, no byte that no section owns. Kernel, cmdline and
//         ramdisks come in the order in which they are measured.
// Spec:   facts of AWS's public format, version 4 (docs/image.md); big-endian.
// Errors: kMalformed image.eif.truncated, .magic, .reserved, .section_count, .unused_entry, .offset, .size,
//         .section_type, .section_flags, .trailing, .duplicate, .order, .empty, .no_cmdline, .no_ramdisk, .cmdline,
//         .crc, .metadata; kUnsupported .version, .flags; kLimitExceeded .limit
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "image/file.h"

namespace gateway::image {

enum class SectionType : std::uint16_t { kKernel = 1, kCmdline = 2, kRamdisk = 3, kSignature = 4, kMetadata = 5 };
std::string_view to_string(SectionType type);

inline constexpr std::size_t kEifHeaderSize = 548;
inline constexpr std::size_t kEifSectionHeaderSize = 12;
inline constexpr std::size_t kEifMaxSections = 32;
inline constexpr std::uint16_t kEifVersion = 4;
inline constexpr std::uint16_t kEifFlagArm64 = 1;
inline constexpr std::size_t kMaxCmdline = 4096;  // the kernel itself keeps 2,048 bytes on x86
inline constexpr std::size_t kMaxMetadata = 1024UZ * 1024;
inline constexpr std::size_t kMaxSignature = 64UZ * 1024;

struct EifSection {
  SectionType type{};
  std::uint64_t offset = 0;  // of the section header
  ByteView data;
};

class Eif {
 public:
  static Result<Eif> open(const std::string& path);
  static Result<Eif> parse(ByteView bytes);  // the bytes must outlive the Eif

  bool arm64() const { return arm64_; }
  std::uint64_t default_memory() const { return default_memory_; }  // bytes
  std::uint64_t default_cpus() const { return default_cpus_; }
  std::uint32_t stated_crc() const { return stated_crc_; }
  const std::vector<EifSection>& sections() const { return sections_; }

  // Without a kernel an image runs on platform local alone.
  bool local_only() const { return kernel().empty(); }
  ByteView kernel() const;
  std::string_view cmdline() const;
  std::vector<ByteView> ramdisks() const;
  std::optional<ByteView> metadata() const;
  std::optional<ByteView> signature() const;

  // Reads every byte once.
  Status check_crc() const;
  ByteView bytes() const { return bytes_; }
  // Lets go of the memory behind a part that was read (MappedFile::release); nothing for parse().
  void release(ByteView part) const;

 private:
  Eif() = default;
  std::optional<ByteView> first(SectionType type) const;
  std::shared_ptr<const MappedFile> file_;  // null for parse()
  ByteView bytes_;
  std::vector<EifSection> sections_;
  std::uint64_t default_memory_ = 0;
  std::uint64_t default_cpus_ = 0;
  std::uint32_t stated_crc_ = 0;
  bool arm64_ = false;
};

// What goes into a new image, in AWS's order: kernel, cmdline, metadata, ramdisks, signature.
struct EifParts {
  ByteView kernel;  // empty: none
  std::string cmdline;
  std::string metadata;            // empty: no such section
  std::vector<ByteView> ramdisks;  // at least one, none empty
  ByteView signature;              // empty: none
  std::uint64_t default_memory = 1024ULL * 1024 * 1024;
  std::uint64_t default_cpus = 2;
  bool arm64 = false;
  std::function<void(ByteView)> after_copy = {};  // may be empty; told of each part that was written, to release it
};
// Streams the parts into a new file that takes the name `path` when it is complete.
Status write_eif(const EifParts& parts, const std::string& path);

}  // namespace gateway::image
