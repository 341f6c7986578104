// Asks the workload whether it is ready: GET path answered 2xx over its own socket, or, without a path, a connection
// that is accepted. One attempt at a time. One thread, the loop's; never blocks.
// Input: the workload's answer, untrusted; at most one head of net::HttpLimits is read.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/loop.h"
#include "server/server.h"

namespace gateway::runtime {

class ReadinessProbe {
 public:
  // Calls on_result from the loop, once an attempt.
  ReadinessProbe(net::Loop& loop, server::Dial dial, std::string path, std::function<void(bool ready)> on_result);
  void attempt();
  void cancel();

 private:
  void on_event(bool readable, bool writable, bool hung_up);
  void write_request();
  void read_answer();
  void end(bool ready);

  net::Loop& loop_;
  server::Dial dial_;
  std::string path_;  // empty: a connection is enough
  std::function<void(bool)> on_result_;
  net::Descriptor socket_;
  std::unique_ptr<net::Source> source_;
  std::unique_ptr<net::Timer> timer_;
  bool sent_ = false;
  Bytes answer_;
};

}  // namespace gateway::runtime
