#include "enclave_impostor.h"

#include <algorithm>
#include <array>

#include "client/attestation_reply.h"
#include "net/http.h"
#include "sockets.h"

namespace gateway::hostile {
namespace {

struct AskedFor {
  std::string method;
  std::string target;
};

// Reads whole requests off one connection, and notes all of their plaintext.
class RequestReader {
 public:
  RequestReader(TlsPeer& peer, Sightings& sightings) : peer_(peer), sightings_(sightings) {}

  // nullopt: the client left, or sent no HTTP.
  std::optional<AskedFor> next() {
    net::HttpHead head;
    std::optional<std::size_t> size;
    while (!size) {
      const auto parsed =
          net::parse_request_head(buffer_, {.max_head = 65'536, .max_headers = 256, .max_target = 16'384}, head);
      if (!parsed || (!*parsed && !fill())) return std::nullopt;
      size = *parsed;
    }
    AskedFor asked{std::string(head.method), std::string(head.target)};
    net::BodyTracker body(head.framing, head.content_length);
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(*size));
    while (!body.whole()) {
      const auto piece = body.next(buffer_);
      if (!piece) return std::nullopt;
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(piece->wire));
      if (!piece->done && piece->wire == 0 && !fill()) return std::nullopt;
    }
    return asked;
  }

 private:
  bool fill() {
    std::array<std::uint8_t, 16'384> chunk{};
    TlsPeer::Read read;
    do {
      read = peer_.read(chunk);
    } while (read.outcome == TlsPeer::Outcome::kAgain);
    if (read.outcome != TlsPeer::Outcome::kBytes) return false;
    const ByteView bytes = ByteView(chunk).first(read.bytes);
    sightings_.plaintext(bytes);
    append(buffer_, bytes);
    return true;
  }
  TlsPeer& peer_;
  Sightings& sightings_;
  Bytes buffer_;
};

std::optional<SessionView> attestation_query(const std::string& target) {
  const std::string prefix = std::string(attestation::kAttestationPath) + "?nonce=";
  if (!target.starts_with(prefix)) return std::nullopt;
  const auto nonce = from_hex(target.substr(prefix.size(), 64));
  if (!nonce || nonce->size() != 32) return std::nullopt;
  SessionView session;
  std::ranges::copy(*nonce, session.nonce.begin());
  session.fresh = target.find("&fresh=1") != std::string::npos;
  return session;
}

Bytes http_answer(std::string_view type, ByteView body, std::string_view lines) {
  Bytes answer = to_bytes("HTTP/1.1 200 OK\r\nContent-Type: " + std::string(type) +
                          "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(lines) + "\r\n");
  append(answer, body);
  return answer;
}

}  // namespace

void play_enclave(TlsPeer peer, const TlsServer& server, const MakeResponse& make_response, Sightings& sightings) {
  RequestReader requests(peer, sightings);
  while (const auto asked = requests.next()) {
    sightings.request(asked->method, asked->target.substr(0, asked->target.find('?')));
    auto session = attestation_query(asked->target);
    if (!session) {
      // Closes, so that the next request needs a connection of its own: a chance to resume.
      peer.write(http_answer("text/plain", as_bytes("the attacker says hello\n"), "Connection: close\r\n"));
      return peer.close_in_order();
    }
    session->exporter = peer.exporter(session->nonce);
    session->server_spki = server.spki_sha256();
    const auto response = make_response(*session);
    if (!response) {
      sightings.say("cannot answer: " + response.error().message());
      return;
    }
    if (!peer.write(http_answer(attestation::kAttestationMediaType, *response, ""))) return;
  }
}

Result<EnclaveConnection> EnclaveConnection::open(const std::string& host_port) {
  GATEWAY_ASSIGN(net::Descriptor socket, dial(host_port));
  auto peer = TlsPeer::connect(std::move(socket));
  if (!peer) return fail(ErrorCode::kUnavailable, "hostile.upstream", "no TLS session with " + host_port);
  return EnclaveConnection(std::move(*peer));
}

Result<Bytes> EnclaveConnection::ask(const attestation::Nonce& nonce, bool fresh) {
  const auto lost = [] {
    return fail(ErrorCode::kUnavailable, "hostile.upstream", "the genuine enclave does not answer");
  };
  if (!peer_.write(as_bytes(client::attestation_request("enclave", nonce, fresh)))) return lost();
  client::AttestationReply reply;
  std::array<std::uint8_t, 16'384> chunk{};
  while (true) {
    const auto read = peer_.read(chunk);
    if (read.outcome == TlsPeer::Outcome::kAgain) continue;
    if (read.outcome == TlsPeer::Outcome::kEnded) return lost();
    GATEWAY_ASSIGN(auto body, reply.feed(ByteView(chunk).first(read.bytes)));
    if (body) return std::move(*body);
  }
}

}  // namespace gateway::hostile
