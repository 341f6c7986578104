// OpenSSL's side of a TLS context, for the sources of tls alone.
#pragma once

#include <openssl/ssl.h>

#include "channel/tls.h"

namespace gateway::channel {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using UniqueContext = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using UniqueSsl = std::unique_ptr<SSL, Freer<SSL_free>>;

struct TlsContext::Impl {
  UniqueContext context;
  bool names_are_proven = false;  // web_client, service_client
  const Clock* clock = nullptr;   // service_client: when certificates are judged; none: the machine's
};

}  // namespace gateway::channel
