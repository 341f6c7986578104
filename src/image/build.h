// From a spec and its lock to an enclave image: the same bytes for the same lock, on every run and machine.
//
// Input:  a spec, its lock, the inputs that they name, the runtime binary. Time, caches and places are arguments.
// Output: the image under its final name, complete or not at all; a report of what is in it.
// Bounds: memory for names and for the kernel; contents of any size go through unnamed temporary files beside the
//         output.
// Errors: kNotFound image.build.runtime_missing, image.file.missing; kInvalidArgument image.lock.stale,
//         image.lock.input_changed, image.lock.compressor, image.build.program_missing; and of all it is built from
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "image/lock.h"
#include "image/measure.h"
#include "image/packages.h"
#include "image/spec.h"

namespace gateway::image {

enum class LockUse : std::uint8_t {
  kPinned,        // what the lock says; a lock is made when there is none and something must be resolved
  kUpdateInputs,  // packages and kernel stay; runtime and local inputs are taken as they are now
  kUpdateAll,     // everything is resolved anew
};

struct BuildOptions {
  std::string spec_path;
  std::string output_path;
  std::string runtime_path;  // of gateway-enclave; unused by raw specs
  LockUse lock = LockUse::kPinned;
  Time now;                           // becomes the epoch of a lock that is made
  std::optional<std::int64_t> epoch;  // SOURCE_DATE_EPOCH, for a lock that is made and for raw specs
  std::string cache_folder;           // empty: nothing can be downloaded
  Progress progress;
};

struct BuiltSection {
  SectionType type{};
  std::uint64_t size = 0;
};

struct BuildReport {
  Measurements measurements;
  std::vector<BuiltSection> sections;
  bool local_only = false;
  std::uint64_t size = 0;
  std::optional<Lock> lock;  // absent for raw specs
  std::string lock_path;     // empty: nothing to lock, none written
  bool lock_written = false;
  std::string runtime_sha256;         // empty for raw specs
  std::vector<std::string> measured;  // sentences for people: what each register covers
};

Result<BuildReport> build_image(const BuildOptions& options);

}  // namespace gateway::image
