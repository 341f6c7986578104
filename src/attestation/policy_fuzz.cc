// Policies of operators: read strictly, and never accepting without measurements.
#include <cstdlib>

#include "attestation/appraisal/appraise.h"
#include "attestation/testing/fake_vendor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  const auto policy = Policy::parse(as_text(ByteView(bytes, size)), "policy.toml");
  if (!policy) return 0;
  for (const PolicyEntry& entry : policy->accept) {
    for (const unsigned needed : {0U, 1U, 2U}) {
      if (!entry.measurements.contains(needed)) std::abort();
    }
    if (entry.platform == Platform::kLocal && !entry.root_sha256) std::abort();
  }
  static const Claims claims = testing::fake_nitro().authenticate(testing::fake_nitro().document()).value();
  const Verdict verdict = appraise(
      claims, *policy, {.at = testing::kNow, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}});
  if (verdict.result.has_value() == verdict.reason.has_value()) std::abort();
  if (policy->accept.empty() && verdict.result) std::abort();
  return 0;
}
