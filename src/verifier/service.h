// The verifier service: what is answered to which request.
//
//   GET    /.well-known/veraison/verification                  what this service is, and the key of its EARs
//   POST   /challenge-response/v1/newSession?nonce=B64URL      or ?nonceSize=N; &policy=ID; 201 and the session
//   POST   /challenge-response/v1/session/ID                   evidence → the session with its result, an EAR
//   GET    /challenge-response/v1/session/ID                   the session
//   DELETE /challenge-response/v1/session/ID
//   POST   /v1/verify?policy=ID[&nonce=HEX]                    evidence → {"ear", "verification"}, without a session
//   GET    /v1/policies                                        their names and digests
//   GET    /health, /metrics                                   open
//
// Evidence is anything that formats::unwrap() opens. A nonce is looked for where the platform carries one: the nonce
// field of a Nitro document, the report data elsewhere, zeros behind it.
// Input:  untrusted requests. Token, quota, session, policy name and the announced size are judged before the body is
//         read; the body's size before anything in it.
// Output: answers; errors as problem documents (RFC 9457) with our dotted ids.
// Spec:   Veraison's challenge-response API; draft-ietf-rats-ear.
// Errors: 400 verifier.query, verifier.nonce, http.target; 401 verifier.token; 404 verifier.path, verifier.session,
//         verifier.policy; 405 verifier.method; 409 verifier.session_used; 429 verifier.quota; 503 verifier.sessions
#pragma once

#include "attestation/appraisal/policy.h"
#include "attestation/verify.h"
#include "server/seam.h"
#include "verifier/callers.h"
#include "verifier/metrics.h"
#include "verifier/sessions.h"

namespace gateway::verifier {

inline constexpr std::size_t kMaxBody = 1024UZ * 1024;  // a bundle with its collateral
inline constexpr std::size_t kLeastNonce = 8;
inline constexpr std::size_t kMostNonce = 64;  // report data holds no more

struct NamedPolicy {
  std::string id;
  attestation::Policy policy;
  std::string digest;  // "sha256:…" of the file
};

struct Settings {
  std::vector<NamedPolicy> policies;  // at least one; the first where a caller names none
  attestation::Collateral collateral;
  crypto::PrivateKey ear_key;
  std::string developer;
  std::string build;
  std::vector<CallerEntry> callers;  // none: everybody
  std::uint64_t anonymous_per_minute = 600;
  std::size_t max_sessions = 10'000;
  Duration session_life = std::chrono::minutes(5);
};

class Service final : public server::Gate {
 public:
  struct Sources {
    const Clock& clock;
    std::function<MonotonicTime()> monotonic;
    RandomBytes random;
  };
  Service(Settings settings, Sources sources);
  ~Service() override;
  server::Decision on_request(const net::HttpHead& head, const server::SessionContext& session) override;
  const Metrics& metrics() const { return metrics_; }

 private:
  struct Call;
  using Judge = std::function<server::LocalResponse(ByteView body)>;
  server::Decision route(const Call& call);
  server::Decision session_route(const Call& call, std::string_view id);
  server::Decision new_session(const Call& call);
  server::Decision direct(const Call& call);
  server::LocalResponse judge_for_session(const std::string& id, ByteView body);
  server::LocalResponse refuse_request(int status, ErrorId id, std::string_view detail);
  std::optional<server::LocalResponse> admit(const Call& call);
  Result<std::size_t> policy_of(std::string_view query) const;
  attestation::Verification verify(ByteView file, const NamedPolicy& policy, std::optional<ByteView> challenge);
  Result<std::string> ear_of(const attestation::Verification& verification, const NamedPolicy& policy,
                             std::optional<ByteView> challenge) const;
  server::LocalResponse discovery() const;
  server::LocalResponse policies() const;
  server::LocalResponse metrics_page();

  Settings settings_;
  Sources sources_;
  SessionStore sessions_;
  Callers callers_;
  std::vector<Expiry> expiries_;
  Metrics metrics_;
  attestation::Caches caches_;
};

}  // namespace gateway::verifier
