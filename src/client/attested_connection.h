// One TLS connection that carries nothing but attestation until everything about it verified.
//
// A state machine without waiting: whoever owns it (the blocking client with poll, the proxy with net::Loop) calls
// advance() whenever the socket is ready. The stream is reachable only after advance() said kDone.
//
// Errors: those of tls.*, net.*, client.attestation.*, and the first refusal of the judgement (client/verifier.h)
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "channel/tls.h"
#include "client/attestation_reply.h"
#include "client/verifier.h"

namespace gateway::client {

class AttestedConnection {
 public:
  // Takes a socket whose connect may still be under way. The verifier is borrowed.
  static Result<std::unique_ptr<AttestedConnection>> start(const channel::TlsContext& context, net::Descriptor socket,
                                                           Verifier& verifier, std::string host);
  AttestedConnection(const AttestedConnection&) = delete;
  AttestedConnection& operator=(const AttestedConnection&) = delete;

  // kDone: verified. kWantRead, kWantWrite: call again when the socket is. An error is final: destroy the object.
  Result<channel::Progress> advance();
  // On a verified, idle connection: asks for evidence again, because K has aged. Then advance() until kDone.
  void renew();

  bool verified() const { return session_.has_value(); }
  // Whether a new request may still be sent: the session's K has not aged.
  bool trusted() const;
  // What was judged, as far as it came; absent when the endpoint never answered.
  const std::optional<attestation::Verification>& verification() const { return verification_; }
  const Session& session() const { return *session_; }
  // Only after verification; anything else stops the process.
  channel::TlsStream& stream();
  int descriptor() const { return stream_.descriptor(); }
  const std::string& host() const { return host_; }

 private:
  enum class State : std::uint8_t { kConnecting, kHandshake, kSending, kReceiving, kVerified };
  AttestedConnection(channel::TlsStream stream, Verifier& verifier, std::string host);
  void ask(Challenge challenge);
  Result<std::optional<channel::Progress>> send();
  Result<std::optional<channel::Progress>> receive();
  Status judge(ByteView body);

  channel::TlsStream stream_;
  Verifier& verifier_;
  std::string host_;
  State state_ = State::kConnecting;
  Challenge challenge_;
  std::string request_;
  std::size_t sent_ = 0;
  AttestationReply reply_;
  std::optional<attestation::Verification> verification_;
  std::optional<Session> session_;
};

}  // namespace gateway::client
