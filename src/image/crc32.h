// CRC-32 (IEEE 802.3, zlib's) at memory speed: an image is checksummed in the pass that hashes it.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace gateway::image {

// Continues `crc` (0 at the start) over the bytes.
std::uint32_t crc32(std::uint32_t crc, ByteView bytes);

}  // namespace gateway::image
