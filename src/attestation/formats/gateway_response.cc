#include "attestation/formats/gateway_response.h"

namespace gateway::attestation::formats {

bool looks_like_response(ByteView file) {
  // An array of six whose first item is the label: 0x86, 0x76, "gateway/attestation/v1".
  constexpr std::string_view kBegin = "\x86\x76gateway/attestation/v1";
  return file.size() > kBegin.size() && as_text(file.first(kBegin.size())) == kBegin;
}

Result<CarriedEvidence> carried_response(ByteView file) {
  GATEWAY_ASSIGN(AttestationResponse response, parse_response(file));
  GATEWAY_ASSIGN(const QuoteStatement quote, parse_quote(response.q));
  GATEWAY_ASSIGN(KeysStatement keys, parse_keys(quote.k));
  const crypto::Sha512 report_data = report_data_of(response.q);
  return CarriedEvidence{.format = Carrier::kGateway,
                         .evidence = std::move(response.evidence),
                         .binding = {.report_data = {to_bytes(ByteView(report_data))},
                                     .rule = "SHA-512 of the quote statement that came with it"},
                         .public_key = std::move(keys.ik_spki),
                         .nonce = {},
                         .config_digest = keys.config_digest,
                         .collateral = std::move(response.collateral)};
}

}  // namespace gateway::attestation::formats
