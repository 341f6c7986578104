// The runtime's front: TLS ends here, HTTP/1.1 is parsed here, and what the gate admits is relayed to the workload.
//
// Callers and the workload are both untrusted. The server judges no caller: it asks the gate once for each request and
// obeys. Bodies stream both ways without being kept; whoever is slow slows the other side down, not this memory.
// An answer that the workload breaks off is broken off towards the caller too (no terminal chunk, no close_notify).
//
// Threads: everything happens on the loop's thread.
// Bounds:  ServerLimits. An idle connection holds no buffer.
// Spec:    RFC 9112; docs/trust.md §7.
// Answers of the server's own (JSON, an id and a sentence): 400, 414, 431, 505 with the id of net/http.h;
//         408 server.head_timeout, server.body_timeout; 413 server.body_size; 417 server.expectation;
//         502 server.workload_answer; 503 server.in_flight, server.workload_unavailable;
//         504 server.workload_timeout
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "channel/tls.h"
#include "net/address.h"
#include "net/descriptor.h"
#include "net/loop.h"
#include "server/seam.h"

namespace gateway::server {

// Starts a connection to the workload's HTTP server without blocking; non-blocking, close-on-exec. A function, because
// the workload's loopback may lie in a network namespace of its own.
using Dial = std::function<Result<net::Descriptor>()>;
// For a Unix path or a TCP address literal.
Dial dial(net::Address address);

// Since the server was made, except where it says "now".
struct ServerMetrics {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;  // beyond max_connections, or while draining: closed without a handshake
  std::uint64_t handshakes_failed = 0;    // timeouts included
  std::uint64_t requests = 0;             // heads that reached the gate
  std::uint64_t refused_by_server = 0;    // malformed, too large, too slow, too many
  std::uint64_t answered_here = 0;        // LocalResponse and DeferredResponse
  std::uint64_t forwarded = 0;            // meant for the workload; each ends as one of the next three
  std::uint64_t completed = 0;
  std::uint64_t callers_left = 0;
  std::uint64_t workload_failed = 0;
  std::uint64_t bytes_from_callers = 0;  // decrypted, heads included
  std::uint64_t bytes_to_callers = 0;    // before encryption, heads included
  std::uint64_t connections_now = 0;
  std::uint64_t in_flight_now = 0;
};

class Server {
 public:
  // `loop` and `gate` outlive the server. The listener is non-blocking and listens already.
  Server(net::Loop& loop, channel::TlsContext tls, net::Descriptor listener, Dial workload, ServerLimits limits,
         Gate& gate);
  ~Server();  // breaks off whatever still runs
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes no new connections, closes idle ones, lets running requests finish; `drained` is called once none is left.
  void drain(std::function<void()> drained);
  const ServerMetrics& metrics() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::server
