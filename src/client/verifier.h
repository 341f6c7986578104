// The judgement on one connection: is the other end of this TLS session an enclave that the policy accepts?
//
// Input:  the attestation endpoint's body, from whoever answered; what this side knows of the TLS session itself.
// Output: Judgement. Its session is set only when evidence, K, Q and S all hold for this very connection.
// Spec:   docs/trust.md §1.
// Errors: those of attestation; kNotAuthentic client.quote.nonce, binding.platform, binding.session.*; kMalformed
//         binding.*; kInternal client.verdict
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "client/known_keys.h"

namespace gateway::client {

struct VerifierOptions {
  std::vector<crypto::Certificate> local_roots;  // beside those that the policy names by hash
  attestation::Collateral collateral;
  std::optional<attestation::Platform> platform = {};  // absent: recognised from the evidence
};

// What is asked of the endpoint. The moment is taken before the nonce leaves.
struct Challenge {
  attestation::Nonce nonce{};
  Moment sent;
  bool fresh = true;  // evidence must carry the nonce
};

// What this side knows of the TLS session.
struct Channel {
  ByteArray<32> exporter{};  // over the challenge's nonce
  crypto::Sha256 server_spki{};
};

// A connection that verified, and the keys on which its trust rests.
struct Session {
  std::shared_ptr<const TrustedKeys> keys;
};

struct Judgement {
  attestation::Verification verification;  // complete lines, those of the binding last
  std::optional<Session> session;
  bool ask_fresh = false;  // K is unknown or aged: ask again with fresh=1 on the same connection
};

// Thread-safe: many connections share one Verifier, and with it the keys already known.
class Verifier {
 public:
  // The clock is borrowed and must outlive the verifier.
  Verifier(attestation::Policy policy, VerifierOptions options, const TrustClock& clock);

  // Asks for fresh evidence unless some K is trusted already.
  Challenge challenge() const;
  Challenge fresh_challenge() const;
  Judgement judge(const Challenge& challenge, ByteView response, const Channel& channel);
  // The session's K, if it is trusted at this moment: asked before every new request.
  std::shared_ptr<const TrustedKeys> trusted(const crypto::Sha384& keys_digest) const;

 private:
  Status judge_evidence(const attestation::AttestationResponse& response, const attestation::QuoteStatement& quote,
                        const attestation::KeysStatement& keys, const Challenge& challenge, Judgement& judgement) const;

  attestation::Policy policy_;
  VerifierOptions options_;
  attestation::nitro::Anchors anchors_;
  const TrustClock& clock_;
  attestation::Caches caches_;
  KnownKeys known_;
};

}  // namespace gateway::client
