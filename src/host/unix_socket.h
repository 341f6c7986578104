// Unix sockets by path on the host, for control and status: paths of any length, permissions set before anyone can
// connect, and messages of one JSON line each, optionally with one descriptor.
//
// Errors: kUnavailable host.socket.connect, host.socket.closed, host.socket.timeout; kInternal host.socket.listen;
//         kLimitExceeded host.socket.line, host.socket.backlog
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/descriptor.h"

namespace gateway::host {

using Deadline = std::chrono::steady_clock::time_point;
inline Deadline after(std::chrono::milliseconds duration) { return std::chrono::steady_clock::now() + duration; }

// A listening socket NAME in an open folder; a leftover of that name is replaced, so the caller holds a lock.
Result<net::Descriptor> listen_in_folder(int folder, const std::string& name, mode_t mode, int backlog);
// Never blocks: a Unix socket connects at once or says why not (kLimitExceeded: its backlog is full).
Result<net::Descriptor> connect_in_folder(int folder, const std::string& name);
Result<net::Descriptor> connect_to_path(const std::string& path);
Result<net::Descriptor> open_folder(const std::string& path);

struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
};
std::optional<Peer> peer_of(int socket);

// Whole lines over a stream socket, with deadlines. The descriptor is owned.
class LineSocket {
 public:
  explicit LineSocket(net::Descriptor socket) : socket_(std::move(socket)) {}
  // Without the newline. Lines longer than max_size are refused, never buffered whole.
  Result<std::string> read_line(std::size_t max_size, Deadline deadline);
  Status write_line(std::string_view line, Deadline deadline, int descriptor_to_send = -1);
  // The descriptor that came with what was read so far, once.
  std::optional<net::Descriptor> take_descriptor();
  int descriptor() const { return socket_.get(); }
  // Whether a whole line is buffered already (poll cannot see it).
  bool has_line() const { return buffer_.find('\n') != std::string::npos; }

 private:
  Status receive(Deadline deadline);
  net::Descriptor socket_;
  net::Descriptor received_;
  std::string buffer_;
};

}  // namespace gateway::host
