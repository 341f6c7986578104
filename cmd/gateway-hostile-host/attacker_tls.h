// TLS as an attacker wants it: blocking, session tickets offered on every connection, early data allowed, and an eye on
// whether the client asks to resume. gateway_channel has none of these switches, so this is OpenSSL itself.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "channel/tls.h"
#include "net/descriptor.h"

struct ssl_st;
struct ssl_ctx_st;

namespace gateway::hostile {

struct SslFree {
  void operator()(ssl_st* session) const;
  void operator()(ssl_ctx_st* context) const;
};

// Shared by all connections: one key and certificate of the attacker's own, and OpenSSL's ticket keys.
class TlsServer {
 public:
  static Result<TlsServer> create(Time now);
  ssl_ctx_st* native() const { return context_.get(); }
  const crypto::Sha256& spki_sha256() const { return spki_; }

 private:
  std::shared_ptr<ssl_ctx_st> context_;
  crypto::Sha256 spki_{};
};

class TlsPeer {
 public:
  static std::optional<TlsPeer> accept(const TlsServer& server, net::Descriptor socket);
  static std::optional<TlsPeer> connect(net::Descriptor socket);

  enum class Outcome : std::uint8_t { kBytes, kAgain, kEnded };
  struct Read {
    Outcome outcome = Outcome::kEnded;
    std::size_t bytes = 0;
  };
  Read read(std::span<std::uint8_t> into);  // kAgain: a record without payload
  bool write(ByteView bytes);
  bool pending() const;
  void close_in_order();
  int descriptor() const { return socket_.get(); }
  ByteArray<32> exporter(const attestation::Nonce& nonce) const;
  // What the client's hello asked for; of accepted connections.
  bool asked_to_resume() const { return asked_to_resume_; }
  bool resumed() const;

 private:
  TlsPeer(std::unique_ptr<ssl_st, SslFree> session, net::Descriptor socket)
      : socket_(std::move(socket)), session_(std::move(session)) {}
  net::Descriptor socket_;
  std::unique_ptr<ssl_st, SslFree> session_;
  bool asked_to_resume_ = false;
};

}  // namespace gateway::hostile
