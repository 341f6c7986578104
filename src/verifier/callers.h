// Who may ask, and how often. With no caller named, everybody may and all share one quota.
//
// Input:  Authorization headers, untrusted; compared as digests with every entry, in constant time.
// Errors: 401 verifier.token; 429 verifier.quota
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/token_bucket.h"
#include "crypto/hash.h"

namespace gateway::verifier {

struct CallerEntry {
  std::string id;
  crypto::Sha256 token_sha256{};
  std::uint64_t per_minute = 0;  // requests that cost work; 0: no quota
};

class Callers {
 public:
  Callers(std::vector<CallerEntry> entries, std::uint64_t anonymous_per_minute, MonotonicTime now);

  enum class Answer : std::uint8_t { kMayAsk, kUnknown, kOverQuota };
  struct Judged {
    Answer answer{};
    unsigned retry_after_seconds = 0;  // with kOverQuota
    std::size_t caller = 0;            // index of the quota that was charged
  };
  // Charges one request where it may go on.
  Judged judge(std::optional<std::string_view> authorization, MonotonicTime now);
  bool anonymous() const { return anonymous_; }

 private:
  struct Caller {
    CallerEntry entry;
    TokenBucket bucket;
  };
  std::vector<Caller> callers_;
  bool anonymous_;
};

}  // namespace gateway::verifier
