#include "modes.h"

#include <array>

#include "crypto/random.h"
#include "enclave_impostor.h"
#include "relay.h"

namespace gateway::hostile {
namespace {

using attestation::AttestationResponse;

Result<AttestationResponse> genuine_response(const std::string& upstream, const SessionView& session) {
  GATEWAY_ASSIGN(auto enclave, EnclaveConnection::open(upstream));
  GATEWAY_ASSIGN(const Bytes body, enclave.ask(session.nonce, session.fresh));
  return attestation::parse_response(body);
}

// What was said once, to everybody.
Result<MakeResponse> replay(const Options& options) {
  GATEWAY_ASSIGN(auto enclave, EnclaveConnection::open(options.upstream));
  GATEWAY_ASSIGN(const Bytes recorded, enclave.ask(crypto::random_array<32>(), true));
  return [recorded](const SessionView&) -> Result<Bytes> { return recorded; };
}

// The evidence that is at hand, whatever the caller asked for.
MakeResponse stale_quote(const Options& options) {
  return [&options](SessionView session) -> Result<Bytes> {
    session.fresh = false;
    GATEWAY_ASSIGN(const auto response, genuine_response(options.upstream, session));
    return attestation::encode_response(response);
  };
}

// Q has the caller's nonce; S answers one that was never this caller's.
MakeResponse stale_nonce(const Options& options) {
  return [&options, old = crypto::random_array<32>()](const SessionView& session) -> Result<Bytes> {
    GATEWAY_ASSIGN(auto enclave, EnclaveConnection::open(options.upstream));
    GATEWAY_TRY(enclave.ask(session.nonce, session.fresh));
    return enclave.ask(old, false);
  };
}

MakeResponse other_evidence(const Options& options) {
  return [&options](const SessionView& session) -> Result<Bytes> {
    GATEWAY_ASSIGN(AttestationResponse response, genuine_response(options.other, session));
    GATEWAY_ASSIGN(const AttestationResponse upstream, genuine_response(options.upstream, session));
    response.s = upstream.s;
    response.signature = upstream.signature;
    return attestation::encode_response(response);
  };
}

MakeResponse with_forger(const Options& options, const std::shared_ptr<Forger>& forger) {
  switch (options.mode) {
    case Mode::kForgeSession:
      return [&options, forger](const SessionView& session) -> Result<Bytes> {
        GATEWAY_ASSIGN(const auto genuine, genuine_response(options.upstream, session));
        return forger->sign_session_over(genuine, session);
      };
    case Mode::kSwapKeys:
      return [&options, forger](const SessionView& session) -> Result<Bytes> {
        GATEWAY_ASSIGN(const auto genuine, genuine_response(options.upstream, session));
        return forger->with_own_keys(genuine, session);
      };
    default: return [forger](const SessionView& session) { return forger->response(session); };
  }
}

Result<MakeResponse> response_maker(const Options& options, const Clock& clock) {
  switch (options.mode) {
    case Mode::kReplay: return replay(options);
    case Mode::kStaleQuote: return stale_quote(options);
    case Mode::kStaleNonce: return stale_nonce(options);
    case Mode::kOtherEvidence: return other_evidence(options);
    default: break;
  }
  GATEWAY_ASSIGN(std::unique_ptr<Forger> forger, Forger::create(options, clock));
  return with_forger(options, std::move(forger));
}

void copy_once(TlsPeer& from, TlsPeer& to, Sightings& sightings, bool& open) {
  std::array<std::uint8_t, 16'384> chunk{};
  do {
    const auto read = from.read(chunk);
    if (read.outcome == TlsPeer::Outcome::kAgain) return;
    open = read.outcome == TlsPeer::Outcome::kBytes;
    if (!open) return to.close_in_order();
    const ByteView bytes = ByteView(chunk).first(read.bytes);
    sightings.plaintext(bytes);
    open = to.write(bytes);
  } while (open && from.pending());
}

// Both directions in plain sight.
void sit_in_the_middle(TlsPeer client, const std::string& upstream, Sightings& sightings) {
  auto socket = dial(upstream);
  if (!socket) return;
  auto enclave = TlsPeer::connect(std::move(*socket));
  if (!enclave) return;
  bool open = true;
  while (open) {
    const auto ready = wait_for_either(client.descriptor(), enclave->descriptor());
    if (!ready.first && !ready.second) return;
    if (ready.first) copy_once(client, *enclave, sightings, open);
    if (open && ready.second) copy_once(*enclave, client, sightings, open);
  }
}

class Attacker {
 public:
  Attacker(const Options& options, TlsServer server, MakeResponse make_response)
      : options_(options),
        server_(std::move(server)),
        make_response_(std::move(make_response)),
        sightings_(options.seen) {}

  Status run() {
    return serve_for_ever(
        options_.listen, [this](const std::string& where) { sightings_.say("listening on " + where); },
        [this](net::Descriptor socket, unsigned number) { meet(std::move(socket), number); });
  }

 private:
  void meet(net::Descriptor socket, unsigned number) {
    const std::string connection = "connection " + std::to_string(number);
    if (number < options_.honest || options_.mode == Mode::kTruncate) {
      return pass_on(std::move(socket), connection, number < options_.honest);
    }
    auto peer = TlsPeer::accept(server_, std::move(socket));
    if (!peer) return sightings_.say(connection + " broke off its handshake");
    sightings_.say(connection + (peer->asked_to_resume() ? " asks to resume a session" : " is a session of its own"));
    if (options_.mode == Mode::kMitm) return sit_in_the_middle(std::move(*peer), options_.upstream, sightings_);
    play_enclave(std::move(*peer), server_, make_response_, sightings_);
  }

  void pass_on(net::Descriptor socket, const std::string& connection, bool honest) {
    auto upstream = dial(options_.upstream);
    if (!upstream) return;
    sightings_.say(connection + " is relayed");
    std::optional<Cut> cut;
    if (!honest) cut = Cut{.after = options_.cut_after, .with = options_.cut_with, .at = options_.cut_at};
    if (relay(std::move(socket), std::move(*upstream), cut)) sightings_.say(connection + " was cut");
  }

  const Options& options_;
  TlsServer server_;
  MakeResponse make_response_;
  Sightings sightings_;
};

}  // namespace

Status attack(const Options& options, const Clock& clock) {
  GATEWAY_ASSIGN(TlsServer server, TlsServer::create(clock.now()));
  MakeResponse make_response;
  if (options.mode != Mode::kMitm && options.mode != Mode::kTruncate) {
    GATEWAY_ASSIGN(make_response, response_maker(options, clock));
  }
  return Attacker(options, std::move(server), std::move(make_response)).run();
}

}  // namespace gateway::hostile
