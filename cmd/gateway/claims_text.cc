#include "claims_text.h"

#include <algorithm>

#include "terminal.h"

namespace gateway::cli {
namespace {

using namespace attestation;

constexpr std::size_t kLabelWidth = 15;

bool all_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// Fields that are zero unless somebody used them.
void add_unless_zero(ClaimLines& lines, const char* label, ByteView bytes) {
  if (!all_zero(bytes)) lines.emplace_back(label, to_hex(bytes));
}

void add_nitro(ClaimLines& lines, const NitroClaims& nitro) {
  lines.emplace_back("module", nitro.module_id);
  lines.emplace_back("made at", to_rfc3339(nitro.timestamp));
  if (nitro.region) lines.emplace_back("region", *nitro.region);
  for (const auto& [index, value] : nitro.pcrs) {
    if (!all_zero(value) || index <= 2) lines.emplace_back("PCR" + std::to_string(index), to_hex(value));
  }
}

std::string text_of(const SnpTcb& tcb) {
  return (tcb.fmc ? "fmc " + std::to_string(*tcb.fmc) + ", " : std::string()) + "boot_loader " +
         std::to_string(tcb.boot_loader) + ", tee " + std::to_string(tcb.tee) + ", snp " + std::to_string(tcb.snp) +
         ", microcode " + std::to_string(tcb.microcode);
}

std::string guest_policy_text(const SnpPolicy& policy) {
  std::string text = "ABI " + std::to_string(policy.abi_major) + "." + std::to_string(policy.abi_minor);
  text += policy.smt ? ", SMT allowed" : ", no SMT";
  text += policy.migrate_ma ? ", MIGRATION AGENT allowed" : ", no migration agent";
  if (policy.single_socket) text += ", single socket";
  return text;
}

void add_snp(ClaimLines& lines, const SnpClaims& snp) {
  lines.emplace_back("product", std::string(to_string(snp.product)) + ", report version " +
                                    std::to_string(snp.version) + ", signed by a " +
                                    (snp.signing_key == SnpSigningKey::kVcek ? "VCEK" : "VLEK"));
  lines.emplace_back("measurement", to_hex(snp.measurement));
  add_unless_zero(lines, "host data", snp.host_data);
  add_unless_zero(lines, "report data", snp.report_data);
  lines.emplace_back("VMPL", std::to_string(snp.vmpl));
  lines.emplace_back("guest policy", guest_policy_text(snp.policy));
  if (snp.guest_svn != 0) lines.emplace_back("guest SVN", std::to_string(snp.guest_svn));
  lines.emplace_back("reported TCB", text_of(snp.reported_tcb));
  for (const auto& [label, tcb] :
       {std::pair{"current TCB", &snp.current_tcb}, std::pair{"committed TCB", &snp.committed_tcb},
        std::pair{"launch TCB", &snp.launch_tcb}}) {
    if (tcb->raw != snp.reported_tcb.raw) lines.emplace_back(label, text_of(*tcb));
  }
  lines.emplace_back("chip", all_zero(snp.chip_id) ? std::string("masked") : to_hex(snp.chip_id));
  add_unless_zero(lines, "id key", snp.id_key_digest);
  if (snp.author_key_en) lines.emplace_back("author key", to_hex(snp.author_key_digest));
}

void add_tcb(ClaimLines& lines, const Claims& claims) {
  const auto& tcb = claims.tcb();
  if (!tcb) return;
  std::string text = tcb->status;
  if (tcb->evaluation_number) text += ", evaluation number " + std::to_string(*tcb->evaluation_number);
  if (tcb->next_update) text += ", to be renewed by " + to_rfc3339(*tcb->next_update);
  lines.emplace_back("TCB", text);
  for (const std::string& advisory : tcb->advisories) lines.emplace_back("advisory", advisory);
}

void add_dcap(ClaimLines& lines, const DcapPlatform& platform) {
  lines.emplace_back("quote", "version " + std::to_string(platform.quote_version));
  lines.emplace_back("FMSPC", to_hex(platform.fmspc));
}

void add_tdx(ClaimLines& lines, const TdxClaims& tdx) {
  add_dcap(lines, tdx.platform);
  lines.emplace_back("MRTD", to_hex(tdx.mr_td));
  for (std::size_t i = 0; i < tdx.rtmr.size(); ++i)
    lines.emplace_back("RTMR" + std::to_string(i), to_hex(tdx.rtmr.at(i)));
  add_unless_zero(lines, "MRCONFIGID", tdx.mr_config_id);
  add_unless_zero(lines, "MROWNER", tdx.mr_owner);
  add_unless_zero(lines, "MROWNERCONFIG", tdx.mr_owner_config);
  if (tdx.mr_service_td) add_unless_zero(lines, "MRSERVICETD", *tdx.mr_service_td);
  lines.emplace_back("TDX module", to_hex(tdx.mr_seam));
  lines.emplace_back("attributes", to_hex(tdx.td_attributes));
  lines.emplace_back("XFAM", to_hex(tdx.xfam));
  add_unless_zero(lines, "report data", tdx.report_data);
}

void add_sgx(ClaimLines& lines, const SgxClaims& sgx) {
  add_dcap(lines, sgx.platform);
  lines.emplace_back("MRENCLAVE", to_hex(sgx.report.mr_enclave));
  lines.emplace_back("MRSIGNER", to_hex(sgx.report.mr_signer));
  lines.emplace_back("product, SVN",
                     std::to_string(sgx.report.isv_prod_id) + ", " + std::to_string(sgx.report.isv_svn));
  lines.emplace_back("attributes", to_hex(sgx.report.attributes));
  add_unless_zero(lines, "CONFIGID", sgx.report.config_id);
  add_unless_zero(lines, "report data", sgx.report.report_data);
}

const char* revocation_text(Revocation revocation) {
  return revocation == Revocation::kChecked ? "checked" : "UNKNOWN: no revocation list that covers the chain was given";
}

}  // namespace

ClaimLines claim_lines(const Claims& claims) {
  ClaimLines lines;
  lines.emplace_back("platform", std::string(to_string(claims.platform())) + (claims.debug() ? ", DEBUG MODE" : ""));
  lines.emplace_back("valid",
                     to_rfc3339(claims.validity().not_before) + " to " + to_rfc3339(claims.validity().not_after));
  switch (claims.platform()) {
    case Platform::kNitro:
    case Platform::kLocal: add_nitro(lines, claims.nitro()); break;
    case Platform::kSnp: add_snp(lines, claims.snp()); break;
    case Platform::kTdx: add_tdx(lines, claims.tdx()); break;
    case Platform::kSgx: add_sgx(lines, claims.sgx()); break;
  }
  add_tcb(lines, claims);
  if (!claims.of_nitro_format()) lines.emplace_back("revocation", revocation_text(claims.revocation()));
  return lines;
}

void print_claims(const Claims& claims) {
  for (const auto& [label, value] : claim_lines(claims)) {
    print_line("  " + label + std::string(label.size() < kLabelWidth ? kLabelWidth - label.size() : 1, ' ') + value);
  }
}

}  // namespace gateway::cli
