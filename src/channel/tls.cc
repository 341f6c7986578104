#include "channel/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "channel/socket_bio.h"
#include "channel/tls_impl.h"

namespace gateway::channel {
namespace {

// AES-128 first: a little cheaper than AES-256, and the hash of the key schedule is shorter.
constexpr const char* kCipherSuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "P-256:X25519";
// Reads from the socket within one operation: enough for a record in pieces, but a peer that sends nothing but key
// updates must not keep one operation busy for ever. When they are used up the operation wants to read, and epoll
// says at once that it can.
constexpr int kMaxReads = 8;

// OpenSSL's own words for the newest error; static text, nothing of the peer's. Empties the queue.
std::string take_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string out = reason == nullptr ? "the peer left" : reason;
  ERR_clear_error();
  return out;
}

std::unexpected<Error> setup_failed(const char* what) {
  return fail(ErrorCode::kInternal, "tls.setup", std::string(what) + ": " + take_reason());
}

// What both sides share.
Result<UniqueContext> make_context(const SSL_METHOD* method) {
  UniqueContext context(SSL_CTX_new(method));
  if (!context) return setup_failed("no TLS context");
  SSL_CTX* ctx = context.get();
  if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 || SSL_CTX_set_ciphersuites(ctx, kCipherSuites) != 1 ||
      SSL_CTX_set1_groups_list(ctx, kGroups) != 1) {
    return setup_failed("TLS 1.3 cannot be set up");
  }
  SSL_CTX_set_options(
      ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  return context;
}

// The server must show a certificate for this name, or for this address.
bool expect_name(SSL* ssl, const std::string& name, bool address) {
  if (name.empty()) return false;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (address) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
  return SSL_set1_host(ssl, name.c_str()) == 1;
}

bool is_address_literal(const std::string& name) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, name.c_str(), &ignored) == 1 || ::inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
}

}  // namespace

struct TlsStream::Impl {
  net::Descriptor socket;
  SocketEnd end;  // of the socket; outlives `ssl`, which points to it
  UniqueSsl ssl;
  bool established = false;
};

Result<TlsContext> TlsContext::server(const crypto::Certificate& certificate, const crypto::PrivateKey& key,
                                      std::size_t padding) {
  GATEWAY_ASSIGN(UniqueContext context, make_context(TLS_server_method()));
  SSL_CTX* ctx = context.get();
  GATEWAY_ASSIGN(const Secret pem, key.to_pem());
  const std::unique_ptr<BIO, Freer<BIO_free_all>> source(
      BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
  const std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>> native(
      source ? PEM_read_bio_PrivateKey(source.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!native || SSL_CTX_use_certificate(ctx, certificate.native()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, native.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
    return setup_failed("the certificate and its key cannot be used together");
  }
  // One ticket, the name of a session that nobody keeps: it cannot be accepted, and it carries the acknowledgement
  // that a client without TCP_NODELAY waits for 40 ms before its first request, over whatever forwards the bytes.
  if (SSL_CTX_set_num_tickets(ctx, 1) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1) {
    return setup_failed("session tickets cannot be set up");
  }
  if (SSL_CTX_set_block_padding(ctx, padding) != 1) return setup_failed("records cannot be padded so far");
  return TlsContext(std::make_shared<const Impl>(Impl{.context = std::move(context)}));
}

Result<TlsContext> TlsContext::client() {
  GATEWAY_ASSIGN(UniqueContext context, make_context(TLS_client_method()));
  return TlsContext(std::make_shared<const Impl>(Impl{.context = std::move(context)}));
}

TlsStream::TlsStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsStream::TlsStream(TlsStream&&) noexcept = default;
TlsStream& TlsStream::operator=(TlsStream&&) noexcept = default;
TlsStream::~TlsStream() = default;

namespace {

enum class Operation : std::uint8_t { kHandshake, kRead, kWrite, kShutDown };

std::unexpected<Error> broken_off(Operation operation) {
  switch (operation) {
    case Operation::kRead:
      return fail(ErrorCode::kNotAuthentic, "tls.truncated",
                  "the peer ended the connection without saying that its data was complete");
    case Operation::kHandshake:
      return fail(ErrorCode::kUnavailable, "tls.closed", "the peer closed the connection during the TLS handshake");
    case Operation::kWrite:
    case Operation::kShutDown: break;
  }
  return fail(ErrorCode::kUnavailable, "tls.closed", "the peer closed the connection");
}

// After an operation that did not succeed.
Result<Progress> explain(const SSL* ssl, int returned, Operation operation) {
  switch (SSL_get_error(ssl, returned)) {
    case SSL_ERROR_WANT_READ: return Progress::kWantRead;
    case SSL_ERROR_WANT_WRITE: return Progress::kWantWrite;
    case SSL_ERROR_ZERO_RETURN: return Progress::kClosedInOrder;
    case SSL_ERROR_SYSCALL: ERR_clear_error(); return broken_off(operation);
    default: break;
  }
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    ERR_clear_error();
    return broken_off(operation);
  }
  std::string reason = take_reason();
  const long verdict = SSL_get_verify_result(ssl);
  if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verdict != X509_V_OK) {
    reason.append(": ").append(X509_verify_cert_error_string(verdict));
  }
  if (operation == Operation::kHandshake) {
    return fail(ErrorCode::kNotAuthentic, "tls.handshake", "the TLS handshake failed: " + reason,
                "check that an enclave of Gateway answers at this address and port");
  }
  return fail(ErrorCode::kNotAuthentic, "tls.record", "a TLS record was refused: " + reason);
}

// SSL_get_error looks at the thread's queue: nothing of an earlier failure, here or in crypto, may stand in it.
void forget_old_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace

Result<std::unique_ptr<TlsStream::Impl>> TlsStream::make(const TlsContext& context, net::Descriptor socket) {
  auto impl = std::make_unique<Impl>();
  impl->socket = std::move(socket);
  impl->end.file_descriptor = impl->socket.get();
  impl->ssl.reset(SSL_new(context.impl().context.get()));
  BIO* bio = impl->ssl ? make_socket_bio(impl->end) : nullptr;
  if (bio == nullptr) return setup_failed("no memory for a TLS connection");
  SSL_set_bio(impl->ssl.get(), bio, bio);
  return impl;
}

Result<TlsStream> TlsStream::accept(const TlsContext& context, net::Descriptor socket) {
  GATEWAY_ASSIGN(std::unique_ptr<Impl> impl, make(context, std::move(socket)));
  SSL_set_accept_state(impl->ssl.get());
  return TlsStream(std::move(impl));
}

Result<TlsStream> TlsStream::connect(const TlsContext& context, net::Descriptor socket, std::string_view server_name) {
  GATEWAY_ASSIGN(std::unique_ptr<Impl> impl, make(context, std::move(socket)));
  const std::string name(server_name);
  const bool address = is_address_literal(name);
  if (!name.empty() && !address && SSL_set_tlsext_host_name(impl->ssl.get(), name.c_str()) != 1) {
    return setup_failed("the server's name cannot be used");
  }
  if (context.impl().names_are_proven && !expect_name(impl->ssl.get(), name, address)) {
    return setup_failed("the server's name cannot be checked");
  }
  if (const Clock* const clock = context.impl().clock) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock->now().time_since_epoch()).count();
    X509_VERIFY_PARAM_set_time(SSL_get0_param(impl->ssl.get()), static_cast<std::time_t>(seconds));
  }
  SSL_set_connect_state(impl->ssl.get());
  return TlsStream(std::move(impl));
}

