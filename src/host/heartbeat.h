// A booted enclave's heartbeat on one connection: the byte comes, and goes back (AWS's bootstrap). Anything else is
// none.
#pragma once

#include <functional>
#include <memory>

#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::host {

class Heartbeat {
 public:
  // `beaten` is called once, and may destroy this.
  Heartbeat(net::Loop& loop, net::Descriptor socket, std::function<void(bool beats)> beaten);

 private:
  void on_readable();
  net::Descriptor socket_;
  std::function<void(bool)> beaten_;
  std::unique_ptr<net::Source> source_;
};

}  // namespace gateway::host
