#include "attestation/formats/carried.h"

#include <algorithm>

namespace gateway::attestation::formats {
namespace {

constexpr std::size_t kReportDataSize = 64;

bool all_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// SNP, TDX and SGX have 64 bytes, of which a shorter statement fills the front; a Nitro document has what it was given.
bool says(ByteView report_data, ByteView statement) {
  if (report_data.size() < statement.size()) return false;
  const ByteView behind = report_data.subspan(statement.size());
  return equal(report_data.first(statement.size()), statement) && all_zero(behind) &&
         (behind.empty() || report_data.size() == kReportDataSize);
}

}  // namespace

std::string_view to_string(Carrier carrier) {
  switch (carrier) {
    case Carrier::kRaTls: return "ra-tls";
    case Carrier::kCmw: return "cmw";
    case Carrier::kOpenEnclaveReport: return "open-enclave.report";
    case Carrier::kOpenEnclaveEvidence: return "open-enclave.evidence";
    case Carrier::kGramineLegacy: return "gramine.legacy";
    case Carrier::kDstack: return "dstack";
    case Carrier::kEvervault: return "evervault";
    case Carrier::kGateway: return "gateway";
  }
  return {};
}

Status check_binding(const CarriedEvidence& carried, const Claims& claims, CheckList& checks) {
  if (carried.binding.report_data.empty()) {
    return checks.refused(ErrorCode::kUnsupported, "carrier.unbound", "evidence that says whose public key it is for",
                          "evidence in a form that ties it to no key",
                          "the evidence can be verified, but not that it is the sender's own");
  }
  const auto report_data = claims.report_data();
  const bool holds = report_data && std::ranges::any_of(carried.binding.report_data, [&](const Bytes& statement) {
                       return says(*report_data, statement);
                     });
  return checks.require(
      holds, ErrorCode::kNotAuthentic, "carrier.binding",
      "report data that is the " + std::string(carried.binding.rule),
      report_data ? to_hex(report_data->first(std::min(report_data->size(), kReportDataSize))) : std::string("none"),
      "the evidence was made for another key: somebody relays evidence that is not theirs");
}

std::optional<Platform> platform_hint(ByteView evidence) {
  if (evidence.size() < 8) return std::nullopt;
  const unsigned major = evidence[0] >> 5U;
  if (major == 4 || major == 6) return Platform::kNitro;
  const auto u16 = [&](std::size_t at) { return static_cast<unsigned>(evidence[at] | (evidence[at + 1] << 8U)); };
  const unsigned version = u16(0);
  const unsigned key_type = u16(2);  // DCAP: 2 or 3; the upper half of SEV-SNP's version
  if (key_type == 0 && version >= 2 && version <= 5) return Platform::kSnp;
  if (key_type != 2 && key_type != 3) return std::nullopt;
  if (version == 3) return Platform::kSgx;
  if (version != 4 && version != 5) return std::nullopt;
  const unsigned tee_type = u16(4);
  if (tee_type == 0x81) return Platform::kTdx;
  if (tee_type == 0) return Platform::kSgx;
  return std::nullopt;
}

Result<Bytes> take_evidence(ByteView evidence) {
  if (evidence.empty() || evidence.size() > kMaxEvidenceSize) {
    return fail(ErrorCode::kLimitExceeded, "carrier.evidence_size",
                "expected 1 to " + std::to_string(kMaxEvidenceSize) + " bytes of evidence, found " +
                    std::to_string(evidence.size()),
                "whoever made this put something else where the evidence should be");
  }
  return to_bytes(evidence);
}

}  // namespace gateway::attestation::formats
