#include "fetch/needs.h"

#include <algorithm>

#include "attestation/dcap/pck.h"
#include "attestation/formats/unwrap.h"
#include "attestation/nitro/document.h"
#include "attestation/snp/endorsement.h"
#include "attestation/snp/evidence.h"
#include "crypto/x509.h"

namespace gateway::fetch {
namespace {

using namespace attestation;

// What came with the evidence says which product it is, where the report does not.
std::optional<snp::Endorsement> carried(const snp::UnverifiedEvidence& evidence) {
  for (const auto& der : {evidence.certificates.vcek, evidence.certificates.vlek}) {
    if (!der) continue;
    const auto certificate = crypto::Certificate::from_der(*der);
    if (!certificate) continue;
    auto endorsement = snp::read_endorsement(*certificate);
    if (endorsement && endorsement->kind == evidence.report.fields.signing_key) return *std::move(endorsement);
  }
  return std::nullopt;
}

std::vector<SnpProduct> products_of(const snp::UnverifiedReport& report) {
  if (report.product) return {*report.product};
  const auto rest = ByteView(report.fields.chip_id).subspan(snp::kTurinChipIdSize);
  const bool masked = std::ranges::all_of(report.fields.chip_id, [](std::uint8_t byte) { return byte == 0; });
  const bool short_id = std::ranges::all_of(rest, [](std::uint8_t byte) { return byte == 0; });
  if (short_id && !masked) return {SnpProduct::kTurin};
  return {SnpProduct::kMilan, SnpProduct::kGenoa};
}

Result<Needs> needs_of_snp(ByteView bytes, std::optional<SnpProduct> product) {
  GATEWAY_ASSIGN(const auto evidence, snp::parse_evidence(bytes));
  const auto endorsement = carried(evidence);
  const auto& fields = evidence.report.fields;
  std::vector<SnpProduct> products = products_of(evidence.report);
  if (endorsement) products = {endorsement->product};
  if (product) products = {*product};
  Needs needs;
  for (const SnpProduct one : products) {
    needs.snp.push_back({.product = one,
                         .key = fields.signing_key,
                         .chip_id = fields.chip_id,
                         .tcb = snp::tcb_of(fields.reported_tcb.raw, one),
                         .vcek_at_hand = endorsement && snp::fit_of(*endorsement, evidence.report) == snp::Fit::kFits});
  }
  return needs;
}

Result<Needs> needs_of_dcap(ByteView bytes) {
  const auto bad = [] {
    return fail(ErrorCode::kMalformed, "collateral.fetch.pck",
                "expected a quote with the PCK certificate of an SGX platform, found one that names no platform");
  };
  GATEWAY_ASSIGN(const auto quote, dcap::parse_quote(bytes));
  const auto chain = crypto::Certificate::from_pem(as_text(quote.certification_data));
  if (!chain) return bad();
  // Leaf first or root first: both are met.
  const auto has_extension = [](const auto& one) { return one.extension(dcap::kSgxExtensionOid).has_value(); };
  const auto leaf = std::ranges::find_if(*chain, has_extension);
  if (leaf == chain->end()) return bad();
  const auto pck = dcap::parse_pck_extensions(*leaf->extension(dcap::kSgxExtensionOid));
  const auto issuer = leaf->issuer_common_name();
  const bool platform = issuer == "Intel SGX PCK Platform CA";
  if (!pck || (!platform && issuer != "Intel SGX PCK Processor CA")) return bad();
  Needs needs;
  needs.dcap = DcapNeeds{.tee = quote.tee, .fmspc = pck->fmspc, .ca = platform ? "platform" : "processor"};
  return needs;
}

}  // namespace

Result<Needs> needs_of(ByteView file, std::optional<SnpProduct> product) {
  GATEWAY_ASSIGN(const formats::Unwrapped opened, formats::unwrap(file));
  const ByteView evidence = opened.evidence();
  if (snp::looks_like_snp(evidence)) return needs_of_snp(evidence, product);
  if (dcap::looks_like_dcap_quote(evidence)) return needs_of_dcap(evidence);
  if (nitro::parse_document(evidence)) return Needs{};
  return fail(ErrorCode::kMalformed, "collateral.fetch.evidence",
              "expected a report of SEV-SNP, a quote of SGX or TDX, or a Nitro document, found another thing",
              "give the file that gateway verify would judge");
}

}  // namespace gateway::fetch
