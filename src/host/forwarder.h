// Connections of TCP clients to the enclave, each a relay (net/relay.h).
//
// Bounds: max_connections; beyond it clients wait in the listener's backlog. A source that connects more often than it
// may is reset at once. Bandwidth is shared evenly among those who want it. Threads: everything on the loop's own.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>

#include "base/result.h"
#include "net/ip.h"
#include "net/relay.h"

namespace gateway::host {

struct ForwarderLimits {
  std::size_t max_connections = 8192;
  net::Rate in{};                        // bytes a second to the enclave, of all connections together
  net::Rate out{};                       // and from it
  net::Rate per_source{};                // connections a second of one address (IPv6: of one /64)
  bool client_address = false;           // says the client's address to the enclave (net/proxy_protocol.h)
  std::size_t spare_pipes = 64;          // kept for the next transfer
  std::size_t pipe_size = 256UZ * 1024;  // asked for; the kernel may give less to ordinary users
};

class Forwarder {
 public:
  // Opens one connection to the enclave without blocking. kLimitExceeded (its backlog is full) is tried again.
  using Connect = std::function<Result<net::Descriptor>()>;
  Forwarder(net::Loop& loop, net::Descriptor listener, Connect connect, const ForwarderLimits& limits);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  void stop_accepting();  // closes the listener; open connections go on
  std::size_t connections() const { return count_; }
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t refused() const { return refused_; }  // by the rate of their source

 private:
  void on_acceptable();
  bool may_connect(const net::IpAddress& source);
  bool forward(net::Descriptor client, Bytes first);
  void pause_accepting(std::chrono::milliseconds duration);
  void closed(std::list<std::unique_ptr<net::Relay>>::iterator connection);

  net::Loop& loop_;
  net::Descriptor listener_;
  Connect connect_;
  ForwarderLimits limits_;
  net::RelayShare share_;
  std::unique_ptr<net::Source> source_;
  std::unique_ptr<net::Timer> resume_;
  net::Descriptor waiting_client_;  // accepted, but the enclave's backlog was full
  Bytes waiting_first_;
  std::map<net::IpAddress, net::Pace> sources_;
  bool paused_ = false;
  std::list<std::unique_ptr<net::Relay>> connections_;
  std::size_t count_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace gateway::host
