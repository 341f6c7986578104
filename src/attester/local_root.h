// The root under which this machine's virtual NSMs sign: made at the first start, kept in a folder of the operator's.
//
// Input:  files of the operator's own folder; loose modes, other owners, links and mismatched pairs are refused.
// Errors: kInvalidArgument local_root.mode, local_root.mismatch, local_root.expired; kUnavailable local_root.file;
//         kMalformed local_root.parse
#pragma once

#include <string>

#include "base/clock.h"
#include "crypto/x509.h"

namespace gateway::attester {

inline constexpr const char* kLocalRootKeyFile = "local-root.key";  // PKCS #8 PEM, 0600
inline constexpr const char* kLocalRootFile = "local-root.pem";     // certificate PEM, 0644: for `--root`

struct LocalRoot {
  crypto::PrivateKey key;
  crypto::Certificate certificate;
  // Reads key and certificate from a folder, or makes them (0600, 0644) at first start; atomic, refuses loose modes.
  // Several processes may start at once: one makes it, all read the same.
  static Result<LocalRoot> load_or_create(const std::string& folder, Time now);
  // In memory alone, for tests and benchmarks.
  static Result<LocalRoot> create(Time now);
};

}  // namespace gateway::attester
