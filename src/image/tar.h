// tar archives: what Debian packages and container layers are made of.
//
// Input:  untrusted streams. Names come out normalised and relative, as from cpio.h; targets of hard links too. Targets
//         of symbolic links are passed on as they are.
// Bounds: TarLimits; one entry at a time, contents are read through.
// Spec:   POSIX.1-2017 pax (ustar and extended headers), GNU long names (types L and K), base-256 numbers.
// Errors: kMalformed image.tar.truncated, image.tar.checksum, image.tar.header, image.tar.name, image.tar.pax,
//         image.tar.trailing; kUnsupported image.tar.type, image.tar.sparse; kLimitExceeded image.tar.entries,
//         image.tar.bytes, image.tar.extended_size
#pragma once

#include <map>
#include <optional>
#include <string>

#include "image/stream.h"

namespace gateway::image {

struct TarLimits {
  std::uint64_t entries = 2'000'000;
  std::uint64_t bytes = 64ULL * 1024 * 1024 * 1024;
  std::size_t extended = 1024UZ * 1024;  // one extended header
};

enum class TarType : std::uint8_t { kFile, kHardLink, kSymlink, kCharacterDevice, kBlockDevice, kFolder, kFifo };

struct TarEntry {
  std::string name;
  TarType type = TarType::kFile;
  std::string link;  // of hard and symbolic links
  std::uint32_t permissions = 0;
  std::uint64_t size = 0;
};

class TarReader {
 public:
  TarReader(BufferedSource& source, const TarLimits& limits) : source_(source), limits_(limits) {}
  // The next entry; nullopt at the end, where nothing but zeros may follow.
  Result<std::optional<TarEntry>> next();
  Result<std::size_t> read(std::span<std::uint8_t> out);

 private:
  using Block = ByteArray<512>;
  struct Pending {  // from extended headers, for the entry that follows
    std::optional<std::string> name;
    std::optional<std::string> link;
    std::optional<std::uint64_t> size;
    bool any() const { return name || link || size; }
  };
  Status leave_entry();
  Status finish();
  Result<std::string> extended_contents(std::uint64_t size);
  Status read_pax(std::string_view records, Pending* pending);
  Result<TarEntry> make_entry(const Block& block, char type, std::uint64_t size, Pending pending);
  BufferedSource& source_;
  TarLimits limits_;
  std::uint64_t left_ = 0;
  std::uint64_t padding_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace gateway::image
