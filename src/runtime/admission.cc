#include "runtime/admission.h"

#include <algorithm>
#include <array>
#include <string>

namespace gateway::runtime {
namespace {

constexpr std::size_t kMaxRetryAfter = 60;
constexpr std::size_t kMaxTokenSize = 256;

bool equal_ignoring_case(std::string_view a, std::string_view lower_case) {
  return std::ranges::equal(a, lower_case, [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

// RFC 9110 §11.6.2, RFC 6750 §2.1: the scheme in any case, one or more spaces, the token.
std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer";
  if (authorization.size() <= kScheme.size() || authorization[kScheme.size()] != ' ') return std::nullopt;
  if (!equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  const std::size_t start = authorization.find_first_not_of(' ', kScheme.size());
  if (start == std::string_view::npos) return std::nullopt;
  const std::string_view token = authorization.substr(start);
  if (token.size() > kMaxTokenSize || token.find(' ') != std::string_view::npos) return std::nullopt;
  return token;
}

constexpr std::string_view kChallenge = "WWW-Authenticate: Bearer\r\n";

}  // namespace

std::string_view retry_after(unsigned seconds) {
  static const auto texts = [] {
    std::array<std::string, kMaxRetryAfter> made;
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = "Retry-After: " + std::to_string(i + 1) + "\r\n";
    return made;
  }();
  return texts[std::clamp<std::size_t>(seconds, 1, kMaxRetryAfter) - 1];
}

std::optional<server::LocalResponse> over_quota(AdmittedCaller& caller, MonotonicTime now) {
  const unsigned seconds = caller.model_tokens.wait_for(1, now);
  if (seconds == 0) return std::nullopt;
  ++caller.counters.refused;
  return server::refuse(429, "tokens.quota", "this token's model tokens a minute are used up", retry_after(seconds));
}

Status Admission::replace(ByteView file, MonotonicTime now) {
  const crypto::Sha256 digest = crypto::sha256(file);
  if (version_ && digest == file_digest_) return {};
  GATEWAY_ASSIGN(const channel::TokenList list, channel::open_token_list(file, access_key_, clock_.now()));
  if (version_ && list.version <= *version_) {
    return fail(ErrorCode::kPolicyRejected, "tokens.version",
                "expected a version above " + std::to_string(*version_) + ", found " + std::to_string(list.version),
                "sign the list with a higher version; an older list could bring a removed token back");
  }
  std::map<crypto::Sha256, std::shared_ptr<AdmittedCaller>> known;
  for (const auto& caller : callers_) known.emplace(caller->entry.token_sha256, caller);
  callers_.clear();
  callers_.reserve(list.entries.size());
  for (const channel::TokenEntry& entry : list.entries) {
    const auto before = known.find(entry.token_sha256);
    if (before == known.end()) {
      callers_.push_back(std::make_shared<AdmittedCaller>(entry, now));
      continue;
    }
    // A new list is no new minute: what was used stays used.
    before->second->requests.set_rate(entry.requests_per_minute, now);
    before->second->model_tokens.set_rate(entry.tokens_per_minute, now);
    before->second->entry = entry;
    callers_.push_back(before->second);
  }
  version_ = list.version;
  file_digest_ = digest;
  not_after_ = list.not_after;
  return {};
}

std::shared_ptr<AdmittedCaller> Admission::find(std::string_view token) const {
  const crypto::Sha256 digest = channel::token_digest(as_bytes(token));
  std::size_t found = callers_.size();
  for (std::size_t i = 0; i < callers_.size(); ++i) {
    if (crypto::constant_time_equal(digest, callers_[i]->entry.token_sha256)) found = i;
  }
  return found < callers_.size() ? callers_[found] : nullptr;
}

std::expected<std::shared_ptr<AdmittedCaller>, server::LocalResponse> Admission::admit(
    std::optional<std::string_view> authorization, channel::Right right, MonotonicTime now) {
  const auto token = authorization ? bearer_token(*authorization) : std::nullopt;
  if (!token)
    return std::unexpected(
        server::refuse(401, "tokens.missing", "send Authorization: Bearer with a token", kChallenge));
  std::shared_ptr<AdmittedCaller> caller = find(*token);
  if (!caller)
    return std::unexpected(server::refuse(401, "tokens.unknown", "this token is not admitted here", kChallenge));
  if (not_after_ <= clock_.now()) {
    return std::unexpected(
        server::refuse(401, "tokens.expired", "the list that admits this token has expired", kChallenge));
  }
  if ((caller->entry.rights & right) == 0)
    return std::unexpected(server::refuse(403, "tokens.right", "this token does not have that right"));
  if (right != channel::kRightCall) return caller;
  if (const unsigned seconds = caller->requests.wait_for(1, now); seconds > 0) {
    ++caller->counters.refused;
    return std::unexpected(
        server::refuse(429, "tokens.requests", "this token's requests a minute are used up", retry_after(seconds)));
  }
  if (auto over = over_quota(*caller, now)) return std::unexpected(*std::move(over));
  caller->requests.charge(1, now);
  ++caller->counters.requests;
  return caller;
}

}  // namespace gateway::runtime
