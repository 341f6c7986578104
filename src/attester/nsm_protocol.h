// The NSM's messages: both sides read and write them here, so that the client and the virtual device cannot drift apart
// in what they call things. Internal to attester/.
//
// Input:  requests come from the enclave, answers from the device; each is untrusted to its reader.
// Bounds: kNsmMaxRequest, kNsmMaxResponse.
// Spec:   aws-nitro-enclaves-nsm-api (Request, Response): CBOR, unit variants are bare texts, the others one-key maps.
#pragma once

#include <optional>
#include <string_view>

#include "attester/nsm.h"
#include "codec/cbor.h"

namespace gateway::attester {

inline constexpr unsigned kNsmPcrs = 32;
inline constexpr unsigned kNsmLockedFromStart = 16;  // 0–15 belong to the hypervisor
inline constexpr std::size_t kNsmRandomSize = 256;
inline constexpr std::size_t kNsmMaxUserData = 512;
inline constexpr std::size_t kNsmMaxNonce = 512;
inline constexpr std::size_t kNsmMaxPublicKey = 1024;

enum class NsmErrorCode : std::uint8_t {
  kInvalidArgument,
  kInvalidIndex,
  kInvalidResponse,
  kReadOnlyIndex,
  kInvalidOperation,
  kBufferTooSmall,
  kInputTooLarge,
  kInternalError,
};
std::string_view to_string(NsmErrorCode code);
std::optional<NsmErrorCode> nsm_error_from(std::string_view text);

enum class NsmOperation : std::uint8_t {
  kDescribeNsm,
  kDescribePcr,
  kExtendPcr,
  kLockPcr,
  kLockPcrs,
  kAttestation,
  kGetRandom,
};
std::string_view to_string(NsmOperation operation);

struct NsmRequest {  // views into the bytes that it was parsed from
  NsmOperation operation{};
  unsigned index = 0;  // of a PCR; the count for kLockPcrs
  ByteView data = {};  // kExtendPcr
  std::optional<ByteView> user_data = {}, nonce = {}, public_key = {};
};
Bytes encode_request(const NsmRequest& request);
// What the device answers to a request that does not parse: InvalidOperation, as the real one's.
std::optional<NsmRequest> parse_request(ByteView bytes);

}  // namespace gateway::attester
