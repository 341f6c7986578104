// The load: a server behind the subject on a Unix socket, a client before it on TCP, and bytes in between.
#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "net/descriptor.h"

namespace gateway::bench {

enum class Direction : std::uint8_t { kDown, kUp };  // to the client, from the client

// Does what each connection's first nine bytes ask for: 'd' and a count: sends so many; 'u' and a count: takes so many
// and sends one back; 'e': sends back what comes, message by message of that size.
class LoadServer {
 public:
  explicit LoadServer(net::Descriptor listener);
  ~LoadServer();

 private:
  net::Descriptor listener_;
  std::thread thread_;
};

// One connection of the server's, to its end.
void serve(const net::Descriptor& client);

// Where a client goes in, and what it says first; an answer to that ends with an empty line.
struct Entrance {
  std::uint16_t port = 0;
  std::string preface;
};

// All return false when a byte went missing.
bool transfer(const Entrance& entrance, Direction direction, std::uint64_t bytes, unsigned connections);
bool exchange(const Entrance& entrance, std::uint64_t size, unsigned rounds, unsigned connections);

}  // namespace gateway::bench
