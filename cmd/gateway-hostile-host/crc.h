// An image whose bytes were changed gets the checksum that they now ask for: a checksum protects against accidents.
#pragma once

#include <string>

#include "base/result.h"

namespace gateway::hostile {

Status repair_crc(const std::string& eif);

}  // namespace gateway::hostile
