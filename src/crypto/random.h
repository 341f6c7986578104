// Randomness from the kernel. A failure stops the process: there is no safe way on.
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

namespace gateway::crypto {

void random_fill(std::span<std::uint8_t> out);
Bytes random_bytes(std::size_t size);
Secret random_secret(std::size_t size);
template <std::size_t N>
ByteArray<N> random_array() {
  ByteArray<N> out;
  random_fill(out);
  return out;
}

// Adds bytes of a device to the library's pool, counted as nothing: they can only help.
void mix_entropy(ByteView bytes);

}  // namespace gateway::crypto
