// BER made DER (X.690 §8 → §10): lengths definite and minimal, octet strings in one piece. For the one format of ours
// that arrives in BER, the CMS answers of AWS KMS; what is made of it is read by der.h.
//
// Input:  untrusted. One-byte tags; exactly one element and nothing behind it.
// Bounds: BerLimits; the output is at most three times the input.
// Errors: kMalformed ber.{truncated,length,tag,trailing}; kLimitExceeded ber.depth, ber.size
#pragma once

#include "base/bytes.h"

namespace gateway::codec {

struct BerLimits {
  std::size_t bytes = 64UZ * 1024;
  unsigned depth = 16;
};
Result<Bytes> ber_to_der(ByteView input, const BerLimits& limits);

}  // namespace gateway::codec
