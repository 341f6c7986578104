// TCB info from a folder of collateral: reading, its signature, levels.
#include <cstdlib>

#include "attestation/dcap/tcb_level.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation::dcap;
  static const crypto::PublicKey nobody = crypto::PrivateKey::generate(crypto::KeyType::kP256)->public_key();
  const auto info = parse_tcb_info(ByteView(bytes, size));
  if (!info) return 0;
  if (info->levels.empty() || (info->tee == Tee::kTdx) != info->tdx_module.has_value()) std::abort();
  if (verify_signature(info->signed_body, nobody)) std::abort();
  PlatformSvns svns;
  svns.sgx_components = info->levels.back().sgx_components;
  svns.pce_svn = info->levels.back().pce_svn;
  if (info->tee == Tee::kTdx) svns.tee_tcb_svn = svns.tee_tcb_svn_2 = info->levels.back().tdx_components;
  const TcbVerdict verdict = evaluate_tcb(*info, nullptr, svns);
  if (!verdict.platform) std::abort();  // it has the last level's own SVNs
  if (to_string(verdict.status).empty()) std::abort();
  return 0;
}
