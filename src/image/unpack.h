// Ramdisks onto a disk: what the kernel does at boot, done safely by an ordinary user, for platform local.
//
// Input:  untrusted ramdisks of any EIF: concatenated cpio archives, raw or packed with gzip, zstd or xz, in any mix.
// Output: a folder that appears under its name when it is complete; the same tree that the kernel would make, but for
//         owners (the user who unpacks), device nodes, FIFOs and sockets (left out), and the set-user-id, set-group-id
//         and sticky bits (dropped).
// Bounds: UnpackLimits over all ramdisks together. Nothing is ever written outside of the folder: every path is walked
//         from an open descriptor, one segment at a time, through real folders only.
// Errors: cpio.h's and stream.h's; kMalformed image.unpack.archive, image.unpack.through_link, image.unpack.no_parent,
//         image.unpack.hard_link, image.unpack.replaces_folder; kLimitExceeded image.unpack.limit; kUnavailable
//         image.unpack.write
#pragma once

#include <span>
#include <string>

#include "image/cpio.h"

namespace gateway::image {

struct UnpackLimits {
  CpioLimits archive;       // of all ramdisks together
  std::size_t depth = 128;  // folders in one name
};

struct Unpacked {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t skipped = 0;  // device nodes, FIFOs, sockets
};

// Unpacks the ramdisks, in order, into one tree. `target` must not exist; its parent folder must. If another process
// made `target` meanwhile, that one stays and this one's is removed: same key, same content.
Result<Unpacked> unpack_ramdisks(std::span<const ByteView> ramdisks, const std::string& target,
                                 const UnpackLimits& limits = {});

// Removes a tree that was unpacked, read-only folders and all. Never follows a symbolic link.
Status remove_tree(const std::string& path);

// Reads the archives of one ramdisk, whatever they are packed with; `on_entry` may read the contents from the reader.
class CpioVisitor {
 public:
  virtual ~CpioVisitor() = default;
  virtual Status on_entry(const CpioEntry& entry, CpioReader& reader) = 0;
};
Status visit_ramdisk(ByteView ramdisk, const CpioLimits& limits, CpioVisitor& visitor);

}  // namespace gateway::image
