// Evidence with its collateral in one file, which verifies with nothing fetched and nothing else at hand.
//
//     ["gateway/bundle/v1", evidence, [collateral…]]
//
// Input:  untrusted. A bundle vouches for nothing: each item is judged as if it had come alone.
// Output: views into the input.
// Bounds: below.
// Spec:   docs/evidence-formats.md; deterministic CBOR (RFC 8949 §4.2.1), so that the same parts give the same bytes.
// Errors: kMalformed bundle.encoding, bundle.item; kUnsupported bundle.version; kLimitExceeded bundle.size,
//         bundle.count
#pragma once

#include <span>
#include <vector>

#include "base/bytes.h"

namespace gateway::attestation::formats {

inline constexpr std::size_t kMaxBundleSize = 16UZ * 1024 * 1024;
inline constexpr std::size_t kMaxBundledEvidence = 128UZ * 1024;   // a certificate that carries it, at most
inline constexpr std::size_t kMaxBundledFiles = 64;                // what one piece of evidence needs is about ten
inline constexpr std::size_t kMaxBundledFile = 4UZ * 1024 * 1024;  // Collateral::kMaxFile

struct Bundle {
  ByteView evidence;
  std::vector<ByteView> collateral;
};

bool looks_like_bundle(ByteView file);
Result<Bundle> parse_bundle(ByteView file);
// Collateral is sorted and what is there twice is written once: the order of files on a disk says nothing.
Result<Bytes> encode_bundle(ByteView evidence, std::span<const Bytes> collateral);

}  // namespace gateway::attestation::formats
