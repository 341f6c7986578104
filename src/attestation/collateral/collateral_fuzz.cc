// Collateral from any bytes: whatever is kept reads again as what it was taken for.
#include <cstdlib>

#include "attestation/collateral/collateral.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  const auto require = [](bool holds) {
    if (!holds) std::abort();
  };
  attestation::Collateral found;
  found.add({bytes, size});
  require(found.kept <= attestation::Collateral::kMaxKept);
  for (const auto& certificate : found.certificates)
    require(crypto::Certificate::from_der(certificate.der()).has_value());
  for (const auto& list : found.crls) require(crypto::Crl::from_der(list.der()).has_value());
  attestation::Collateral again;
  for (const Bytes& document : found.tcb_infos) again.add(document);
  for (const Bytes& document : found.qe_identities) again.add(document);
  require(again.tcb_infos.size() >= found.tcb_infos.size());
  require(again.qe_identities.size() >= found.qe_identities.size());
  return 0;
}
