// The lines of a verdict for people, on standard error: what held, and what did not with what to do about it.
#pragma once

#include <vector>

#include "attestation/model/check.h"

namespace gateway::cli {

void say_checks(const std::vector<attestation::Check>& checks);

}  // namespace gateway::cli
