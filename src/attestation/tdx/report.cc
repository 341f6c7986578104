#include "attestation/tdx/report.h"

namespace gateway::attestation::tdx {

Result<TdxClaims> parse_report_body(ByteView bytes) {
  constexpr ErrorId kSize = "tdx.report.size";
  ByteReader reader(bytes, kSize);
  TdxClaims report;
  GATEWAY_ASSIGN(report.tee_tcb_svn, reader.array<16>());
  GATEWAY_ASSIGN(report.mr_seam, reader.array<48>());
  GATEWAY_ASSIGN(report.mr_signer_seam, reader.array<48>());
  GATEWAY_ASSIGN(report.seam_attributes, reader.array<8>());
  GATEWAY_ASSIGN(report.td_attributes, reader.array<8>());
  GATEWAY_ASSIGN(report.xfam, reader.array<8>());
  GATEWAY_ASSIGN(report.mr_td, reader.array<48>());
  GATEWAY_ASSIGN(report.mr_config_id, reader.array<48>());
  GATEWAY_ASSIGN(report.mr_owner, reader.array<48>());
  GATEWAY_ASSIGN(report.mr_owner_config, reader.array<48>());
  for (ByteArray<48>& rtmr : report.rtmr) {
    GATEWAY_ASSIGN(rtmr, reader.array<48>());
  }
  GATEWAY_ASSIGN(report.report_data, reader.array<64>());
  if (!reader.empty()) {
    GATEWAY_ASSIGN(report.tee_tcb_svn_2, reader.array<16>());
    GATEWAY_ASSIGN(report.mr_service_td, reader.array<48>());
  }
  GATEWAY_TRY(reader.finish(kSize));
  return report;
}

bool is_debug(const TdxClaims& report) { return report.td_attributes[0] != 0; }

}  // namespace gateway::attestation::tdx
