#include "attestation/testing/fake_claims.h"

#include "attestation/model/claims_builder.h"

namespace gateway::attestation::testing {
namespace {

template <std::size_t N>
ByteArray<N> filled(std::uint8_t fill) {
  ByteArray<N> out{};
  out.fill(fill);
  return out;
}

template <class Fields>
Claims claims(Platform platform, Fields fields, const std::function<void(Fields&, Found&)>& change) {
  Found found;
  if (change) change(fields, found);
  ClaimsBuilder builder(platform);
  builder.debug(found.debug)
      .validity({kNow - std::chrono::days(1), kNow + std::chrono::days(1)})
      .revocation(found.revocation)
      .fields(std::move(fields));
  if (platform != Platform::kSnp) builder.tcb(found.tcb);
  return std::move(builder).build();
}

DcapPlatform dcap_platform() {
  DcapPlatform platform;
  platform.quote_version = 4;
  platform.fmspc = {0x00, 0x80, 0x6f, 0x05, 0x00, 0x00};
  platform.ppid = filled<16>(0x99);
  platform.pce_svn = 11;
  platform.pck_ca = "platform";
  return platform;
}

}  // namespace

SnpClaims snp_fields() {
  SnpClaims snp;
  snp.version = 3;
  snp.product = SnpProduct::kMilan;
  snp.signing_key = SnpSigningKey::kVcek;
  snp.guest_svn = 5;
  snp.policy = {.abi_minor = 51, .abi_major = 1, .smt = true, .raw = 0x30133};
  snp.platform_info = {.smt_en = true, .tsme_en = false, .ecc_en = true, .raw = 0x5};
  snp.report_data = filled<64>(0x11);
  snp.measurement = filled<48>(0x22);
  snp.host_data = filled<32>(0x33);
  snp.family_id = filled<16>(0x44);
  snp.image_id = filled<16>(0x55);
  snp.author_key_en = true;
  snp.id_key_digest = filled<48>(0x66);
  snp.author_key_digest = filled<48>(0x77);
  snp.chip_id = filled<64>(0x88);
  snp.reported_tcb = {.fmc = {}, .boot_loader = 4, .tee = 0, .snp = 22, .microcode = 213, .raw = 0xd516000000000004};
  snp.current_tcb = snp.committed_tcb = snp.launch_tcb = snp.reported_tcb;
  snp.current_version = snp.committed_version = {.major = 1, .minor = 55, .build = 21};
  return snp;
}

TdxClaims tdx_fields() {
  TdxClaims tdx;
  tdx.platform = dcap_platform();
  tdx.tee_tcb_svn = filled<16>(0x05);
  tdx.mr_seam = filled<48>(0x10);
  tdx.td_attributes = {0, 0, 0, 0x10, 0, 0, 0, 0};  // SEPT_VE_DISABLE
  tdx.xfam = {0xe7, 0, 0, 0, 0, 0, 0, 0};
  tdx.mr_td = filled<48>(0x20);
  tdx.mr_config_id = filled<48>(0x30);
  tdx.mr_owner = filled<48>(0x31);
  tdx.mr_owner_config = filled<48>(0x32);
  for (std::uint8_t i = 0; i < 4; ++i) tdx.rtmr.at(i) = filled<48>(static_cast<std::uint8_t>(0x40 + i));
  tdx.report_data = filled<64>(0x11);
  return tdx;
}

SgxClaims sgx_fields() {
  SgxClaims sgx;
  sgx.platform = dcap_platform();
  sgx.platform.quote_version = 3;
  sgx.report.attributes = {0x05, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0, 0, 0, 0, 0, 0, 0};
  sgx.report.mr_enclave = filled<32>(0x50);
  sgx.report.mr_signer = filled<32>(0x51);
  sgx.report.config_id = filled<64>(0x52);
  sgx.report.isv_prod_id = 7;
  sgx.report.isv_svn = 3;
  sgx.report.config_svn = 2;
  sgx.report.isv_ext_prod_id = filled<16>(0x53);
  sgx.report.isv_family_id = filled<16>(0x54);
  sgx.report.report_data = filled<64>(0x11);
  return sgx;
}

Claims snp_claims(const std::function<void(SnpClaims&, Found&)>& change) {
  return claims(Platform::kSnp, snp_fields(), change);
}
Claims tdx_claims(const std::function<void(TdxClaims&, Found&)>& change) {
  return claims(Platform::kTdx, tdx_fields(), change);
}
Claims sgx_claims(const std::function<void(SgxClaims&, Found&)>& change) {
  return claims(Platform::kSgx, sgx_fields(), change);
}

std::string snp_entry(const std::string& more) {
  return "[[accept]]\nplatform = \"snp\"\nmeasurements = { measurement = \"" + to_hex(filled<48>(0x22)) +
         "\" }\nmin_tcb = { boot_loader = 4, tee = 0, snp = 22, microcode = 213 }\n" + more;
}

std::string tdx_entry(const std::string& more) {
  std::string registers = "mr_td = \"" + to_hex(filled<48>(0x20)) + "\"";
  for (std::uint8_t i = 0; i < 3; ++i) {
    const auto value = filled<48>(static_cast<std::uint8_t>(0x40 + i));
    registers += ", rtmr" + std::to_string(i) + " = \"" + to_hex(value) + "\"";
  }
  return "[[accept]]\nplatform = \"tdx\"\nmeasurements = { " + registers + " }\nmin_tcb_evaluation_number = 17\n" +
         more;
}

std::string sgx_entry(const std::string& more) {
  return "[[accept]]\nplatform = \"sgx\"\nmeasurements = { mr_enclave = \"" + to_hex(filled<32>(0x50)) +
         "\" }\nmin_tcb_evaluation_number = 17\n" + more;
}

}  // namespace gateway::attestation::testing
