// Datagrams between the runtime and the first process of a sandbox, with at most one descriptor each; and the two
// things that process does for the runtime inside the sandbox's network namespace.
#pragma once

#include <optional>

#include "net/descriptor.h"
#include "runtime/sandbox_spec.h"

namespace gateway::runtime {

bool send_report(int socket, const SandboxReport& report, int passed_descriptor = -1);

struct ReceivedReport {
  SandboxReport report;
  net::Descriptor descriptor;  // close-on-exec; may be empty
};
// nullopt when the peer is gone, the datagram malformed, or nothing is there on a non-blocking socket (errno EAGAIN).
std::optional<ReceivedReport> receive_report(int socket);

// Connects to 127.0.0.1:port and answers kConnected with the socket, or kRefused with errno.
void answer_connect(int socket, std::uint32_t port);
// Sets the loopback interface up. 0 or errno.
int raise_loopback();

}  // namespace gateway::runtime
