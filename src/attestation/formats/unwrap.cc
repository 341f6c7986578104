#include "attestation/formats/unwrap.h"

#include "attestation/formats/bundle.h"
#include "attestation/formats/certificate.h"
#include "attestation/formats/gateway_response.h"
#include "attestation/formats/open_enclave.h"
#include "codec/der.h"

namespace gateway::attestation::formats {
namespace {

// One DER SEQUENCE and nothing behind it. No evidence begins like that.
bool looks_like_der(ByteView file) {
  codec::DerReader reader(file);
  return reader.next_is(codec::der_tag::kSequence) && reader.any() && reader.finish();
}

// A line that begins a certificate, early in a file of text. Quotes hold certificates in PEM too, but begin with a
// binary version; documents in JSON may hold them as strings.
bool looks_like_pem(ByteView file) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::size_t kSearched = 4096;
  if (file.empty()) return false;
  const std::uint8_t first = file.front();
  const bool text = (first >= 0x20 && first < 0x7f) || first == '\n' || first == '\r' || first == '\t';
  if (!text || first == '{' || first == '[') return false;
  const std::string_view head = as_text(file.first(std::min(file.size(), kSearched)));
  if (head.starts_with(kBegin)) return true;
  const std::size_t at = head.find("\n" + std::string(kBegin));
  return at != std::string_view::npos;
}

// Looks inside `file` and keeps what it finds there; leaves `carried` empty for evidence that stands on its own.
Status look_inside(ByteView file, std::optional<CarriedEvidence>& carried) {
  if (looks_like_der(file) || looks_like_pem(file)) {
    GATEWAY_ASSIGN(carried, evidence_in_certificate(file));
  } else if (looks_like_response(file)) {
    GATEWAY_ASSIGN(carried, carried_response(file));
  } else if (looks_like_open_enclave(file)) {
    GATEWAY_ASSIGN(carried, carried_open_enclave(file));
  }
  return {};
}

}  // namespace

Result<Unwrapped> unwrap(ByteView file) {
  Unwrapped out;
  out.raw_ = file;
  if (looks_like_bundle(file)) {
    GATEWAY_ASSIGN(Bundle bundle, parse_bundle(file));
    if (looks_like_bundle(bundle.evidence)) {
      return fail(ErrorCode::kMalformed, "bundle.nested", "expected evidence in the bundle, found another bundle",
                  "make the bundle again from the evidence itself");
    }
    out.bundled_ = true;
    out.raw_ = bundle.evidence;
    out.collateral_ = std::move(bundle.collateral);
  }
  GATEWAY_TRY(look_inside(out.raw_, out.carried_));
  return out;
}

}  // namespace gateway::attestation::formats
