// Recorded evidence on disk, ready to be judged: shared by the commands of gateway policy.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attestation/verify.h"
#include "base/clock.h"
#include "policy.h"

namespace gateway::cli {

struct RecordedEvidence {
  std::string file;
  Bytes bytes;
  bool named = false;  // on the command line itself; what a folder holds beside evidence is passed over
  Time recorded;       // a Nitro document's timestamp; otherwise the file's
};

struct EvidenceFolder {
  std::vector<RecordedEvidence> evidence;  // sorted by file name
  attestation::Collateral collateral;
  std::vector<crypto::Certificate> roots;
  std::optional<Time> at;  // absent: as of when each was recorded
  attestation::Caches caches = attestation::make_caches();

  Time time_of(const RecordedEvidence& item) const { return at.value_or(item.recorded); }
  attestation::Verification verify(const RecordedEvidence& item, const attestation::Policy* policy) const;
};

// Without --at: as of `otherwise`, or of when each was recorded.
Result<EvidenceFolder> read_evidence(const PolicyEvidence& options, std::optional<Time> otherwise);
Result<attestation::Policy> read_policy_file(const std::string& path);

}  // namespace gateway::cli
