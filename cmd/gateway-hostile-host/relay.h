// Between two sockets without looking inside, until one side ends or the cut is reached.
#pragma once

#include <functional>
#include <optional>

#include "options.h"
#include "sockets.h"

namespace gateway::hostile {

struct Cut {
  std::uint64_t after = 0;  // bytes towards the client
  CutWith with = CutWith::kFin;
  CutAt at = CutAt::kRecord;
};

// True when the cut was made.
bool relay(net::Descriptor client, net::Descriptor upstream, const std::optional<Cut>& cut);

}  // namespace gateway::hostile
