// How a build uses its lock: what it pins is what is taken, and every difference is refused by name.
#pragma once

#include "image/build.h"

namespace gateway::image {

struct LockedBuild {
  Lock lock;
  std::string path;
  bool write = false;  // it is new or was changed: to be written when the image stands
};

// Reads, checks, resolves or updates the lock as BuildOptions say. `runtime_sha256` is of the binary at hand.
Result<LockedBuild> lock_build(const BuildOptions& options, const Spec& spec, const FullParts& parts,
                               const std::string& runtime_sha256, PackageCache& packages);

}  // namespace gateway::image
