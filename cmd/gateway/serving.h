// What commands that serve until they are told to stop have in common.
#pragma once

#include <memory>

#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::cli {

// Every client needs descriptors: as many as this process may have.
void raise_descriptor_limit();

// Ends the loop on SIGINT and SIGTERM. The signals must be blocked before any thread starts.
class StopOnSignal {
 public:
  explicit StopOnSignal(net::Loop& loop);

 private:
  net::Descriptor descriptor_;
  std::unique_ptr<net::Source> source_;
};

}  // namespace gateway::cli
