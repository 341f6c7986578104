// Azure's evidence of our own: the paravisor's report, a vTPM's quote and registers, in the JSON that guests send.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attestation/testing/fake_amd.h"

namespace gateway::attestation::testing {

struct AzureParts {
  std::string runtime_data;
  Bytes message, signature;  // the quote
  std::vector<Bytes> pcrs;
  Bytes hcl;
  Bytes vcek;
};

// Everything good, but for what `before_signing` changes of the runtime data, the registers and the message.
AzureParts azure_parts(const std::function<void(AzureParts&)>& before_signing = {});
Bytes azure_quote(ByteView nonce, const std::vector<Bytes>& pcrs);  // TPMS_ATTEST of all 24 registers
std::string azure_runtime_data(std::string_view key_name = "HCLAkPub");

// The JSON: without a version (arrays of numbers, PEM), or version 2 (hex and base64url).
enum class AzureStyle : std::uint8_t { kNumbers, kText };
std::string azure_json(const AzureParts& parts, AzureStyle style);

}  // namespace gateway::attestation::testing
