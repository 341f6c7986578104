#include "crypto/random.h"

#include <errno.h>
#include <openssl/rand.h>
#include <sys/random.h>

#include "crypto/openssl.h"

namespace gateway::crypto {

void random_fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) broken("get randomness from the kernel");
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

Bytes random_bytes(std::size_t size) {
  Bytes out(size);
  random_fill(out);
  return out;
}

Secret random_secret(std::size_t size) {
  Secret out(size);
  random_fill(out.reveal_mutable());
  return out;
}

void mix_entropy(ByteView bytes) { ::RAND_add(bytes.data(), static_cast<int>(bytes.size()), 0.0); }

}  // namespace gateway::crypto
