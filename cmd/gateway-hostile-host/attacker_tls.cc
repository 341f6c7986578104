#include "attacker_tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace gateway::hostile {
namespace {

struct BioFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using UniqueBio = std::unique_ptr<BIO, BioFree>;

UniqueBio reader_of(ByteView bytes) { return UniqueBio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))); }

// Notes a pre_shared_key or early_data extension (RFC 8446 §4.2.10, §4.2.11) in the session's application data.
int inspect_hello(SSL* session, int* /*alert*/, void* /*context*/) {
  const unsigned char* value = nullptr;
  std::size_t size = 0;
  const bool asked = SSL_client_hello_get0_ext(session, TLSEXT_TYPE_psk, &value, &size) == 1 ||
                     SSL_client_hello_get0_ext(session, TLSEXT_TYPE_early_data, &value, &size) == 1;
  if (auto* note = static_cast<bool*>(SSL_get_app_data(session))) *note = asked;
  return SSL_CLIENT_HELLO_SUCCESS;
}

Status use(SSL_CTX* context, const channel::ServerIdentity& identity) {
  GATEWAY_ASSIGN(const Secret key_pem, identity.key.to_pem());
  const UniqueBio key_bio = reader_of(key_pem.reveal());
  const std::string certificate_pem = identity.certificate.to_pem();
  const UniqueBio certificate_bio = reader_of(as_bytes(certificate_pem));
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr);
  X509* const certificate = PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr);
  const bool used = key != nullptr && certificate != nullptr && SSL_CTX_use_certificate(context, certificate) == 1 &&
                    SSL_CTX_use_PrivateKey(context, key) == 1;
  EVP_PKEY_free(key);
  X509_free(certificate);
  if (used) return {};
  return fail(ErrorCode::kInternal, "hostile.tls", "OpenSSL takes no key of ours");
}

}  // namespace

void SslFree::operator()(ssl_st* session) const { SSL_free(session); }
void SslFree::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<TlsServer> TlsServer::create(Time now) {
  GATEWAY_ASSIGN(auto key, crypto::PrivateKey::generate(crypto::KeyType::kP256));
  GATEWAY_ASSIGN(const auto identity, channel::make_server_identity(std::move(key), now, std::nullopt));
  TlsServer server;
  server.context_ = std::shared_ptr<ssl_ctx_st>(SSL_CTX_new(TLS_server_method()), SslFree());
  SSL_CTX* const context = server.context_.get();
  GATEWAY_TRY(use(context, identity));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
  SSL_CTX_set_num_tickets(context, 2);
  SSL_CTX_set_max_early_data(context, 16'384);
  SSL_CTX_set_client_hello_cb(context, inspect_hello, nullptr);
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  server.spki_ = identity.spki_sha256;
  return server;
}

std::optional<TlsPeer> TlsPeer::accept(const TlsServer& server, net::Descriptor socket) {
  TlsPeer peer(std::unique_ptr<ssl_st, SslFree>(SSL_new(server.native())), std::move(socket));
  bool asked = false;
  SSL_set_app_data(peer.session_.get(), &asked);
  SSL_set_fd(peer.session_.get(), peer.socket_.get());
  const bool accepted = SSL_accept(peer.session_.get()) == 1;
  SSL_set_app_data(peer.session_.get(), nullptr);
  if (!accepted) return std::nullopt;
  peer.asked_to_resume_ = asked;
  return peer;
}

std::optional<TlsPeer> TlsPeer::connect(net::Descriptor socket) {
  static SSL_CTX* const context = [] {
    SSL_CTX* made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_clear_mode(made, SSL_MODE_AUTO_RETRY);
    return made;
  }();
  TlsPeer peer(std::unique_ptr<ssl_st, SslFree>(SSL_new(context)), std::move(socket));
  SSL_set_fd(peer.session_.get(), peer.socket_.get());
  if (SSL_connect(peer.session_.get()) != 1) return std::nullopt;
  return peer;
}

TlsPeer::Read TlsPeer::read(std::span<std::uint8_t> into) {
  std::size_t count = 0;
  const int result = SSL_read_ex(session_.get(), into.data(), into.size(), &count);
  if (result == 1) return {Outcome::kBytes, count};
  const bool again = SSL_get_error(session_.get(), result) == SSL_ERROR_WANT_READ;
  return {again ? Outcome::kAgain : Outcome::kEnded, 0};
}

bool TlsPeer::write(ByteView bytes) {
  std::size_t count = 0;
  return bytes.empty() || SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &count) == 1;
}

bool TlsPeer::pending() const { return SSL_pending(session_.get()) > 0; }
void TlsPeer::close_in_order() { SSL_shutdown(session_.get()); }
bool TlsPeer::resumed() const { return SSL_session_reused(session_.get()) == 1; }

ByteArray<32> TlsPeer::exporter(const attestation::Nonce& nonce) const {
  ByteArray<32> out{};
  SSL_export_keying_material(session_.get(), out.data(), out.size(), attestation::kExporterLabel.data(),
                             attestation::kExporterLabel.size(), nonce.data(), nonce.size(), 1);
  return out;
}

}  // namespace gateway::hostile
