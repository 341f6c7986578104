// The lock beside a spec: every input of an image by hash, so that the same lock gives the same bytes anywhere.
//
// Input:  a TOML file that people commit; its hashes are what is trusted about everything that comes over a network.
// Output: Lock, sorted; encode_lock writes the same bytes for the same lock.
// Bounds: 4 MiB of text.
// Errors: the reader's toml.*; kInvalidArgument image.lock.version, image.lock.value, image.lock.duplicate
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace gateway::image {

struct LockedPackage {
  std::string name;
  std::string version;
  std::string architecture;  // "amd64", "all"
  std::string sha256;        // lower-case hex, of the .deb
  std::uint64_t size = 0;
};

struct LockedCompressor {
  std::string name = "zstd";
  std::string version;
  std::int64_t level = 9;
};

struct Lock {
  std::int64_t epoch = 0;  // seconds since 1970: the time of every entry and BuildTime (SOURCE_DATE_EPOCH)
  LockedCompressor compressor;
  // SHA-256 of the runtime binary, or "any": the lock leaves the runtime open, and the measurements with it.
  std::string runtime;
  std::optional<LockedPackage> kernel;
  std::string kernel_suite;
  std::string suite;
  std::vector<std::string> requested;         // the spec's package list that was resolved
  std::vector<LockedPackage> packages;        // sorted by name
  std::map<std::string, std::string> inputs;  // name in the spec → SHA-256 (files, folders, container images, kernel)
};
inline constexpr const char* kAnyRuntime = "any";

Result<Lock> parse_lock(std::string_view text, const std::string& file_name);
std::string encode_lock(const Lock& lock);

}  // namespace gateway::image
