#include "verifier/callers.h"

namespace gateway::verifier {
namespace {

constexpr std::size_t kMaxToken = 256;

// RFC 6750 §2.1, as it is always written.
std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return std::nullopt;
  const std::string_view token = authorization.substr(kScheme.size());
  if (token.empty() || token.size() > kMaxToken) return std::nullopt;
  return token;
}

}  // namespace

Callers::Callers(std::vector<CallerEntry> entries, std::uint64_t anonymous_per_minute, MonotonicTime now)
    : anonymous_(entries.empty()) {
  if (anonymous_) entries.push_back({.id = "anonymous", .token_sha256 = {}, .per_minute = anonymous_per_minute});
  callers_.reserve(entries.size());
  for (CallerEntry& entry : entries) {
    TokenBucket bucket(entry.per_minute, now);
    callers_.push_back({std::move(entry), bucket});
  }
}

Callers::Judged Callers::judge(std::optional<std::string_view> authorization, MonotonicTime now) {
  std::size_t found = anonymous_ ? 0 : callers_.size();
  if (!anonymous_) {
    const auto token = authorization ? bearer_token(*authorization) : std::nullopt;
    if (!token) return {.answer = Answer::kUnknown};
    const crypto::Sha256 digest = crypto::sha256(as_bytes(*token));
    for (std::size_t i = 0; i < callers_.size(); ++i) {
      if (crypto::constant_time_equal(digest, callers_[i].entry.token_sha256)) found = i;
    }
    if (found == callers_.size()) return {.answer = Answer::kUnknown};
  }
  TokenBucket& bucket = callers_[found].bucket;
  if (const unsigned seconds = bucket.wait_for(1, now); seconds > 0) {
    return {.answer = Answer::kOverQuota, .retry_after_seconds = seconds, .caller = found};
  }
  bucket.charge(1, now);
  return {.answer = Answer::kMayAsk, .retry_after_seconds = 0, .caller = found};
}

}  // namespace gateway::verifier
