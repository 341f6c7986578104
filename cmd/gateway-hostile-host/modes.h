// Each attack of options.h, on top of what the other files can do.
#pragma once

#include "base/clock.h"
#include "options.h"

namespace gateway::hostile {

// Does not return unless it cannot begin.
Status attack(const Options& options, const Clock& clock);

}  // namespace gateway::hostile
