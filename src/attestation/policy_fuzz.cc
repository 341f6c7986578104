// Policies of operators: read strictly, and never accepting without measurements and a minimum TCB.
#include <cstdlib>

#include "attestation/appraisal/appraise.h"
#include "attestation/testing/fake_claims.h"

namespace {

using namespace gateway;
using namespace gateway::attestation;

bool decides(const PolicyEntry& entry) {
  switch (entry.platform) {
    case Platform::kNitro:
    case Platform::kLocal:
      for (const unsigned needed : {0U, 1U, 2U}) {
        if (!entry.measurements.contains(needed)) return false;
      }
      return entry.platform == Platform::kNitro || entry.root_sha256.has_value();
    case Platform::kSnp: return entry.snp.measurement && entry.tcb.min_tcb;
    case Platform::kTdx: return entry.tdx.measurements.contains("mr_td") && entry.tcb.min_evaluation_number;
    case Platform::kSgx:
      return entry.tcb.min_evaluation_number &&
             (entry.sgx.mr_enclave || (entry.sgx.mr_signer && entry.sgx.isv_prod_id && entry.sgx.min_isv_svn));
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto policy = Policy::parse(as_text(ByteView(bytes, size)), "policy.toml");
  if (!policy) return 0;
  for (const PolicyEntry& entry : policy->accept) {
    if (!decides(entry)) std::abort();
  }
  static const std::array claims{testing::fake_nitro().authenticate(testing::fake_nitro().document()).value(),
                                 testing::snp_claims(), testing::tdx_claims(), testing::sgx_claims()};
  for (const Claims& each : claims) {
    const Verdict verdict = appraise(
        each, *policy, {.at = testing::kNow, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}});
    if (verdict.result.has_value() == verdict.reason.has_value()) std::abort();
    if (policy->accept.empty() && verdict.result) std::abort();
  }
  return 0;
}
