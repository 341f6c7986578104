// What a policy file says of SNP, TDX and SGX.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/appraisal/policy.h"
#include "attestation/testing/fake_claims.h"

namespace gateway::attestation {
namespace {

using testing::sgx_entry;
using testing::snp_entry;
using testing::tdx_entry;

std::string digits(std::size_t count, char digit = 'a') { return std::string(count, digit); }

std::string refusal(const std::string& toml) {
  const auto policy = Policy::parse(toml, "policy.toml");
  return policy ? "" : std::string(policy.error().id());
}

PolicyEntry only(const std::string& toml) {
  const auto policy = Policy::parse(toml, "policy.toml");
  EXPECT_TRUE(policy) << policy.error().message();
  return policy ? policy->accept.at(0) : PolicyEntry{};
}

const std::string kFloor = "{ boot_loader = 3, tee = 0, snp = 8, microcode = 115 }";
std::string snp_head() {
  return "[[accept]]\nplatform = \"snp\"\nmeasurements = { measurement = \"" + digits(96) + "\" }\n";
}
std::string tdx_head() { return "[[accept]]\nplatform = \"tdx\"\nmin_tcb_evaluation_number = 17\n"; }
std::string sgx_head() { return "[[accept]]\nplatform = \"sgx\"\nmin_tcb_evaluation_number = 17\n"; }

TEST(PolicySnp, ReadsEveryKey) {
  const PolicyEntry entry =
      only(snp_head() +
           "min_tcb = { fmc = 1, boot_loader = 2, tee = 3, snp = 4, microcode = 255 }\nmin_committed_tcb = " + kFloor +
           "\nmin_launch_tcb = " + kFloor +
           "\nproduct = \"Turin\"\nsigning_key = \"vlek\"\ncsp_id = \"CN=x\"\nvmpl = 3\nallow_migration = "
           "true\nmin_abi = \"1.51\"\npolicy = { "
           "smt = false }\nplatform_info = { ecc_en = true }\nmin_guest_svn = 4294967295\nhost_data = \"" +
           digits(64) + "\"\nfamily_id = \"" + digits(32) + "\"\nimage_id = \"" + digits(32) +
           "\"\nid_key_digest = \"" + digits(96) + "\"\nauthor_key_digest = \"" + digits(96, 'b') +
           "\"\nchip_ids = [\"" + digits(128) + "\", \"" + digits(16) + "\"]\nreport_data = \"" + digits(128) +
           "\"\nconfig = \"sha384:" + digits(96) + "\"\nmax_age = \"1m\"\ndebug = true\n");
  EXPECT_EQ(entry.platform, Platform::kSnp);
  EXPECT_EQ(to_hex(*entry.snp.measurement), digits(96));
  EXPECT_EQ(entry.tcb.min_tcb->fmc, 1);
  EXPECT_EQ(entry.tcb.min_tcb->boot_loader, 2);
  EXPECT_EQ(entry.tcb.min_tcb->tee, 3);
  EXPECT_EQ(entry.tcb.min_tcb->snp, 4);
  EXPECT_EQ(entry.tcb.min_tcb->microcode, 255);
  EXPECT_EQ(entry.tcb.min_committed_tcb->microcode, 115);
  EXPECT_EQ(entry.tcb.min_launch_tcb->snp, 8);
  EXPECT_EQ(entry.snp.product, SnpProduct::kTurin);
  EXPECT_EQ(entry.snp.signing_key, SnpSigningKey::kVlek);
  EXPECT_EQ(entry.snp.csp_id, "CN=x");
  EXPECT_EQ(entry.snp.vmpl, 3U);
  EXPECT_TRUE(entry.allow_migration);
  EXPECT_EQ(entry.snp.min_abi->minor, 51);
  EXPECT_EQ(entry.snp.policy.at("smt"), false);
  EXPECT_EQ(entry.snp.platform_info.at("ecc_en"), true);
  EXPECT_EQ(entry.snp.min_guest_svn, 0xffffffffU);
  EXPECT_TRUE(entry.snp.host_data && entry.snp.family_id && entry.snp.image_id && entry.snp.id_key_digest &&
              entry.snp.author_key_digest);
  ASSERT_EQ(entry.snp.chip_ids.size(), 2U);
  EXPECT_EQ(to_hex(entry.snp.chip_ids[1]), digits(16) + digits(112, '0'));
  EXPECT_EQ(entry.report_data, Bytes(64, 0xaa));
  EXPECT_EQ(entry.max_age, std::chrono::minutes(1));
  EXPECT_TRUE(entry.insecure_allow_debug);
}

TEST(PolicySnp, HasDefaultsThatRefuse) {
  const PolicyEntry entry = only(snp_entry());
  EXPECT_EQ(entry.snp.vmpl, 0U);
  EXPECT_FALSE(entry.allow_migration);
  EXPECT_FALSE(entry.insecure_allow_debug);
  EXPECT_FALSE(entry.tcb.min_tcb->fmc);
  EXPECT_TRUE(entry.grace.empty());
}

TEST(PolicySnp, NeedsMeasurementAndMinimumTcb) {
  const std::string head = "[[accept]]\nplatform = \"snp\"\n";
  EXPECT_EQ(refusal(head + "min_tcb = " + kFloor + "\n"), "policy.measurements_missing");
  EXPECT_EQ(refusal(head + "measurements = {}\nmin_tcb = " + kFloor + "\n"), "policy.measurements_missing");
  EXPECT_EQ(refusal(snp_head()), "policy.min_tcb_missing");
  for (const char* incomplete :
       {"{}", "{ tee = 0, snp = 8, microcode = 115 }", "{ boot_loader = 3, snp = 8, microcode = 115 }",
        "{ boot_loader = 3, tee = 0, microcode = 115 }", "{ boot_loader = 3, tee = 0, snp = 8 }"}) {
    EXPECT_EQ(refusal(snp_head() + "min_tcb = " + incomplete + "\n"), "toml.missing_key") << incomplete;
  }
}

TEST(PolicySnp, RefusesKeysAndNamesThatItDoesNotKnow) {
  for (const char* unknown :
       {"min_tcb_evaluation_number = 1\n", "tcb_status = [\"UpToDate\"]\n", "regoins = []\n", "fmspcs = []\n"}) {
    EXPECT_EQ(refusal(snp_entry(unknown)), "toml.unknown_key") << unknown;
  }
  EXPECT_EQ(refusal(snp_entry("regions = [\"eu-central-1\"]\n")), "policy.regions_not_applicable");
  EXPECT_EQ(refusal(snp_entry("root = \"sha256:" + digits(64) + "\"\n")), "policy.root_not_applicable");
  EXPECT_EQ(refusal(snp_entry("policy = { migrate_ma = true }\n")), "toml.unknown_key");
  EXPECT_EQ(refusal(snp_entry("policy = { debug = true }\n")), "toml.unknown_key");
  EXPECT_EQ(refusal(snp_entry("platform_info = { ecc = true }\n")), "toml.unknown_key");
  EXPECT_EQ(refusal(snp_head() + "min_tcb = { bootloader = 3, tee = 0, snp = 8, microcode = 1 }\n"),
            "toml.missing_key");
  EXPECT_EQ(refusal(snp_head() + "min_tcb = { boot_loader = 3, tee = 0, snp = 8, microcode = 1, ucode = 1 }\n"),
            "toml.unknown_key");
  EXPECT_EQ(refusal("[[accept]]\nplatform = \"snp\"\nmin_tcb = " + kFloor + "\nmeasurements = { measurement = \"" +
                    digits(96) + "\", \"0\" = \"" + digits(96) + "\" }\n"),
            "toml.unknown_key");
}

TEST(PolicySnp, RefusesBadValues) {
  for (const std::string& bad : {std::string("vmpl = 4\n"),
                                 std::string("vmpl = -1\n"),
                                 std::string("min_guest_svn = 4294967296\n"),
                                 std::string("product = \"Rome\"\n"),
                                 std::string("product = \"milan\"\n"),
                                 std::string("signing_key = \"VCEK\"\n"),
                                 std::string("csp_id = \"CN=x\"\n"),
                                 std::string("signing_key = \"vcek\"\ncsp_id = \"CN=x\"\n"),
                                 std::string("signing_key = \"vlek\"\ncsp_id = \"\"\n"),
                                 std::string("min_abi = \"1\"\n"),
                                 std::string("min_abi = \"1.256\"\n"),
                                 std::string("min_abi = \"1.5.1\"\n"),
                                 std::string("min_abi = \".5\"\n"),
                                 std::string("min_abi = \"1.\"\n"),
                                 std::string("min_abi = \"0001.1\"\n"),
                                 "host_data = \"" + digits(62) + "\"\n",
                                 "host_data = \"" + digits(63) + "g\"\n",
                                 "id_key_digest = \"" + digits(64) + "\"\n",
                                 "report_data = \"" + digits(64) + "\"\n",
                                 std::string("chip_ids = []\n"),
                                 "chip_ids = [\"" + digits(126) + "\"]\n",
                                 "chip_ids = [\"" + digits(128, '0') + "\"]\n",
                                 "chip_ids = [\"" + digits(16, '0') + "\"]\n"}) {
    EXPECT_EQ(refusal(snp_entry(bad)), "toml.bad_value") << bad;
  }
  EXPECT_EQ(refusal(snp_head() + "min_tcb = { boot_loader = 256, tee = 0, snp = 8, microcode = 115 }\n"),
            "toml.bad_value");
  EXPECT_EQ(refusal(snp_head() + "min_tcb = { boot_loader = -1, tee = 0, snp = 8, microcode = 115 }\n"),
            "toml.bad_value");
  EXPECT_EQ(refusal(snp_head() + "min_tcb = 3\n"), "toml.wrong_type");
  std::string many = "chip_ids = [";
  for (int i = 0; i < 1025; ++i) many += "\"" + digits(16) + "\", ";
  EXPECT_EQ(refusal(snp_entry(many + "]\n")), "toml.bad_value");
}

TEST(PolicyTdx, ReadsEveryKey) {
  std::string registers;
  for (const char* name : {"mr_td", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mr_seam", "mr_signer_seam", "mr_config_id",
                           "mr_owner", "mr_owner_config", "mr_service_td"}) {
    registers += (registers.empty() ? "" : ", ") + std::string(name) + " = \"" + digits(96) + "\"";
  }
  const PolicyEntry entry = only(
      tdx_head() + "measurements = { " + registers +
      " }\ntcb_status = [\"UpToDate\", \"TDRelaunchAdvised\"]\nadvisories_allowed = "
      "[\"INTEL-SA-00615\"]\ninsecure_any_advisory = true\nallow_migration = true\ntd_attributes = { required = \"" +
      digits(16, '1') + "\", forbidden = \"" + digits(16, '2') + "\" }\nxfam = { forbidden = \"" + digits(16, '4') +
      "\" }\nfmspcs = [\"" + digits(12) + "\"]\nppids = [\"" + digits(32) + "\"]\n");
  EXPECT_EQ(entry.tdx.measurements.size(), 11U);
  EXPECT_EQ(entry.tcb.min_evaluation_number, 17U);
  EXPECT_THAT(entry.tcb.statuses, ::testing::ElementsAre("UpToDate", "TDRelaunchAdvised"));
  EXPECT_THAT(entry.tcb.advisories_allowed, ::testing::ElementsAre("INTEL-SA-00615"));
  EXPECT_TRUE(entry.tcb.insecure_any_advisory);
  EXPECT_TRUE(entry.allow_migration);
  EXPECT_EQ(to_hex(entry.tdx.td_attributes.required), digits(16, '1'));
  EXPECT_EQ(to_hex(entry.tdx.td_attributes.forbidden), digits(16, '2'));
  EXPECT_EQ(to_hex(entry.tdx.xfam.forbidden), digits(16, '4'));
  EXPECT_EQ(entry.tdx.fmspcs.size(), 1U);
  EXPECT_EQ(entry.tdx.ppids.size(), 1U);
}

TEST(PolicyTdx, AcceptsUpToDateAloneByDefault) {
  EXPECT_THAT(only(tdx_entry()).tcb.statuses, ::testing::ElementsAre("UpToDate"));
  EXPECT_THAT(only(sgx_entry()).tcb.statuses, ::testing::ElementsAre("UpToDate"));
  EXPECT_FALSE(only(tdx_entry()).tcb.insecure_any_advisory);
  EXPECT_FALSE(only(tdx_entry()).tdx.insecure_partial_measurements);
}

TEST(PolicyTdx, NeedsFirmwareAndRuntimeRegisters) {
  EXPECT_EQ(refusal(tdx_head()), "policy.measurements_missing");
  const auto with = [](const std::vector<std::string>& names, const std::string& more = {}) {
    std::string registers;
    for (const std::string& name : names)
      registers += (registers.empty() ? "" : ", ") + name + " = \"" + digits(96) + "\"";
    return refusal(tdx_head() + "measurements = { " + registers + " }\n" + more);
  };
  EXPECT_EQ(with({"mr_td", "rtmr0", "rtmr1", "rtmr2"}), "");
  EXPECT_EQ(with({"rtmr0", "rtmr1", "rtmr2"}), "policy.measurements_missing");
  EXPECT_EQ(with({"mr_td", "rtmr1", "rtmr2"}), "policy.measurements_missing");
  EXPECT_EQ(with({"mr_td", "rtmr0", "rtmr2"}), "policy.measurements_missing");
  EXPECT_EQ(with({"mr_td", "rtmr0", "rtmr1"}), "policy.measurements_missing");
  EXPECT_EQ(with({"mr_td", "rtmr1"}, "insecure_partial_measurements = true\n"), "");
  EXPECT_EQ(with({"rtmr1"}, "insecure_partial_measurements = true\n"), "policy.measurements_missing");
  EXPECT_EQ(with({"mr_td", "rtmr0", "rtmr1", "rtmr2", "rtmr4"}), "toml.unknown_key");
}

TEST(PolicyTdx, NeedsAMinimumEvaluationNumber) {
  EXPECT_EQ(refusal("[[accept]]\nplatform = \"tdx\"\nmeasurements = { mr_td = \"" + digits(96) +
                    "\" }\ninsecure_partial_measurements = true\n"),
            "policy.min_tcb_evaluation_number_missing");
  EXPECT_EQ(refusal("[[accept]]\nplatform = \"sgx\"\nmeasurements = { mr_enclave = \"" + digits(64) + "\" }\n"),
            "policy.min_tcb_evaluation_number_missing");
}

TEST(PolicyTdx, RefusesBadValues) {
  for (const std::string& bad :
       {std::string("tcb_status = []\n"), std::string("tcb_status = [\"Uptodate\"]\n"),
        std::string("tcb_status = [\"Revoked\"]\n"), std::string("tcb_status = [\"NotSupported\"]\n"),
        std::string("tcb_status = [\"Unknown\"]\n"), std::string("advisories_allowed = [\"\"]\n"),
        std::string("advisories_allowed = [\"*\"]\n"), "advisories_allowed = [\"" + digits(65) + "\"]\n",
        std::string("td_attributes = { required = \"00\" }\n"), std::string("fmspcs = []\n"),
        std::string("fmspcs = [\"00\"]\n"), std::string("ppids = [\"00\"]\n"),
        "xfam = { required = \"" + digits(16, '1') + "\", forbidden = \"" + digits(16, '3') + "\" }\n"}) {
    EXPECT_EQ(refusal(tdx_entry(bad)), "toml.bad_value") << bad;
  }
  EXPECT_EQ(refusal(tdx_entry("min_tcb = " + kFloor + "\n")), "toml.unknown_key");
  EXPECT_EQ(refusal(tdx_entry("td_attributes = { set = \"" + digits(16) + "\" }\n")), "toml.unknown_key");
  EXPECT_EQ(refusal(tdx_entry("vmpl = 0\n")), "toml.unknown_key");
}

TEST(PolicySgx, ReadsEveryKey) {
  const PolicyEntry entry =
      only(sgx_head() + "measurements = { mr_enclave = \"" + digits(64) + "\", mr_signer = \"" + digits(64, 'b') +
           "\", isv_prod_id = 65535, min_isv_svn = 1 }\nattributes = { required = \"" + digits(32, '1') +
           "\" }\nconfig_id = \"" + digits(128) + "\"\nmin_config_svn = 2\nisv_ext_prod_id = \"" + digits(32) +
           "\"\nisv_family_id = \"" + digits(32) + "\"\nfmspcs = [\"" + digits(12) + "\"]\nppids = [\"" + digits(32) +
           "\"]\n");
  EXPECT_TRUE(entry.sgx.mr_enclave && entry.sgx.mr_signer);
  EXPECT_EQ(entry.sgx.isv_prod_id, 65535);
  EXPECT_EQ(entry.sgx.min_isv_svn, 1);
  EXPECT_EQ(to_hex(entry.sgx.attributes.required), digits(32, '1'));
  EXPECT_TRUE(entry.sgx.config_id && entry.sgx.isv_ext_prod_id && entry.sgx.isv_family_id);
  EXPECT_EQ(entry.sgx.min_config_svn, 2);
  EXPECT_EQ(entry.sgx.fmspcs.size(), 1U);
  EXPECT_EQ(entry.sgx.ppids.size(), 1U);
}

TEST(PolicySgx, NeedsTheEnclaveOrSignerProductAndVersion) {
  const std::string signer = "mr_signer = \"" + digits(64) + "\"";
  const auto with = [](const std::string& values) {
    return refusal(sgx_head() + "measurements = { " + values + " }\n");
  };
  EXPECT_EQ(refusal(sgx_head()), "policy.measurements_missing");
  EXPECT_EQ(with("mr_enclave = \"" + digits(64) + "\""), "");
  EXPECT_EQ(with(signer + ", isv_prod_id = 0, min_isv_svn = 0"), "");
  EXPECT_EQ(with(signer), "policy.measurements_missing");
  EXPECT_EQ(with(signer + ", isv_prod_id = 0"), "policy.measurements_missing");
  EXPECT_EQ(with(signer + ", min_isv_svn = 0"), "policy.measurements_missing");
  EXPECT_EQ(with("isv_prod_id = 0, min_isv_svn = 0"), "policy.measurements_missing");
  EXPECT_EQ(with("mr_enclave = \"" + digits(64) + "\", isv_prod_id = 65536"), "toml.bad_value");
  EXPECT_EQ(with("mr_enclave = \"" + digits(96) + "\""), "toml.bad_value");
  EXPECT_EQ(with("mr_enclave = \"" + digits(64) + "\", isv_svn = 1"), "toml.unknown_key");
}

TEST(PolicyGrace, ReadsWindowsThatInheritWhatTheyDoNotName) {
  const PolicyEntry entry =
      only(tdx_entry("tcb_status = [\"UpToDate\"]\nadvisories_allowed = [\"INTEL-SA-1\"]\n"
                     "[[accept.grace]]\nuntil = \"2026-12-31T00:00:00Z\"\ntcb_status = [\"OutOfDate\"]\n"
                     "[[accept.grace]]\nuntil = \"2027-01-01T00:00:00Z\"\nmin_tcb_evaluation_number = 16\n"
                     "advisories_allowed = [\"INTEL-SA-2\"]\n"));
  ASSERT_EQ(entry.grace.size(), 2U);
  EXPECT_EQ(to_rfc3339(entry.grace[0].until), "2026-12-31T00:00:00Z");
  EXPECT_THAT(entry.grace[0].rules.statuses, ::testing::ElementsAre("UpToDate", "OutOfDate"));
  EXPECT_EQ(entry.grace[0].rules.min_evaluation_number, 17U);
  EXPECT_THAT(entry.grace[0].rules.advisories_allowed, ::testing::ElementsAre("INTEL-SA-1"));
  EXPECT_THAT(entry.grace[1].rules.statuses, ::testing::ElementsAre("UpToDate"));
  EXPECT_EQ(entry.grace[1].rules.min_evaluation_number, 16U);
  EXPECT_THAT(entry.grace[1].rules.advisories_allowed, ::testing::ElementsAre("INTEL-SA-1", "INTEL-SA-2"));
  const PolicyEntry snp =
      only(snp_entry("[[accept.grace]]\nuntil = \"2026-12-31T00:00:00Z\"\nmin_tcb = " + kFloor + "\n"));
  ASSERT_EQ(snp.grace.size(), 1U);
  EXPECT_EQ(snp.grace[0].rules.min_tcb->microcode, 115);
}

TEST(PolicyGrace, RefusesWindowsThatSayNothingOrTooMuch) {
  const std::string until = "[[accept.grace]]\nuntil = \"2026-12-31T00:00:00Z\"\n";
  EXPECT_EQ(refusal(tdx_entry(until)), "policy.grace_relaxes_nothing");
  EXPECT_EQ(refusal(snp_entry(until)), "policy.grace_relaxes_nothing");
  EXPECT_EQ(refusal(tdx_entry("[[accept.grace]]\ntcb_status = [\"OutOfDate\"]\n")), "toml.missing_key");
  EXPECT_EQ(refusal(tdx_entry("[[accept.grace]]\nuntil = \"soon\"\ntcb_status = [\"OutOfDate\"]\n")), "toml.bad_value");
  EXPECT_EQ(refusal(tdx_entry(until + "tcb_status = [\"Revoked\"]\n")), "toml.bad_value");
  EXPECT_EQ(refusal(tdx_entry(until + "min_tcb = " + kFloor + "\n")), "toml.unknown_key");
  EXPECT_EQ(refusal(snp_entry(until + "tcb_status = [\"OutOfDate\"]\n")), "toml.unknown_key");
  EXPECT_EQ(refusal(tdx_entry(until + "debug = true\n")), "toml.unknown_key");
  EXPECT_EQ(refusal("[[accept]]\nplatform = \"nitro\"\nmeasurements = { \"0\" = \"" + digits(96) + "\", \"1\" = \"" +
                    digits(96) + "\", \"2\" = \"" + digits(96) + "\" }\n" + until),
            "toml.unknown_key");
  std::string many;
  for (std::size_t i = 0; i <= kMaxGraceWindows; ++i) many += until + "tcb_status = [\"OutOfDate\"]\n";
  EXPECT_EQ(refusal(tdx_entry(many)), "toml.bad_value");
}

}  // namespace
}  // namespace gateway::attestation
