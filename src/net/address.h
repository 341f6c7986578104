// Transports have URLs: tcp://HOST:PORT, unix:///PATH, vsock://CID:PORT, fd:N (an inherited descriptor).
//
// Errors: kInvalidArgument net.address; kUnavailable net.connect, net.listen (with errno's words), net.address_in_use
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/descriptor.h"

namespace gateway::net {

struct Address {
  enum class Kind : std::uint8_t { kTcp, kUnix, kVsock, kDescriptor };
  Kind kind{};
  std::string host;        // kTcp: name or address literal, without brackets; kUnix: path
  std::uint32_t cid = 0;   // kVsock; 4294967295 listens on any
  std::uint32_t port = 0;  // kTcp (0 listens on a free one), kVsock; kDescriptor: the descriptor
  static Result<Address> parse_url(std::string_view url);
  static Result<Address> parse_host_port(std::string_view text);  // "127.0.0.1:8443", "[::1]:8443", "host:443"
  std::string to_string() const;                                  // the URL
};

// All descriptors below are non-blocking and close-on-exec.

// TCP listeners set SO_REUSEADDR; a Unix path must not exist. kDescriptor takes over an inherited listening socket.
Result<Descriptor> listen_on(const Address& address, int backlog = 1024);
// Starts a non-blocking connect: writable when done, then check take_socket_error. Name look-up blocks. kDescriptor
// takes over an inherited connected socket.
Result<Descriptor> start_connect(const Address& address);
// Waits for the connection, at most so long; tries each address of a name in turn.
Result<Descriptor> connect_to(const Address& address, int timeout_ms);
Status take_socket_error(int file_descriptor);
Result<std::uint16_t> local_port(int file_descriptor);
void set_no_delay(int file_descriptor);  // TCP_NODELAY; ignored on other sockets
// Closing then sends RST, so that the peer sees an abort, never an orderly end.
void set_abort_on_close(int file_descriptor);

}  // namespace gateway::net
