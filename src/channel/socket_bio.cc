#include "channel/socket_bio.h"

#include <errno.h>
#include <sys/socket.h>

namespace gateway::channel {
namespace {

SocketEnd& end_of(BIO* bio) { return *static_cast<SocketEnd*>(BIO_get_data(bio)); }

bool try_later() { return errno == EAGAIN || errno == EINTR; }

int read_socket(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  errno = 0;
  SocketEnd& end = end_of(bio);
  if (end.reads_left == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const ssize_t got = ::recv(end.file_descriptor, into, static_cast<std::size_t>(size), 0);
  if (got > 0) --end.reads_left;
  if (got < 0 && try_later()) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

int write_socket(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  errno = 0;
  const ssize_t sent = ::send(end_of(bio).file_descriptor, from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && try_later()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

// Everything else, kTLS above all, is answered with "no".
long control_socket(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default: return 0;
  }
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gateway socket");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read(method, read_socket);
  BIO_meth_set_write(method, write_socket);
  BIO_meth_set_ctrl(method, control_socket);
  return method;
}

}  // namespace

BIO* make_socket_bio(SocketEnd& end) {
  static BIO_METHOD* const method = make_method();
  if (method == nullptr) return nullptr;
  BIO* bio = BIO_new(method);
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &end);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace gateway::channel
