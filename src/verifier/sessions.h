// Challenges that were given out and wait for evidence. Bounded in number and in time; nothing of a caller's is kept
// but the nonce.
//
// Errors: kUnavailable verifier.sessions (all are taken); kNotFound verifier.session; kPolicyRejected
//         verifier.session_used
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"

namespace gateway::verifier {

using RandomBytes = std::function<Bytes(std::size_t size)>;

struct Session {
  Bytes nonce;
  std::size_t policy = 0;  // the operator's, by position
  Time expiry;
  std::optional<std::string> result;  // the EAR, once evidence was judged
};

class SessionStore {
 public:
  SessionStore(std::size_t most, Duration life, RandomBytes random);

  struct Made {
    std::string id;  // 128 bits, hexadecimal: who does not know it cannot find the session
    const Session& session;
  };
  Result<Made> make(Bytes nonce, std::size_t policy, Time now);
  Result<Session*> find(std::string_view id, Time now);
  // One piece of evidence a challenge: a second one would be judged by a nonce that has been seen.
  Result<Session*> find_waiting(std::string_view id, Time now);
  void remove(std::string_view id);
  std::size_t size(Time now);

 private:
  void expire(Time now);
  std::size_t most_;
  Duration life_;
  RandomBytes random_;
  std::map<std::string, Session, std::less<>> sessions_;
  std::deque<std::pair<Time, std::string>> by_age_;  // all live equally long, so the oldest expires first
};

}  // namespace gateway::verifier
