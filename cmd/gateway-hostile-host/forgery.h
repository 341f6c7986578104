// An enclave that is none: identity key, keys statement, session statement, and a document of a virtual NSM, each true
// in form. On `local` the host owns the root's key, so with --root it passes every check: that platform protects from
// mistakes, not from its owner. What a client must refuse is every variant in which one thing is not as the policy
// says.
#pragma once

#include <memory>

#include "attestation/binding.h"
#include "attester/virtual_nsm.h"
#include "options.h"

namespace gateway::hostile {

// What the attacker's own side of a TLS session knows.
struct SessionView {
  attestation::Nonce nonce{};
  bool fresh = false;
  ByteArray<32> exporter{};
  crypto::Sha256 server_spki{};
};

class Forger {
 public:
  static Result<std::unique_ptr<Forger>> create(const Options& options, const Clock& clock);

  // Everything of its own.
  Result<Bytes> response(const SessionView& session);
  // Genuine Q and evidence, a session statement of this key's.
  Result<Bytes> sign_session_over(const attestation::AttestationResponse& genuine, const SessionView& session) const;
  // Genuine evidence, everything else of its own.
  Result<Bytes> with_own_keys(const attestation::AttestationResponse& genuine, const SessionView& session) const;

 private:
  Forger(const Options& options, crypto::PrivateKey identity, const attester::LocalRoot& root, const Clock& clock);
  Result<Bytes> document(ByteView q, const attestation::Nonce& nonce);
  Status sign(attestation::AttestationResponse& response, ByteView k, const SessionView& session) const;

  const Mode mode_;
  std::unique_ptr<Clock> clock_;
  crypto::PrivateKey identity_;
  Bytes k_;
  std::unique_ptr<attester::VirtualNsm> nsm_;
};

}  // namespace gateway::hostile
