// Tries every known way out of the workload's sandbox; JSON with one outcome a probe.
#pragma once

#include <string>

std::string probe_isolation();
