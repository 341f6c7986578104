// AWS KMS from inside an enclave: which calls a workload may make, what goes out, what comes back (docs/trust.md §11).
//
// Whoever owns the credentials can point them at an account of their own; so keys are named by full ARNs in the
// measured image, an encryption context is part of every call, the KeyId of an answer must be that of the request, and
// an answer that carries a plaintext that others could read is refused.
//
// Input:  the workload's request, untrusted: AWS's JSON, unknown members refused; KMS's answer, bounded and strict.
// Bounds: kMaxKmsRequest, kMaxKmsAnswer.
// Spec:   AWS KMS API Reference: Decrypt, GenerateDataKey, GenerateRandom, RecipientInfo; AWS JSON 1.1.
// Errors: kInvalidArgument kms.request; kPolicyRejected kms.operation, kms.member, kms.key, kms.context;
//         kMalformed kms.answer, kms.envelope; kNotAuthentic kms.answer_key, kms.plaintext, crypto.envelope;
//         kUnavailable kms.refused, kms.credentials
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/secret.h"
#include "crypto/oaep.h"
#include "image/description.h"
#include "keys/aws_signature.h"

namespace gateway::keys {

inline constexpr std::size_t kMaxKmsRequest = 32UZ * 1024;
inline constexpr std::size_t kMaxKmsAnswer = 64UZ * 1024;

enum class KmsOperation : std::uint8_t { kDecrypt, kGenerateDataKey, kGenerateRandom };
std::string_view to_string(KmsOperation operation);  // "Decrypt", …

struct KmsCall {
  KmsOperation operation{};
  std::string key;   // the full ARN; empty: GenerateRandom
  std::string body;  // AWS's JSON, without Recipient
};

// `target`: of the header X-Amz-Target, "TrentService.Decrypt". A KeyId that is left out is the image's, if it names
// one alone; a context must hold the image's own entries.
Result<KmsCall> judge_kms_call(std::string_view target, std::string_view json, const image::KmsDescription& kms);

// The runtime's own small API: the same calls in fewer words; the image's context is added to what they say.
//   decrypt   {"ciphertext": base64, "key"?: ARN, "context"?: {…}}
//   data-key  {"key"?: ARN, "bytes"?: 32, "context"?: {…}}
//   random    {"bytes": 32}
Result<KmsCall> judge_local_call(std::string_view name, std::string_view json, const image::KmsDescription& kms);

// JSON of the instance's role, as AWS's metadata service gives it.
Result<AwsCredentials> parse_credentials(ByteView json);

// A whole HTTP/1.1 request, signed, with the attestation document as Recipient. It holds what must be wiped: the
// session's token.
Bytes encode_kms_request(const KmsCall& call, ByteView document, const image::KmsDescription& kms,
                         const AwsCredentials& credentials, Time at);

struct KmsAnswer {
  std::string key;   // as KMS names it; equal to the call's
  Bytes ciphertext;  // GenerateDataKey
  Secret plaintext;
};
Result<KmsAnswer> read_kms_answer(const KmsCall& call, int status, ByteView body, const crypto::EnvelopeKey& key);

// What the workload gets: AWS's answer as if there had been no recipient, or the small API's.
Secret encode_aws_answer(const KmsCall& call, const KmsAnswer& answer);
Secret encode_local_answer(const KmsCall& call, const KmsAnswer& answer);

}  // namespace gateway::keys
