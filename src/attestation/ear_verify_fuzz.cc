// Tokens of other verifiers: whole ones, and claims sets that a trusted key signed.
#include <cstdlib>

#include "attestation/ear_verify.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  static const auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  static const auto public_key = key.public_key();
  const EarExpectations expected{
      .at = Time(std::chrono::milliseconds(1'779'278'400'000)), .max_age = std::chrono::hours(1), .nonce = {}};
  const std::string_view input = as_text(ByteView(bytes, size));
  if (verify_ear(input, public_key, expected)) std::abort();  // nobody signed it

  // The header is what comes before the first line break, the claims set what comes after it.
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  const std::string message =
      to_base64url(as_bytes(input.substr(0, line))) + "." + to_base64url(as_bytes(input.substr(line + 1)));
  const auto signature = key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, as_bytes(message));
  if (!signature) std::abort();
  const auto token = verify_ear(message + "." + to_base64url(*signature), public_key, expected);
  if (!token) return 0;
  if (token->submods.empty()) std::abort();
  for (const auto& [name, submod] : token->submods) {
    for (const auto& [claim, value] : submod.vector) {
      if (submod.status == AppraisalStatus::kAffirming && tier_of(value) > AppraisalStatus::kAffirming) std::abort();
    }
  }
  return 0;
}
