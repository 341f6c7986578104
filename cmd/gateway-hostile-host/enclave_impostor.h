// Plays the enclave on one connection: its own TLS, an attestation endpoint whose answers a mode makes up, and a
// friendly 200 for everything else, so that whoever trusts it loses a prompt that a test can find.
#pragma once

#include <functional>

#include "attacker_tls.h"
#include "forgery.h"
#include "sightings.h"

namespace gateway::hostile {

using MakeResponse = std::function<Result<Bytes>(const SessionView& session)>;

void play_enclave(TlsPeer peer, const TlsServer& server, const MakeResponse& make_response, Sightings& sightings);

// What a genuine enclave answers to this nonce, on a TLS connection of the attacker's own.
class EnclaveConnection {
 public:
  static Result<EnclaveConnection> open(const std::string& host_port);
  Result<Bytes> ask(const attestation::Nonce& nonce, bool fresh);  // the response's exact bytes

 private:
  explicit EnclaveConnection(TlsPeer peer) : peer_(std::move(peer)) {}
  TlsPeer peer_;
};

}  // namespace gateway::hostile
