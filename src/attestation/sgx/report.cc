#include "attestation/sgx/report.h"

namespace gateway::attestation::sgx {
namespace {

constexpr std::uint8_t kAttributeDebug = 0x02;  // of the first byte of ATTRIBUTES.FLAGS

}  // namespace

Result<SgxReportBody> parse_report_body(ByteView bytes) {
  ByteReader reader(bytes, "sgx.report.size");
  constexpr ErrorId kReserved = "sgx.report.reserved_not_zero";
  SgxReportBody report;
  GATEWAY_ASSIGN(report.cpu_svn, reader.array<16>());
  GATEWAY_ASSIGN(report.misc_select, reader.u32le());
  GATEWAY_TRY(reader.zeros(12, kReserved));
  GATEWAY_ASSIGN(report.isv_ext_prod_id, reader.array<16>());
  GATEWAY_ASSIGN(report.attributes, reader.array<16>());
  GATEWAY_ASSIGN(report.mr_enclave, reader.array<32>());
  GATEWAY_TRY(reader.zeros(32, kReserved));
  GATEWAY_ASSIGN(report.mr_signer, reader.array<32>());
  GATEWAY_TRY(reader.zeros(32, kReserved));
  GATEWAY_ASSIGN(report.config_id, reader.array<64>());
  GATEWAY_ASSIGN(report.isv_prod_id, reader.u16le());
  GATEWAY_ASSIGN(report.isv_svn, reader.u16le());
  GATEWAY_ASSIGN(report.config_svn, reader.u16le());
  GATEWAY_TRY(reader.zeros(42, kReserved));
  GATEWAY_ASSIGN(report.isv_family_id, reader.array<16>());
  GATEWAY_ASSIGN(report.report_data, reader.array<64>());
  GATEWAY_TRY(reader.finish("sgx.report.size"));
  return report;
}

bool is_debug(const SgxReportBody& report) { return (report.attributes[0] & kAttributeDebug) != 0; }

}  // namespace gateway::attestation::sgx
