// Going through a mapped part of an image in chunks that stay in the cache, letting go of the memory behind.
#pragma once

#include <algorithm>

#include "image/eif.h"

namespace gateway::image {

// Small enough to stay in the second-level cache between two uses of the same bytes.
inline constexpr std::size_t kChunk = 256UZ * 1024;
// What stays mapped in behind each reader.
inline constexpr std::size_t kWindow = 64UZ * 1024 * 1024;

template <class Use>
void read_through(const Eif& eif, ByteView bytes, Use use) {
  std::size_t kept = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const ByteView chunk = bytes.subspan(at, std::min(bytes.size() - at, kChunk));
    use(chunk);
    at += chunk.size();
    if (at - kept < kWindow && at < bytes.size()) continue;
    if (bytes.size() >= kWindow) eif.release(bytes.subspan(kept, at - kept));
    kept = at;
  }
}

}  // namespace gateway::image
