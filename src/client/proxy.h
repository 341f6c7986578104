// The heart of `gateway connect`: a plain HTTP/1.1 port on this machine whose requests leave it only on attested
// connections. Any number of local clients, one loop, one thread.
//
// The port is opened only after a connection verified: open() takes that connection.
// Errors: kInvalidArgument client.listen.not_loopback; kUnavailable net.address_in_use, net.listen
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "client/relay.h"

namespace gateway::client {

struct ProxyOptions {
  net::Address listen{.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .cid = 0, .port = 0};
  Secret authorization;  // "Bearer …", added to requests that carry none; may be empty
  RelayLimits limits;
  PoolOptions pool;
  std::size_t max_clients = 1024;  // more wait in the listener's backlog
  std::function<void(const Error&)> on_refusal = [](const Error&) {};
};

class Proxy {
 public:
  // Whether this can be listened on: to be known before anybody waits for a verdict.
  static Status check_listen(const net::Address& listen);
  // Loop, context and verifier are borrowed and outlive the proxy.
  static Result<std::unique_ptr<Proxy>> open(net::Loop& loop, Endpoint endpoint, const channel::TlsContext& context,
                                             Verifier& verifier, std::unique_ptr<AttestedConnection> verified,
                                             ProxyOptions options);
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  ~Proxy();

  const std::string& listen_address() const { return listen_address_; }  // "127.0.0.1:PORT"
  std::uint16_t port() const { return port_; }
  std::size_t clients() const { return relays_.size(); }
  const UpstreamPool& pool() const { return pool_; }

 private:
  Proxy(net::Loop& loop, Endpoint endpoint, const channel::TlsContext& context, Verifier& verifier,
        ProxyOptions options, net::Descriptor listener, std::uint16_t port);
  void accept();
  void remove(std::list<std::unique_ptr<Relay>>::iterator relay);

  net::Loop& loop_;
  ProxyOptions options_;
  std::string host_;
  std::uint16_t port_;
  std::string listen_address_;
  UpstreamPool pool_;
  Bytes scratch_;
  RelayContext context_;
  net::Descriptor listener_;
  std::unique_ptr<net::Source> source_;
  std::unique_ptr<net::Timer> retry_;         // accepts again after the process ran out of descriptors
  std::list<std::unique_ptr<Relay>> relays_;  // destroyed before the pool whose leases they hold
  std::list<std::unique_ptr<Relay>> ended_;
  std::shared_ptr<Proxy*> self_;  // what deferred tasks look for: gone when the proxy is
};

}  // namespace gateway::client
