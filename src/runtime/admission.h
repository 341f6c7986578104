// Who may call: the newest token list of the access key, and what each caller has used.
//
// Input:  token lists from the host (hostile; signature, life and version judged), Authorization headers of callers.
// Output: an AdmittedCaller, or a refusal ready to be answered.
// The digest of what a caller sends is compared with every entry, in constant time and without stopping early, so that
// timing says neither which entry came close nor where it stands.
// Spec:   docs/trust.md §2. One thread.
// Errors: of lists: channel/tokens.h, kPolicyRejected tokens.version; of callers: 401 tokens.missing, tokens.unknown,
//         tokens.expired; 403 tokens.right; 429 tokens.requests, tokens.quota (with Retry-After)
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/token_bucket.h"
#include "channel/tokens.h"
#include "server/seam.h"

namespace gateway::runtime {

struct CallerCounters {
  std::uint64_t requests = 0;
  std::uint64_t refused = 0;  // over a quota
  std::uint64_t complete = 0;
  std::uint64_t left = 0;
  std::uint64_t workload_failed = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t estimated_tokens = 0;  // charged without the engine's own count
};

// One entry of the list with its quotas. Outlives the list that named it: requests still running hold it.
struct AdmittedCaller {
  AdmittedCaller(const channel::TokenEntry& named, MonotonicTime now)
      : entry(named), requests(named.requests_per_minute, now), model_tokens(named.tokens_per_minute, now) {}
  channel::TokenEntry entry;
  TokenBucket requests;
  TokenBucket model_tokens;
  CallerCounters counters;
};

// 429 tokens.quota when the caller's model tokens are used up.
std::optional<server::LocalResponse> over_quota(AdmittedCaller& caller, MonotonicTime now);

class Admission {
 public:
  Admission(crypto::PublicKey access_key, const Clock& clock) : access_key_(std::move(access_key)), clock_(clock) {}

  // Takes a list with a higher version than any before it in this boot. The same bytes again change nothing.
  Status replace(ByteView file, MonotonicTime now);

  // Judges the Authorization header, the list's life and the right; with kRightCall also the quotas, and counts the
  // request against them.
  std::expected<std::shared_ptr<AdmittedCaller>, server::LocalResponse> admit(
      std::optional<std::string_view> authorization, channel::Right right, MonotonicTime now);

  const std::vector<std::shared_ptr<AdmittedCaller>>& callers() const { return callers_; }
  std::optional<std::uint64_t> version() const { return version_; }
  Time not_after() const { return not_after_; }

 private:
  std::shared_ptr<AdmittedCaller> find(std::string_view token) const;

  crypto::PublicKey access_key_;
  const Clock& clock_;
  std::optional<std::uint64_t> version_;
  crypto::Sha256 file_digest_{};
  Time not_after_{};
  std::vector<std::shared_ptr<AdmittedCaller>> callers_;
};

// "Retry-After: N\r\n" as static text; more than a minute is said as a minute.
std::string_view retry_after(unsigned seconds);

}  // namespace gateway::runtime
