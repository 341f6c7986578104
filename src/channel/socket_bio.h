// OpenSSL's view of a socket: recv and send on a borrowed descriptor. Unlike OpenSSL's own, a write to a socket that
// the peer has left raises no SIGPIPE, so that a library need not change its process's signals.
#pragma once

#include <openssl/bio.h>

namespace gateway::channel {

struct SocketEnd {
  int file_descriptor = -1;  // borrowed, never closed here
  int reads_left = 0;        // successful reads until this end says "later", so that no operation goes on for ever
};

// A new BIO with one reference, or null when memory is out. The end must stay where it is.
BIO* make_socket_bio(SocketEnd& end);

}  // namespace gateway::channel
