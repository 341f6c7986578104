#include "attestation/model/path_refusals.h"

#include <algorithm>

namespace gateway::attestation {

std::unexpected<Error> refuse_path(const Error& cause, std::span<const PathRefusal> refusals,
                                   const PathRefusal& otherwise, CheckList& checks) {
  const auto found = std::ranges::find(refusals, cause.id(), &PathRefusal::from);
  const PathRefusal& refusal = found == refusals.end() ? otherwise : *found;
  return checks.refused(refusal.code, refusal.to, refusal.expected, cause.message(), refusal.remedy);
}

}  // namespace gateway::attestation
