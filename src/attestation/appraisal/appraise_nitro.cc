// Nitro's part of an appraisal, and that of the local platform.
//
// Spec:   AWS Nitro Enclaves, "Where to get an enclave's measurements"; docs/trust.md §4; docs/policy.md.
// Errors: kPolicyRejected policy.{root,region,age}
#include "attestation/appraisal/entry_appraisal.h"

namespace gateway::attestation {
namespace {

void check_root(EntryAppraisal& appraisal) {
  const PolicyEntry& entry = appraisal.entry();
  if (entry.platform != Platform::kLocal) return;
  const auto& found = appraisal.claims().nitro().root_sha256;
  appraisal.require(entry.root_sha256 && *entry.root_sha256 == found, "policy.root",
                    entry.root_sha256 ? "sha256:" + to_hex(*entry.root_sha256) : std::string("a root in the policy"),
                    "sha256:" + to_hex(found),
                    "another machine's virtual NSM signed this; name its root only if you trust that machine");
}

void check_measurements(EntryAppraisal& appraisal) {
  const NitroClaims& claims = appraisal.claims().nitro();
  for (const auto& [index, expected] : appraisal.entry().measurements) {
    const auto found = claims.pcrs.find(index);
    const bool present = found != claims.pcrs.end();
    const std::string name = "PCR" + std::to_string(index) + " ";
    appraisal.require(present && found->second == expected, "policy.measurement", name + to_hex(expected),
                      name + (present ? to_hex(found->second) : std::string("absent")),
                      "the enclave runs another image than the policy names; compare with gateway inspect IMAGE.eif");
  }
}

void check_region(EntryAppraisal& appraisal) {
  const auto& regions = appraisal.entry().regions;
  if (regions.empty()) return;
  std::string expected;
  for (const std::string& region : regions) expected += (expected.empty() ? "" : ", ") + region;
  const auto& region = appraisal.claims().nitro().region;
  appraisal.require(region && std::ranges::find(regions, *region) != regions.end(), "policy.region", expected,
                    region ? *region : std::string("no region in the certificate chain"),
                    "the enclave runs outside the regions that the policy allows");
}

// Both ways: evidence far from the future is as little fresh as old evidence, and one of the two clocks is wrong.
void check_age(EntryAppraisal& appraisal) {
  const Time timestamp = appraisal.claims().nitro().timestamp;
  const Duration age = appraisal.at() - timestamp;
  const Duration most = appraisal.entry().max_age;
  appraisal.require(
      age <= most && -age <= most, "policy.age",
      "a timestamp within " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(most).count()) +
          " s of " + to_rfc3339(appraisal.at()),
      to_rfc3339(timestamp),
      "ask for fresh evidence; if it is fresh, check this machine's clock (for a stored document give --at)");
}

}  // namespace

void appraise_nitro(EntryAppraisal& appraisal) {
  check_root(appraisal);
  appraisal.check_debug();
  check_measurements(appraisal);
  check_region(appraisal);
  check_age(appraisal);
}

}  // namespace gateway::attestation
