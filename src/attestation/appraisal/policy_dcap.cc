// The parts of TDX and SGX of a policy entry.
#include "attestation/appraisal/policy_fields.h"

namespace gateway::attestation::policy_fields {
namespace {

std::unexpected<Error> measurements_missing(const codec::TomlTable& table, std::string wanted, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, "policy.measurements_missing",
              where(table) + "expected measurements with " + std::move(wanted), std::move(remedy));
}

}  // namespace

Status read_tdx(codec::TomlTable& table, PolicyEntry& entry) {
  TdxReference& tdx = entry.tdx;
  GATEWAY_ASSIGN(auto measurements, table.optional_table("measurements"));
  if (measurements) {
    for (const TdxRegister& known : tdx_registers()) {
      GATEWAY_ASSIGN(const auto value, read_hex<48>(*measurements, known.name));
      if (value) tdx.measurements.emplace(known.name, *value);
    }
    GATEWAY_TRY(measurements->finish());
  }
  GATEWAY_ASSIGN(const auto partial, table.optional_boolean("insecure_partial_measurements"));
  tdx.insecure_partial_measurements = partial.value_or(false);
  if (!tdx.measurements.contains("mr_td")) {
    return measurements_missing(table, "mr_td, found none",
                                "without it any firmware could fill the other registers with what it likes");
  }
  for (const std::string_view needed : {"rtmr0", "rtmr1", "rtmr2"}) {
    if (tdx.measurements.contains(needed) || tdx.insecure_partial_measurements) continue;
    return measurements_missing(
        table, "mr_td, rtmr0, rtmr1 and rtmr2, found no " + std::string(needed),
        "mr_td is the firmware alone: the host chooses kernel and initrd. Name the registers, or say "
        "insecure_partial_measurements = true");
  }
  GATEWAY_TRY(read_intel_tcb(table, entry));
  GATEWAY_ASSIGN(const auto allow_migration, table.optional_boolean("allow_migration"));
  entry.allow_migration = allow_migration.value_or(false);
  GATEWAY_ASSIGN(tdx.td_attributes, read_bits<8>(table, "td_attributes"));
  GATEWAY_ASSIGN(tdx.xfam, read_bits<8>(table, "xfam"));
  GATEWAY_ASSIGN(tdx.fmspcs, read_hex_list<6>(table, "fmspcs"));
  GATEWAY_ASSIGN(tdx.ppids, read_hex_list<16>(table, "ppids"));
  return {};
}

Status read_sgx(codec::TomlTable& table, PolicyEntry& entry) {
  SgxReference& sgx = entry.sgx;
  GATEWAY_ASSIGN(auto measurements, table.optional_table("measurements"));
  if (measurements) {
    GATEWAY_ASSIGN(sgx.mr_enclave, read_hex<32>(*measurements, "mr_enclave"));
    GATEWAY_ASSIGN(sgx.mr_signer, read_hex<32>(*measurements, "mr_signer"));
    GATEWAY_ASSIGN(sgx.isv_prod_id, read_number<std::uint16_t>(*measurements, "isv_prod_id"));
    GATEWAY_ASSIGN(sgx.min_isv_svn, read_number<std::uint16_t>(*measurements, "min_isv_svn"));
    GATEWAY_TRY(measurements->finish());
  }
  if (!sgx.mr_enclave && (!sgx.mr_signer || !sgx.isv_prod_id || !sgx.min_isv_svn)) {
    return measurements_missing(
        table, "mr_enclave, or with mr_signer, isv_prod_id and min_isv_svn",
        "a signer's other products and its old, broken versions carry the same mr_signer: name all three");
  }
  GATEWAY_TRY(read_intel_tcb(table, entry));
  GATEWAY_ASSIGN(sgx.attributes, read_bits<16>(table, "attributes"));
  GATEWAY_ASSIGN(sgx.config_id, read_hex<64>(table, "config_id"));
  GATEWAY_ASSIGN(sgx.min_config_svn, read_number<std::uint16_t>(table, "min_config_svn"));
  GATEWAY_ASSIGN(sgx.isv_ext_prod_id, read_hex<16>(table, "isv_ext_prod_id"));
  GATEWAY_ASSIGN(sgx.isv_family_id, read_hex<16>(table, "isv_family_id"));
  GATEWAY_ASSIGN(sgx.fmspcs, read_hex_list<6>(table, "fmspcs"));
  GATEWAY_ASSIGN(sgx.ppids, read_hex_list<16>(table, "ppids"));
  return {};
}

}  // namespace gateway::attestation::policy_fields
