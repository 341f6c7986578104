// OpenSSL's view of a socket: recv and send on a borrowed descriptor. Unlike OpenSSL's own, a write to a socket that
// the peer has left raises no SIGPIPE, so that a library need not change its process's signals.
#pragma once

#include <openssl/bio.h>

namespace gateway::channel {

// A new BIO with one reference, or null when memory is out. It never closes the descriptor.
BIO* make_socket_bio(int file_descriptor);

}  // namespace gateway::channel
