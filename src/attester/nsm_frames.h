// Frames of the virtual NSM's socket: u32be length ‖ CBOR, both ways. Internal to attester/.
#pragma once

#include <optional>

#include "base/bytes.h"

namespace gateway::attester {

enum class FrameFault : std::uint8_t { kClosed, kTooLarge, kTimeout, kFailed };

// Reads one frame of at most `max` bytes; nullopt as timeout waits for ever. kClosed only between frames.
std::expected<Bytes, FrameFault> read_frame(int file_descriptor, std::size_t max, std::optional<int> timeout_ms);
std::expected<void, FrameFault> write_frame(int file_descriptor, ByteView body, std::optional<int> timeout_ms);

}  // namespace gateway::attester
