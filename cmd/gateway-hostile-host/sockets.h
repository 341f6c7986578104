// Blocking sockets with time limits, and as many threads as there are connections, up to a bound.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "net/descriptor.h"

namespace gateway::hostile {

inline constexpr unsigned kMaxConnections = 128;
inline constexpr std::chrono::seconds kSocketTimeout{60};

Result<net::Descriptor> dial(const std::string& host_port);

// Listens, says where, and calls `serve` with each connection and its number (from 0) on a thread of its own. Does not
// return unless listening fails; connections beyond the bound are closed.
Status serve_for_ever(const std::string& listen, const std::function<void(const std::string&)>& announce,
                      const std::function<void(net::Descriptor, unsigned)>& serve);

// Readable or hung up: {first, second}; neither when the time is over.
struct Readiness {
  bool first = false;
  bool second = false;
};
Readiness wait_for_either(int first, int second);

bool send_all(int socket, const void* bytes, std::size_t size);

}  // namespace gateway::hostile
