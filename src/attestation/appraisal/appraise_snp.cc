// SEV-SNP's part of an appraisal. Reports carry no time: their age is bounded by the session that brings them.
//
// Spec:   AMD 56860, ATTESTATION_REPORT, GUEST_POLICY and PLATFORM_INFO; AMD 57230 (product, CSP id); docs/policy.md.
// Errors: kPolicyRejected policy.{measurement,guest_svn,host_data,family_id,image_id,id_key_digest,author_key_digest,
//         vmpl,migration,guest_policy,platform_info,min_abi,product,signing_key,csp_id,chip_id}
#include "attestation/appraisal/entry_appraisal.h"

namespace gateway::attestation {
namespace {

constexpr const char* kLaunchedOtherwise = "the guest was launched with another value; ask the operator for the change";

void check_identity(EntryAppraisal& appraisal) {
  const SnpReference& expected = appraisal.entry().snp;
  const SnpClaims& found = appraisal.claims().snp();
  // Absent only in entries that no policy file made: refused all the same.
  appraisal.require(expected.measurement == found.measurement, "policy.measurement",
                    expected.measurement ? "measurement " + to_hex(*expected.measurement)
                                         : std::string("a measurement in the policy"),
                    "measurement " + to_hex(found.measurement),
                    "the guest was launched from other firmware, kernel, initrd, cmdline or with other vCPUs than the "
                    "policy names; compare with gateway inspect IMAGE.eif --snp");
  appraisal.require(found.guest_svn >= expected.min_guest_svn, "policy.guest_svn",
                    "at least " + std::to_string(expected.min_guest_svn), std::to_string(found.guest_svn),
                    "this is an older version of the guest than the policy accepts");
  appraisal.require_equal(expected.host_data, found.host_data, "policy.host_data", "host_data", kLaunchedOtherwise);
  appraisal.require_equal(expected.family_id, found.family_id, "policy.family_id", "family_id", kLaunchedOtherwise);
  appraisal.require_equal(expected.image_id, found.image_id, "policy.image_id", "image_id", kLaunchedOtherwise);
  appraisal.require_equal(expected.id_key_digest, found.id_key_digest, "policy.id_key_digest", "id_key_digest",
                          "another key signed the guest's id block");
  if (expected.author_key_digest) {
    appraisal.require(found.author_key_en && *expected.author_key_digest == found.author_key_digest,
                      "policy.author_key_digest", to_hex(*expected.author_key_digest),
                      found.author_key_en ? to_hex(found.author_key_digest) : std::string("no author key"),
                      "another author key, or none, certified the key of the guest's id block");
  }
}

// The privilege level that asked for the report: software at a lower level (a higher number) is not what was measured.
void check_vmpl(EntryAppraisal& appraisal) {
  const std::uint32_t expected = appraisal.entry().snp.vmpl;
  const std::uint32_t found = appraisal.claims().snp().vmpl;
  appraisal.require(found == expected, "policy.vmpl", "VMPL " + std::to_string(expected),
                    "VMPL " + std::to_string(found),
                    "the report was asked for at another privilege level; name it with vmpl = … if that is meant");
}

std::string bit_words(std::string_view name, bool set) { return std::string(name) + (set ? " set" : " clear"); }

template <class Bits, class Of>
void check_bits(EntryAppraisal& appraisal, const std::map<std::string, bool, std::less<>>& wanted, Bits known,
                const Of& found, ErrorId id) {
  for (const auto& [name, bit] : known) {
    const auto at = wanted.find(name);
    if (at == wanted.end()) continue;
    appraisal.require(found.*bit == at->second, id, bit_words(name, at->second), bit_words(name, found.*bit),
                      "the guest's policy or the platform's configuration differs; ask the operator");
  }
}

void check_guest_policy(EntryAppraisal& appraisal) {
  const PolicyEntry& entry = appraisal.entry();
  const SnpClaims& found = appraisal.claims().snp();
  appraisal.require(
      entry.allow_migration || !found.policy.migrate_ma, "policy.migration",
      entry.allow_migration ? "a migration agent allowed by the policy" : "no migration agent",
      found.policy.migrate_ma ? "the guest may be bound to a migration agent" : "no migration agent",
      "a migration agent can move the guest's memory elsewhere; allow_migration = true only if you trust the agent");
  check_bits(appraisal, entry.snp.policy, snp_policy_bits(), found.policy, "policy.guest_policy");
  check_bits(appraisal, entry.snp.platform_info, snp_platform_bits(), found.platform_info, "policy.platform_info");
  if (const auto& abi = entry.snp.min_abi) {
    const auto words = [](unsigned major, unsigned minor) {
      return std::to_string(major) + "." + std::to_string(minor);
    };
    const bool enough = found.policy.abi_major > abi->major ||
                        (found.policy.abi_major == abi->major && found.policy.abi_minor >= abi->minor);
    appraisal.require(enough, "policy.min_abi", "a guest policy of ABI " + words(abi->major, abi->minor) + " or later",
                      words(found.policy.abi_major, found.policy.abi_minor),
                      "the guest's policy lets older firmware run it; launch it with a higher minimum ABI");
  }
}

void check_chip(EntryAppraisal& appraisal) {
  const SnpReference& expected = appraisal.entry().snp;
  const SnpClaims& found = appraisal.claims().snp();
  if (expected.product) {
    appraisal.require(*expected.product == found.product, "policy.product", std::string(to_string(*expected.product)),
                      std::string(to_string(found.product)),
                      "TCB components of one product mean nothing on another: give each product an entry of its own");
  }
  if (expected.signing_key) {
    appraisal.require(*expected.signing_key == found.signing_key, "policy.signing_key",
                      std::string(to_string(*expected.signing_key)), std::string(to_string(found.signing_key)),
                      "another key of AMD's vouches for this report than the policy names");
  }
  if (expected.csp_id) {
    appraisal.require(found.csp_id == expected.csp_id, "policy.csp_id", *expected.csp_id,
                      found.csp_id ? std::string("another provider's key") : std::string("no provider's key"),
                      "AMD lent the signing key to another provider than the policy names");
  }
  appraisal.require_listed(expected.chip_ids, found.chip_id, "policy.chip_id", "chips",
                           "the guest runs on a chip that the policy does not list (zeros: the chip id is masked)");
}

}  // namespace

void appraise_snp(EntryAppraisal& appraisal) {
  appraisal.check_debug();
  check_identity(appraisal);
  check_vmpl(appraisal);
  check_guest_policy(appraisal);
  check_chip(appraisal);
  appraisal.check_revocation();
  appraise_snp_tcb(appraisal);
}

}  // namespace gateway::attestation
