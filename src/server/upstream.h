// Connections to the workload's HTTP server, kept alive between requests.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "net/descriptor.h"
#include "net/loop.h"
#include "server/server.h"

namespace gateway::server {

// One connection. It belongs to one exchange or to the pool.
class Upstream {
 public:
  class Owner {
   public:
    virtual void on_upstream(bool readable, bool writable, bool hung_up) = 0;

   protected:
    ~Owner() = default;
  };

  Upstream(net::Loop& loop, net::Descriptor socket);
  int descriptor() const { return socket_.get(); }
  void want(bool read, bool write) { source_->want(read, write); }
  void give_to(Owner& owner) { owner_ = &owner; }
  // Whether an earlier exchange used it: then it may turn out to be closed through no fault of the workload.
  bool reused() const { return reused_; }

 private:
  friend class UpstreamPool;
  net::Descriptor socket_;
  std::unique_ptr<net::Source> source_;  // goes before the socket
  Owner* owner_ = nullptr;
  bool reused_ = false;
  std::chrono::steady_clock::time_point idle_since_;
};

class UpstreamPool final : Upstream::Owner {
 public:
  UpstreamPool(net::Loop& loop, Dial dial);
  // An idle connection, or a new one that may still be connecting.
  Result<std::unique_ptr<Upstream>> take(Upstream::Owner& owner);
  Result<std::unique_ptr<Upstream>> take_new(Upstream::Owner& owner);
  // After an answer that was complete and allows it. Drops it when enough are idle.
  void give_back(std::unique_ptr<Upstream> upstream);
  void clear() { idle_.clear(); }

 private:
  void on_upstream(bool readable, bool writable, bool hung_up) override;
  void expire();

  net::Loop& loop_;
  Dial dial_;
  std::vector<std::unique_ptr<Upstream>> idle_;  // most recently used last
  std::unique_ptr<net::Timer> timer_;
};

}  // namespace gateway::server
