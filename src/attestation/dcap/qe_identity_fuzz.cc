// QE identities from a folder of collateral: reading, and an enclave held to what they say.
#include <algorithm>
#include <cstdlib>

#include "attestation/dcap/qe_identity.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  const auto identity = dcap::parse_qe_identity(ByteView(bytes, size));
  if (!identity) return 0;
  if (identity->levels.empty()) std::abort();
  SgxReportBody qe;
  qe.attributes = identity->attributes;
  qe.mr_signer = identity->mr_signer;
  qe.isv_prod_id = identity->isv_prod_id;
  CheckList checks;
  if (!dcap::check_qe(qe, *identity, checks) && checks.lines().back().outcome != Outcome::kRefused) std::abort();
  qe.mr_signer[0] ^= 1U;
  if (dcap::check_qe(qe, *identity, checks)) std::abort();
  return 0;
}
