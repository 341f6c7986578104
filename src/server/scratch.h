// Buffers that every connection of one server shares: each is used within one event and empty between events.
#pragma once

#include <array>

#include "net/http.h"

namespace gateway::server {

struct Scratch {
  static constexpr std::size_t kInputSize = 64UZ * 1024;
  std::array<std::uint8_t, kInputSize> input;
  Bytes output;        // reserved once for a head and a full input
  net::HttpHead head;  // its vector of headers is reused
  Scratch() { output.reserve(kInputSize + 32UZ * 1024); }
  Bytes& fresh_output() {
    output.clear();
    return output;
  }
};

}  // namespace gateway::server
