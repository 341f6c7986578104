#include "attestation/snp/adapter.h"

#include <array>

namespace gateway::attestation::snp {
namespace {

constexpr std::array kPlatforms{Platform::kSnp};

Result<Claims> authenticate_evidence(ByteView bytes, const VerifyInputs& inputs, Recognised& recognised,
                                     CheckList& checks) {
  recognised = {.platform = Platform::kSnp, .format = "snp.report"};
  GATEWAY_ASSIGN(const auto evidence, parse_evidence(bytes, &checks));
  recognised.format = evidence.format;
  return authenticate(evidence, *inputs.collateral, inputs.at, inputs.caches ? inputs.caches->snp.get() : nullptr,
                      &checks);
}

}  // namespace

constinit const Adapter kAdapter{.evidence = "a SEV-SNP report",
                                 .platforms = kPlatforms,
                                 .looks_like = looks_like_snp,
                                 .authenticate = authenticate_evidence};

}  // namespace gateway::attestation::snp
