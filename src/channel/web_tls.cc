// The client of the web, apart from tls.cc: no program links it that does not fetch.
#include <openssl/err.h>

#include "channel/tls_impl.h"

namespace gateway::channel {
namespace {

constexpr const char* kCipherList = "ECDHE+AESGCM:ECDHE+CHACHA20";  // TLS 1.2: forward secrecy and AEAD alone
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr int kMaxDepth = 8;

std::unexpected<Error> setup_failed(const char* what) {
  ERR_clear_error();
  return fail(ErrorCode::kInternal, "tls.setup", what);
}

}  // namespace

Result<std::shared_ptr<TlsContext::Impl>> TlsContext::make_web(std::span<const crypto::Certificate> roots) {
  UniqueContext context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const ctx = context.get();
  if (!context || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(ctx, kCipherList) != 1 || SSL_CTX_set1_groups_list(ctx, kGroups) != 1) {
    return setup_failed("TLS for the web cannot be set up");
  }
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_verify_depth(ctx, kMaxDepth);
  for (const crypto::Certificate& root : roots) {
    if (root.native() == nullptr || X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root.native()) != 1) {
      return setup_failed("a root cannot be used");
    }
  }
  return std::make_shared<Impl>(Impl{.context = std::move(context), .names_are_proven = true});
}

Result<TlsContext> TlsContext::web_client(std::span<const crypto::Certificate> further_roots) {
  GATEWAY_ASSIGN(const std::shared_ptr<Impl> impl, make_web(further_roots));
  if (SSL_CTX_set_default_verify_paths(impl->context.get()) != 1) {
    return setup_failed("the system's roots cannot be used");
  }
  return TlsContext(impl);
}

Result<TlsContext> TlsContext::service_client(std::span<const crypto::Certificate> roots, const Clock& clock) {
  GATEWAY_ASSIGN(const std::shared_ptr<Impl> impl, make_web(roots));
  impl->clock = &clock;
  return TlsContext(impl);
}

}  // namespace gateway::channel
