#include "client/attested_connection.h"

#include <array>
#include <cstdlib>

#include "net/address.h"

namespace gateway::client {

using channel::Progress;

Result<std::unique_ptr<AttestedConnection>> AttestedConnection::start(const channel::TlsContext& context,
                                                                      net::Descriptor socket, Verifier& verifier,
                                                                      std::string host) {
  net::set_no_delay(socket.get());
  // No server name: the certificate proves nothing here, and the name would tell the network whom this is for.
  GATEWAY_ASSIGN(auto stream, channel::TlsStream::connect(context, std::move(socket), {}));
  return std::unique_ptr<AttestedConnection>(new AttestedConnection(std::move(stream), verifier, std::move(host)));
}

AttestedConnection::AttestedConnection(channel::TlsStream stream, Verifier& verifier, std::string host)
    : stream_(std::move(stream)), verifier_(verifier), host_(std::move(host)) {}

channel::TlsStream& AttestedConnection::stream() {
  if (!session_ || state_ != State::kVerified) std::abort();  // a byte sent here would go to somebody unknown
  return stream_;
}

bool AttestedConnection::trusted() const { return session_ && verifier_.trusted(session_->keys->digest) != nullptr; }

void AttestedConnection::ask(Challenge challenge) {
  challenge_ = challenge;
  request_ = attestation_request(host_, challenge_.nonce, challenge_.fresh);
  sent_ = 0;
  reply_ = AttestationReply();
  state_ = State::kSending;
}

void AttestedConnection::renew() {
  session_.reset();
  ask(verifier_.fresh_challenge());
}

Result<std::optional<Progress>> AttestedConnection::send() {
  while (sent_ < request_.size()) {
    GATEWAY_ASSIGN(const auto result, stream_.write(as_bytes(std::string_view(request_).substr(sent_))));
    sent_ += result.bytes;
    if (result.progress == Progress::kClosedInOrder) return reply_.closed();
    if (result.progress != Progress::kDone) return result.progress;
  }
  state_ = State::kReceiving;
  return std::nullopt;
}

Result<std::optional<Progress>> AttestedConnection::receive() {
  std::array<std::uint8_t, 16UZ * 1024> scratch;
  GATEWAY_ASSIGN(const auto result, stream_.read(scratch));
  if (result.bytes > 0) {
    GATEWAY_ASSIGN(const auto body, reply_.feed(ByteView(scratch).first(result.bytes)));
    if (body) {
      GATEWAY_TRY(judge(*body));
      return std::nullopt;
    }
  }
  if (result.progress == Progress::kClosedInOrder) return reply_.closed();
  if (result.progress != Progress::kDone) return result.progress;
  return std::nullopt;
}

Status AttestedConnection::judge(ByteView body) {
  Channel channel;
  GATEWAY_ASSIGN(channel.exporter, stream_.exporter(challenge_.nonce));
  GATEWAY_ASSIGN(channel.server_spki, stream_.peer_spki_sha256());
  Judgement judgement = verifier_.judge(challenge_, body, channel);
  if (judgement.ask_fresh) {
    ask(verifier_.fresh_challenge());
    return {};
  }
  verification_ = std::move(judgement.verification);
  if (!judgement.session) {
    if (verification_->reason) return std::unexpected(*verification_->reason);
    return fail(ErrorCode::kInternal, "client.verdict", "the judgement gave neither a session nor a reason");
  }
  session_ = std::move(judgement.session);
  state_ = State::kVerified;
  return {};
}

Result<Progress> AttestedConnection::advance() {
  for (;;) {
    switch (state_) {
      case State::kConnecting:
        GATEWAY_TRY(net::take_socket_error(stream_.descriptor()));
        state_ = State::kHandshake;
        break;
      case State::kHandshake: {
        GATEWAY_ASSIGN(const Progress progress, stream_.handshake());
        if (progress == Progress::kClosedInOrder) return reply_.closed();
        if (progress != Progress::kDone) return progress;
        ask(verifier_.challenge());
        break;
      }
      case State::kSending: {
        GATEWAY_ASSIGN(const auto wait, send());
        if (wait) return *wait;
        break;
      }
      case State::kReceiving: {
        GATEWAY_ASSIGN(const auto wait, receive());
        if (wait) return *wait;
        break;
      }
      case State::kVerified: return Progress::kDone;
    }
  }
}

}  // namespace gateway::client
