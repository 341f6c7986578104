// Verified connections to one enclave service: warm ones that wait, new ones under way, and who waits for them.
//
// What leaves the pool was verified on its own (its S), and its K is trusted at the moment it leaves: a connection
// whose K has aged is verified anew with fresh evidence first. One thread, the loop's.
//
// Errors: client/attested_connection.h; kUnavailable client.timeout, net.connect
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <memory>

#include "client/endpoint.h"
#include "net/loop.h"

namespace gateway::client {

struct PoolOptions {
  Duration verify_timeout = std::chrono::seconds(15);  // TCP, TLS and verification together
  Duration idle_timeout = std::chrono::seconds(55);    // under the 75 s after which an enclave closes by default
  std::size_t max_connections = 1024;
  std::size_t spare = 1;  // opened ahead when all others are lent
};

class UpstreamPool {
 public:
  // A lent connection. Dropping it closes it; give_back() keeps it warm.
  struct Return {
    UpstreamPool* pool = nullptr;
    void operator()(AttestedConnection* connection) const;
  };
  using Lease = std::unique_ptr<AttestedConnection, Return>;
  // Called once, on the loop's thread, never from inside wait(). Dropping the waiter cancels.
  struct Waiter {
    std::function<void(Result<Lease>)> ready;
  };

  // Context and verifier are borrowed. No lease may outlive the pool.
  UpstreamPool(net::Loop& loop, Endpoint endpoint, const channel::TlsContext& context, Verifier& verifier,
               PoolOptions options);
  ~UpstreamPool();

  // A warm connection that may be used at once; null when there is none.
  Lease take();
  // The next connection that becomes ready, opened for this purpose unless one comes back before.
  std::shared_ptr<Waiter> wait(std::function<void(Result<Lease>)> ready);
  // After a whole exchange. The connection must have nothing under way.
  void give_back(Lease lease);
  // A connection that was verified elsewhere.
  void adopt(std::unique_ptr<AttestedConnection> connection);

  std::size_t idle() const { return idle_.size(); }
  std::size_t total() const { return idle_.size() + opening_.size() + ready_.size() + lent_; }

 private:
  struct Idle {
    std::unique_ptr<AttestedConnection> connection;
    std::unique_ptr<net::Source> source;
    std::chrono::steady_clock::time_point since;
  };
  struct Opening {
    std::unique_ptr<AttestedConnection> connection;
    std::unique_ptr<net::Source> source;
    std::unique_ptr<net::Timer> timer;
    bool renewal = false;
    bool connecting = true;  // the socket has not been writable yet
  };
  using Openings = std::list<Opening>;
  // What a waiter is about to be given, from the loop.
  struct Ready {
    std::weak_ptr<Waiter> waiter;
    Result<std::unique_ptr<AttestedConnection>> outcome;
  };

  Lease lend(std::unique_ptr<AttestedConnection> connection);
  void keep(std::unique_ptr<AttestedConnection> connection);
  void start_enough();
  Status start_new();
  void start_renewal(std::unique_ptr<AttestedConnection> connection);
  void watch(Openings::iterator opening);
  void advance(Openings::iterator opening, bool writable);
  void failed(Openings::iterator opening, const Error& error);
  void refuse_one(const Error& error);
  bool hand_over(std::unique_ptr<AttestedConnection>& connection);
  void later(std::weak_ptr<Waiter> waiter, Result<std::unique_ptr<AttestedConnection>> outcome);
  void deliver();
  void defer(void (UpstreamPool::*task)());
  void sweep();
  std::size_t waiting();

  net::Loop& loop_;
  Endpoint endpoint_;
  net::Address address_;  // numeric once a connection has been made, so that no name look-up holds up the loop
  const channel::TlsContext& context_;
  Verifier& verifier_;
  PoolOptions options_;
  std::list<Idle> idle_;  // the most recently used at the front
  Openings opening_;
  std::deque<std::weak_ptr<Waiter>> waiters_;
  std::deque<Ready> ready_;
  std::size_t lent_ = 0;
  std::shared_ptr<UpstreamPool*> self_;  // what deferred tasks look for: gone when the pool is
  std::unique_ptr<net::Timer> sweeper_;
};

}  // namespace gateway::client
