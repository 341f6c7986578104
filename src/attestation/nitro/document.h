// AWS Nitro attestation document: bytes to fields.
//
// Input:  untrusted, from a peer or a device.
// Output: UnverifiedDocument: what the bytes say, nothing more. Views into the input.
// Bounds: at most kMaxDocumentSize bytes; payload at most kMaxPayloadSize; certificates and the optional fields at most
//         1024 each. AWS's CDDL allows the optional fields 1024 bytes, its validation text 512: 1024 is accepted,
//         and our own attesters write at most 512.
// Spec:   AWS Nitro Enclaves attestation process (document structure), RFC 9052 §4.2, RFC 8949.
// Errors: kMalformed nitro.document.{empty,structure,trailing,duplicate_key,header,signature_size,unknown_key,
//         missing_key,module_id,timestamp,pcrs,certificate,cabundle,public_key,user_data,nonce};
//         kUnsupported nitro.document.algorithm, nitro.document.digest; kNotAuthentic nitro.unsigned;
//         kLimitExceeded nitro.document.size, nitro.document.payload_size
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "attestation/model/check.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "crypto/cose.h"

namespace gateway::attestation::nitro {

inline constexpr std::size_t kMaxDocumentSize = 32UZ * 1024;
inline constexpr std::size_t kMaxPayloadSize = 16UZ * 1024;
inline constexpr std::size_t kMaxPcrs = 32;
inline constexpr std::size_t kMaxCertificateSize = 1024;
inline constexpr std::size_t kMaxCabundle = 7;  // AWS sends four; with the leaf, the longest path accepted is 8
inline constexpr std::size_t kMaxOptionalField = 1024;
inline constexpr std::size_t kMaxModuleId = 128;  // AWS's have 39 characters

struct UnverifiedDocument {
  crypto::CoseSign1 envelope;
  std::string_view module_id;  // 1–128 printable ASCII characters
  Time timestamp;
  std::array<std::optional<ByteView>, kMaxPcrs> pcrs;
  ByteView certificate;
  std::vector<ByteView> cabundle;  // root first
  std::optional<ByteView> public_key, user_data, nonce;
};

// Leaves one line per rule in `checks`, when given.
Result<UnverifiedDocument> parse_document(ByteView input, CheckList* checks = nullptr);

}  // namespace gateway::attestation::nitro
