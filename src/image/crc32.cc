#include "image/crc32.h"

#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gateway::image {
namespace {

#if defined(__x86_64__)

// Folding by carry-less multiplication (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
// Instruction", Intel 2009). The constants are x^n mod P, bit-reflected, for the distances named beside them.
struct Constants {
  alignas(16) std::uint64_t by_512_bits[2] = {0x0154442bd4, 0x01c6e41596};  // x^(4·128+32), x^(4·128-32)
  alignas(16) std::uint64_t by_128_bits[2] = {0x01751997d0, 0x00ccaa009e};  // x^(128+32), x^(128-32)
  alignas(16) std::uint64_t to_64_bits[2] = {0x0163cd6124, 0};              // x^64
  alignas(16) std::uint64_t barrett[2] = {0x01db710641, 0x01f7011641};      // P and floor(x^64 / P)
};
constexpr Constants kConstants;

__attribute__((target("pclmul,sse4.1"))) inline __m128i load(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

__attribute__((target("pclmul,sse4.1"))) inline __m128i fold(__m128i lane, __m128i factors, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(lane, factors, 0x00);
  const __m128i high = _mm_clmulepi64_si128(lane, factors, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// `bytes` is a multiple of 16 and at least 64 long; `crc` is inverted already.
__attribute__((target("pclmul,sse4.1"))) std::uint32_t fold_all(std::uint32_t crc, ByteView bytes) {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  __m128i lanes[4];
  for (std::size_t i = 0; i < 4; ++i) lanes[i] = load(at + 16 * i);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(crc)));
  at += 64;
  left -= 64;
  const __m128i far = load(kConstants.by_512_bits);
  for (; left >= 64; at += 64, left -= 64) {
    for (std::size_t i = 0; i < 4; ++i) lanes[i] = fold(lanes[i], far, load(at + 16 * i));
  }
  const __m128i near = load(kConstants.by_128_bits);
  __m128i lane = lanes[0];
  for (std::size_t i = 1; i < 4; ++i) lane = fold(lane, near, lanes[i]);
  for (; left >= 16; at += 16, left -= 16) lane = fold(lane, near, load(at));

  const __m128i low_32 = _mm_setr_epi32(-1, 0, -1, 0);
  __m128i folded = _mm_clmulepi64_si128(lane, near, 0x10);
  lane = _mm_xor_si128(_mm_srli_si128(lane, 8), folded);
  folded = _mm_srli_si128(lane, 4);
  lane = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(lane, low_32), load(kConstants.to_64_bits), 0x00), folded);
  const __m128i barrett = load(kConstants.barrett);
  __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(lane, low_32), barrett, 0x10);
  quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_32), barrett, 0x00);
  return static_cast<std::uint32_t>(_mm_extract_epi32(_mm_xor_si128(lane, quotient), 1));
}

#endif

std::uint32_t portable(std::uint32_t crc, ByteView bytes) {
  return static_cast<std::uint32_t>(::crc32_z(crc, bytes.data(), bytes.size()));
}

}  // namespace

std::uint32_t crc32(std::uint32_t crc, ByteView bytes) {
  if (bytes.empty()) return crc;
#if defined(__x86_64__)
  static const bool carry_less = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (carry_less && bytes.size() >= 64) {
    const std::size_t whole = bytes.size() & ~std::size_t{15};
    crc = ~fold_all(~crc, bytes.first(whole));
    bytes = bytes.subspan(whole);
    if (bytes.empty()) return crc;
  }
#endif
  return portable(crc, bytes);
}

}  // namespace gateway::image