Result<Progress> TlsStream::handshake() {
  if (impl_->established) return Progress::kDone;
  forget_old_errors();
  impl_->end.reads_left = kMaxReads;
  const int returned = SSL_do_handshake(impl_->ssl.get());
  if (returned == 1) {
    impl_->established = true;
    return Progress::kDone;
  }
  auto progress = explain(impl_->ssl.get(), returned, Operation::kHandshake);
  if (progress && *progress == Progress::kClosedInOrder) return broken_off(Operation::kHandshake);
  return progress;
}

Result<TransferResult> TlsStream::read(std::span<std::uint8_t> into) {
  forget_old_errors();
  impl_->end.reads_left = kMaxReads;
  std::size_t got = 0;
  const int returned = SSL_read_ex(impl_->ssl.get(), into.data(), into.size(), &got);
  if (returned == 1) return TransferResult{Progress::kDone, got};
  GATEWAY_ASSIGN(const Progress progress, explain(impl_->ssl.get(), returned, Operation::kRead));
  return TransferResult{progress, 0};
}

Result<TransferResult> TlsStream::write(ByteView from) {
  if (from.empty()) return TransferResult{Progress::kDone, 0};
  forget_old_errors();
  std::size_t sent = 0;
  const int returned = SSL_write_ex(impl_->ssl.get(), from.data(), from.size(), &sent);
  if (returned == 1) return TransferResult{Progress::kDone, sent};
  GATEWAY_ASSIGN(const Progress progress, explain(impl_->ssl.get(), returned, Operation::kWrite));
  return TransferResult{progress, 0};
}

bool TlsStream::pending() const { return SSL_has_pending(impl_->ssl.get()) == 1; }

Result<Progress> TlsStream::shut_down() {
  forget_old_errors();
  const int returned = SSL_shutdown(impl_->ssl.get());
  if (returned >= 0) return Progress::kDone;
  return explain(impl_->ssl.get(), returned, Operation::kShutDown);
}

int TlsStream::descriptor() const { return impl_->socket.get(); }

bool TlsStream::resumed() const { return SSL_session_reused(impl_->ssl.get()) == 1; }

Result<ByteArray<32>> TlsStream::exporter(const attestation::Nonce& nonce) const {
  ByteArray<32> out{};
  const std::string_view label = attestation::kExporterLabel;
  if (!impl_->established || SSL_export_keying_material(impl_->ssl.get(), out.data(), out.size(), label.data(),
                                                        label.size(), nonce.data(), nonce.size(), 1) != 1) {
    return setup_failed("the TLS session exports nothing before its handshake is done");
  }
  return out;
}

Result<Bytes> TlsStream::peer_certificate_der() const {
  const std::unique_ptr<X509, Freer<X509_free>> certificate(SSL_get1_peer_certificate(impl_->ssl.get()));
  unsigned char* der = nullptr;
  const int size = certificate ? i2d_X509(certificate.get(), &der) : -1;
  if (size <= 0) return fail(ErrorCode::kNotAuthentic, "tls.handshake", "the peer showed no certificate");
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

Result<crypto::Sha256> TlsStream::peer_spki_sha256() const {
  const std::unique_ptr<X509, Freer<X509_free>> certificate(SSL_get1_peer_certificate(impl_->ssl.get()));
  unsigned char* der = nullptr;
  const int size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &der) : -1;
  if (size <= 0) return fail(ErrorCode::kNotAuthentic, "tls.handshake", "the peer showed no certificate");
  const crypto::Sha256 digest = crypto::sha256(ByteView(der, static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return digest;
}

}  // namespace gateway::channel
