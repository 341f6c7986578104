// The parts of TDX and SGX of an appraisal. Quotes carry no time: their age is bounded by the session that brings them.
//
// Spec:   Intel TDX Module ABI (ATTRIBUTES, XFAM, TDINFO), Intel SDM vol. 3D (ATTRIBUTES, REPORT), Intel SGX PCK
//         Certificate and CRL Profile (FMSPC, PPID); docs/policy.md.
// Errors: kPolicyRejected policy.{td_attributes,xfam,attributes,isv_prod_id,isv_svn,isv_ext_prod_id,isv_family_id,
//         config_id,config_svn,fmspc,ppid}
#include "attestation/appraisal/entry_appraisal.h"

namespace gateway::attestation {
namespace {

constexpr std::size_t kMigratableByte = 3;  // ATTRIBUTES bit 29
constexpr std::uint8_t kMigratableBit = 0x20;
constexpr const char* kLaunchedOtherwise = "it was launched with another value; ask the operator for the change";
constexpr const char* kOtherPlatform = "it runs on a platform that the policy does not list";

void check_registers(EntryAppraisal& appraisal) {
  const TdxReference& expected = appraisal.entry().tdx;
  const TdxClaims& claims = appraisal.claims().tdx();
  for (const TdxRegister& known : tdx_registers()) {
    const auto at = expected.measurements.find(known.name);
    const std::string name = std::string(known.name) + " ";
    if (at == expected.measurements.end()) {
      // Absent only in entries that no policy file made: refused all the same.
      const bool needed =
          known.name == "mr_td" || (!expected.insecure_partial_measurements &&
                                    (known.name == "rtmr0" || known.name == "rtmr1" || known.name == "rtmr2"));
      if (needed) {
        appraisal.require(false, "policy.measurement", "a value of " + name + "in the policy", "none",
                          "without it other software could stand behind this quote");
      }
      continue;
    }
    const ByteArray<48>* const found = known.of(claims);
    appraisal.require(found != nullptr && *found == at->second, "policy.measurement", name + to_hex(at->second),
                      name + (found != nullptr ? to_hex(*found) : std::string("absent")),
                      "the TD runs other firmware, kernel, initrd or cmdline than the policy names");
  }
}

}  // namespace

void appraise_tdx(EntryAppraisal& appraisal) {
  const PolicyEntry& entry = appraisal.entry();
  const TdxClaims& claims = appraisal.claims().tdx();
  appraisal.check_debug();
  check_registers(appraisal);
  const bool migratable = (claims.td_attributes.at(kMigratableByte) & kMigratableBit) != 0;
  appraisal.require(
      entry.allow_migration || !migratable, "policy.migration",
      entry.allow_migration ? "migration allowed by the policy" : "a TD that cannot migrate",
      migratable ? "MIGRATABLE is set" : "it cannot migrate",
      "a migration TD can move this TD elsewhere; allow_migration = true only if you trust it (see mr_service_td)");
  appraisal.require_bits(entry.tdx.td_attributes, claims.td_attributes, "policy.td_attributes", kLaunchedOtherwise);
  appraisal.require_bits(entry.tdx.xfam, claims.xfam, "policy.xfam", kLaunchedOtherwise);
  appraisal.require_listed(entry.tdx.fmspcs, claims.platform.fmspc, "policy.fmspc", "platform models", kOtherPlatform);
  appraisal.require_listed(entry.tdx.ppids, claims.platform.ppid, "policy.ppid", "platforms", kOtherPlatform);
  appraisal.check_revocation();
  appraise_intel_tcb(appraisal);
}

namespace {

void check_enclave(EntryAppraisal& appraisal) {
  const SgxReference& expected = appraisal.entry().sgx;
  const SgxReportBody& found = appraisal.claims().sgx().report;
  // Neither is absent but in entries that no policy file made: refused all the same.
  if (!expected.mr_enclave && (!expected.mr_signer || !expected.isv_prod_id || !expected.min_isv_svn)) {
    appraisal.require(false, "policy.measurement",
                      "mr_enclave, or mr_signer with isv_prod_id and min_isv_svn, in the policy", "neither",
                      "without it any enclave could stand behind this quote");
  }
  appraisal.require_equal(expected.mr_enclave, found.mr_enclave, "policy.measurement", "mr_enclave",
                          "another enclave runs than the policy names");
  appraisal.require_equal(expected.mr_signer, found.mr_signer, "policy.measurement", "mr_signer",
                          "somebody else signed the enclave that runs");
  if (expected.isv_prod_id) {
    appraisal.require(*expected.isv_prod_id == found.isv_prod_id, "policy.isv_prod_id",
                      std::to_string(*expected.isv_prod_id), std::to_string(found.isv_prod_id),
                      "this is another product of the same signer");
  }
  if (expected.min_isv_svn) {
    appraisal.require(found.isv_svn >= *expected.min_isv_svn, "policy.isv_svn",
                      "at least " + std::to_string(*expected.min_isv_svn), std::to_string(found.isv_svn),
                      "this is an older version of the enclave than the policy accepts");
  }
  appraisal.require_equal(expected.isv_ext_prod_id, found.isv_ext_prod_id, "policy.isv_ext_prod_id", "isv_ext_prod_id",
                          kLaunchedOtherwise);
  appraisal.require_equal(expected.isv_family_id, found.isv_family_id, "policy.isv_family_id", "isv_family_id",
                          kLaunchedOtherwise);
  appraisal.require_equal(expected.config_id, found.config_id, "policy.config_id", "config_id", kLaunchedOtherwise);
  if (expected.min_config_svn) {
    appraisal.require(found.config_svn >= *expected.min_config_svn, "policy.config_svn",
                      "at least " + std::to_string(*expected.min_config_svn), std::to_string(found.config_svn),
                      "this is an older version of the configuration than the policy accepts");
  }
}

}  // namespace

void appraise_sgx(EntryAppraisal& appraisal) {
  const SgxReference& expected = appraisal.entry().sgx;
  const SgxClaims& claims = appraisal.claims().sgx();
  appraisal.check_debug();
  check_enclave(appraisal);
  appraisal.require_bits(expected.attributes, claims.report.attributes, "policy.attributes", kLaunchedOtherwise);
  appraisal.require_listed(expected.fmspcs, claims.platform.fmspc, "policy.fmspc", "platform models", kOtherPlatform);
  appraisal.require_listed(expected.ppids, claims.platform.ppid, "policy.ppid", "platforms", kOtherPlatform);
  appraisal.check_revocation();
  appraise_intel_tcb(appraisal);
}

}  // namespace gateway::attestation
