// Certificates of a peer: what an endorsement says of product, chip and TCB.
#include <cstdlib>

#include "attestation/snp/endorsement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  const auto certificate = crypto::Certificate::from_der({bytes, size});
  if (!certificate) return 0;
  const auto endorsement = snp::read_endorsement(*certificate);
  if (!endorsement) return 0;
  if (snp::endorsement_kind(*certificate) != endorsement->kind) std::abort();
  const bool vcek = endorsement->kind == SnpSigningKey::kVcek;
  // The quick look must never pass over what the long one finds.
  if (vcek && !snp::may_endorse_chip(*certificate, endorsement->chip_id)) std::abort();
  if (vcek == endorsement->csp_id.has_value()) std::abort();
  if (endorsement->tcb != snp::tcb_of(endorsement->tcb.raw, endorsement->product)) std::abort();
  return 0;
}
