// TLS 1.3 for attested sessions, on non-blocking sockets.
//
// TLS 1.3 only; no ticket is ever accepted, no PSK, no early data, no renegotiation, no compression: nothing resumes
// past a policy (docs/trust.md §1). kTLS stays off: keys never leave this process. The client side checks no web PKI:
// identity comes from evidence, through attestation/binding.h. The one exception is web_client(), for services of the
// web that have no evidence and whose answers are judged by their own signatures.
//
// Input:  untrusted, from peers.
// Bounds: OpenSSL's own for handshakes; records of at most 16 KiB.
// Spec:   RFC 8446; exporters §7.5.
// Errors: kNotAuthentic tls.handshake, tls.record, tls.truncated (the stream ended without close_notify: what was read
//         may be cut short); kUnavailable tls.closed; kInternal tls.setup
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "attestation/binding.h"
#include "crypto/keys.h"
#include "crypto/x509.h"
#include "net/descriptor.h"

namespace gateway::channel {

// What a TLS operation wants before it can go on.
enum class Progress : std::uint8_t { kDone, kWantRead, kWantWrite, kClosedInOrder };

struct TransferResult {
  Progress progress{};
  std::size_t bytes = 0;
};

// Shared by the streams that are made from it; copies are cheap.
class TlsContext {
 public:
  // A server with one certificate. Its records are padded to multiples of `padding` bytes (RFC 8446 §5.4), so that
  // their lengths say little of what is in them; 0: as they come, at most 16,384.
  static Result<TlsContext> server(const crypto::Certificate& certificate, const crypto::PrivateKey& key,
                                   std::size_t padding = 0);
  // A client that accepts any certificate, because evidence decides.
  static Result<TlsContext> client();
  // A client of the web: TLS 1.2 or 1.3, a chain to one of the system's roots or of these, and the name that connect()
  // was given. For fetching what is public and signed; never for a session that carries a secret.
  static Result<TlsContext> web_client(std::span<const crypto::Certificate> further_roots = {});
  // An enclave's client of a service that has no evidence: as web_client, but with these roots alone and no other time
  // than the clock's, which outlives the context. Both are measured or attested; neither is the host's.
  static Result<TlsContext> service_client(std::span<const crypto::Certificate> roots, const Clock& clock);
  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  static Result<std::shared_ptr<Impl>> make_web(std::span<const crypto::Certificate> roots);
  explicit TlsContext(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// One TLS connection over a descriptor that it owns. Never blocks; the descriptor must be non-blocking. Destroying it
// sends nothing: without shut_down() the peer sees a truncated stream. After an error only destruction is left.
class TlsStream {
 public:
  static Result<TlsStream> accept(const TlsContext& context, net::Descriptor socket);
  // `server_name` goes into SNI unless it is empty or an address literal. A web client's server must prove it.
  static Result<TlsStream> connect(const TlsContext& context, net::Descriptor socket, std::string_view server_name);
  TlsStream(TlsStream&&) noexcept;
  TlsStream& operator=(TlsStream&&) noexcept;
  ~TlsStream();

  Result<Progress> handshake();  // call until kDone
  // kDone with at least one byte, kClosedInOrder after the peer's close_notify, or what to wait for.
  Result<TransferResult> read(std::span<std::uint8_t> into);
  // May take less than all (kDone); after kWantWrite, offer at least the same bytes again, at any address.
  Result<TransferResult> write(ByteView from);
  bool pending() const;          // decrypted or buffered bytes that epoll cannot see: read again before waiting
  Result<Progress> shut_down();  // sends close_notify; does not wait for the peer's
  int descriptor() const;

  Result<ByteArray<32>> exporter(const attestation::Nonce& nonce) const;  // X of docs/trust.md §1
  Result<crypto::Sha256> peer_spki_sha256() const;                        // client: of the server's leaf
  Result<Bytes> peer_certificate_der() const;
  bool resumed() const;  // always false: there is nothing to resume; for tests

 private:
  struct Impl;
  explicit TlsStream(std::unique_ptr<Impl> impl);
  static Result<std::unique_ptr<Impl>> make(const TlsContext& context, net::Descriptor socket);
  std::unique_ptr<Impl> impl_;
};

// The server's ephemeral certificate: self-signed P-256, with the interoperable RA-TLS extension (OID 2.23.133.5.4.9)
// when evidence is given. For other people's clients; it never satisfies a Gateway policy.
struct ServerIdentity {
  crypto::PrivateKey key;
  crypto::Certificate certificate;
  crypto::Sha256 spki_sha256{};
};
Result<ServerIdentity> make_server_identity(crypto::PrivateKey key, Time now, std::optional<ByteView> ra_tls_extension);
// claims = {"pubkey-hash": bstr([alg-id 1, SHA-256(SPKI)])}; report_data = SHA-256(claims) ‖ 32 zero bytes.
struct RaTlsClaims {
  Bytes claims;
  ByteArray<64> report_data{};
};
RaTlsClaims make_ra_tls_claims(const crypto::PublicKey& tls_key);
// CBOR tag 60000 [quote, claims].
Bytes encode_ra_tls_extension(ByteView evidence, ByteView claims);

}  // namespace gateway::channel
