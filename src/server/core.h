// What all parts of one server share.
#pragma once

#include <memory>
#include <vector>

#include "server/connection.h"
#include "server/scratch.h"
#include "server/server.h"
#include "server/upstream.h"

namespace gateway::server {

struct ServerCore : std::enable_shared_from_this<ServerCore> {
  ServerCore(net::Loop& loop_of_all, channel::TlsContext context, const ServerLimits& bounds, Gate& judge,
             Dial workload)
      : loop(loop_of_all), tls(std::move(context)), limits(bounds), gate(judge), pool(loop, std::move(workload)) {}

  net::Loop& loop;
  channel::TlsContext tls;
  ServerLimits limits;
  Gate& gate;
  UpstreamPool pool;
  ServerMetrics metrics;
  std::size_t collected_now = 0;
  Scratch scratch;
  bool draining = false;
  std::function<void()> drained;
  std::vector<std::unique_ptr<Connection>> connections;
  // Ended within the current event, while their own functions may still be on the stack; freed after it.
  std::vector<std::unique_ptr<Connection>> ended_connections;
  std::vector<std::unique_ptr<Exchange>> ended_exchanges;
  bool burial_due = false;

  Exchange::Environment environment() { return {pool, scratch, limits, metrics, loop, collected_now}; }
  // Room for one more connection: when all are taken, the one that has been idle longest makes it.
  bool make_room();
  void adopt(std::unique_ptr<Connection> connection);
  void remove(Connection& connection);
  void bury(std::unique_ptr<Exchange> exchange);
  void schedule_burial();
  void report_drained();
};

}  // namespace gateway::server
