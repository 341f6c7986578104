// AWS Nitro attestation document: bytes to fields.
//
// Input:  untrusted, from a peer or a device.
// Output: UnverifiedDocument: what the bytes say, nothing more. Views into the input.
// Bounds: at most kMaxDocumentSize bytes; payload at most 16384.
// Spec:   AWS Nitro Enclaves attestation process (document structure), RFC 9052 §4.2, RFC 8949.
// Errors: kMalformed nitro.document.*; kUnsupported nitro.document.algorithm, nitro.document.digest;
//         kLimitExceeded nitro.document.size
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "crypto/cose.h"

namespace gateway::attestation::nitro {

inline constexpr std::size_t kMaxDocumentSize = 32UZ * 1024;
inline constexpr std::size_t kMaxPcrs = 32;

struct UnverifiedDocument {
  crypto::CoseSign1 envelope;
  std::string_view module_id;
  Time timestamp;
  std::array<std::optional<ByteView>, kMaxPcrs> pcrs;
  ByteView certificate;
  std::vector<ByteView> cabundle;  // root first
  std::optional<ByteView> public_key, user_data, nonce;
};

Result<UnverifiedDocument> parse_document(ByteView input);

}  // namespace gateway::attestation::nitro
