#include "attestation/nitro/adapter.h"

#include <array>

namespace gateway::attestation::nitro {
namespace {

constexpr std::array kPlatforms{Platform::kNitro, Platform::kLocal};

// A COSE_Sign1: a CBOR array, or tag 18 around one (in any of the tag's encodings). Empty evidence is explained here.
bool looks_like(ByteView evidence) {
  if (evidence.empty()) return true;
  const unsigned major = evidence.front() >> 5U;
  return major == 4 || major == 6;
}

Result<Claims> authenticate_evidence(ByteView evidence, const VerifyInputs& inputs, Recognised& recognised,
                                     CheckList& checks) {
  recognised.format = "nitro.document";
  GATEWAY_ASSIGN(const auto document, parse_document(evidence, &checks));
  // What the document claims to be, until its chain has proved it: AWS's root, or at most a local one.
  const bool claims_aws = crypto::sha256(document.cabundle.front()) == kAwsRootSha256;
  recognised.platform = claims_aws ? Platform::kNitro : Platform::kLocal;
  if (inputs.platform == Platform::kLocal && claims_aws) {
    return checks.refused(ErrorCode::kNotAuthentic, "evidence.platform", "local", "a chain that names AWS's root",
                          "this evidence is of another platform than you named");
  }
  const bool aws_alone = inputs.platform == Platform::kNitro;
  return authenticate(document, aws_alone ? Anchors{} : inputs.nitro, inputs.at,
                      inputs.caches ? inputs.caches->nitro.get() : nullptr, &checks);
}

}  // namespace

constinit const Adapter kAdapter{.evidence = "a Nitro document (COSE_Sign1)",
                                 .platforms = kPlatforms,
                                 .looks_like = looks_like,
                                 .authenticate = authenticate_evidence};

}  // namespace gateway::attestation::nitro
