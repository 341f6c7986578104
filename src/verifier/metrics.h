// Counts, and Prometheus' text of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/verify.h"
#include "verifier/expiries.h"

namespace gateway::verifier {

struct Metrics {
  std::map<std::pair<std::string_view, std::string_view>, std::uint64_t> verifications;  // platform, appraisal
  std::map<std::string_view, std::uint64_t> reasons;                                     // ids of our own
  std::uint64_t sessions_opened = 0;
  std::uint64_t refused_sessions = 0;  // all were taken
  std::uint64_t refused_quota = 0;
  std::uint64_t refused_token = 0;
  std::uint64_t refused_request = 0;  // paths, methods, queries, bodies that are none

  void count(const attestation::Verification& verification);
};

// Seconds to each document's end are negative once it is over.
std::string metrics_text(const Metrics& metrics, std::size_t sessions_now, const std::vector<Expiry>& expiries,
                         Time now);

}  // namespace gateway::verifier
