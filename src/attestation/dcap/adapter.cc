#include "attestation/dcap/adapter.h"

#include <array>

namespace gateway::attestation::dcap {
namespace {

constexpr std::array kPlatforms{Platform::kTdx, Platform::kSgx};

Result<Claims> authenticate_evidence(ByteView bytes, const VerifyInputs& inputs, Recognised& recognised,
                                     CheckList& checks) {
  recognised.format = "dcap.quote";
  GATEWAY_ASSIGN(const auto quote, parse_quote(bytes, &checks));
  recognised = {.platform = quote.tee == Tee::kTdx ? Platform::kTdx : Platform::kSgx,
                .format = std::string(format_of(quote))};
  return authenticate(quote, *inputs.collateral, inputs.at, inputs.caches ? inputs.caches->dcap.get() : nullptr,
                      &checks);
}

}  // namespace

constinit const Adapter kAdapter{.evidence = "a DCAP quote",
                                 .platforms = kPlatforms,
                                 .looks_like = looks_like_dcap_quote,
                                 .authenticate = authenticate_evidence};

}  // namespace gateway::attestation::dcap
