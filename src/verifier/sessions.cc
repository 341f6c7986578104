#include "verifier/sessions.h"

namespace gateway::verifier {
namespace {

constexpr std::size_t kIdBytes = 16;

}  // namespace

SessionStore::SessionStore(std::size_t most, Duration life, RandomBytes random)
    : most_(most), life_(life), random_(std::move(random)) {}

void SessionStore::expire(Time now) {
  while (!by_age_.empty() && by_age_.front().first <= now) {
    sessions_.erase(by_age_.front().second);
    by_age_.pop_front();
  }
}

Result<SessionStore::Made> SessionStore::make(Bytes nonce, std::size_t policy, Time now) {
  expire(now);
  // by_age_ also counts sessions that were deleted: who makes and deletes does not grow it either.
  if (by_age_.size() >= most_) {
    return fail(ErrorCode::kUnavailable, "verifier.sessions", "all " + std::to_string(most_) + " sessions are taken",
                "ask again in a few seconds");
  }
  const Time expiry = now + life_;
  const auto [at, added] = sessions_.emplace(
      to_hex(random_(kIdBytes)), Session{.nonce = std::move(nonce), .policy = policy, .expiry = expiry, .result = {}});
  if (!added) return fail(ErrorCode::kInternal, "verifier.random", "the same session id was drawn twice");
  by_age_.emplace_back(expiry, at->first);
  return Made{at->first, at->second};
}

Result<Session*> SessionStore::find(std::string_view id, Time now) {
  expire(now);
  const auto at = sessions_.find(id);
  if (at == sessions_.end()) {
    return fail(ErrorCode::kNotFound, "verifier.session", "there is no such session, or it has expired",
                "open a new one: POST /challenge-response/v1/newSession");
  }
  return &at->second;
}

Result<Session*> SessionStore::find_waiting(std::string_view id, Time now) {
  GATEWAY_ASSIGN(Session * session, find(id, now));
  if (session->result) {
    return fail(ErrorCode::kPolicyRejected, "verifier.session_used", "this session has judged its evidence",
                "open a new one for more evidence; GET shows this one's result");
  }
  return session;
}

void SessionStore::remove(std::string_view id) {
  if (const auto at = sessions_.find(id); at != sessions_.end()) sessions_.erase(at);
}

std::size_t SessionStore::size(Time now) {
  expire(now);
  return sessions_.size();
}

}  // namespace gateway::verifier
