// One TEE as verify() sees it. Every folder of a TEE has one adapter of this shape; verify.cc lists them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "attestation/verify.h"

namespace gateway::attestation {

// What the bytes claim to be. Said before anything is authentic, so that a refusal can name the platform.
struct Recognised {
  std::optional<Platform> platform;
  std::string format;
};

struct Adapter {
  std::string_view evidence;            // for messages: "a Nitro document (COSE_Sign1)"
  std::span<const Platform> platforms;  // those that it can speak for
  // Whether evidence begins as this TEE's does: enough to say which parser should explain what is wrong with it.
  bool (*looks_like)(ByteView evidence);
  // Parses and authenticates. `inputs` holds every anchor that counts, those that the policy pins included.
  Result<Claims> (*authenticate)(ByteView evidence, const VerifyInputs& inputs, Recognised& recognised,
                                 CheckList& checks);
};

}  // namespace gateway::attestation
