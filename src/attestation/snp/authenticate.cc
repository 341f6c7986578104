#include "attestation/snp/authenticate.h"

#include <algorithm>
#include <vector>

#include "attestation/model/claims_builder.h"
#include "attestation/snp/chain.h"

namespace gateway::attestation::snp {
namespace {

using crypto::Certificate;

// A certificate that may be the one of the key that signed.
struct Candidate {
  Endorsement endorsement;
  Certificate certificate;
  crypto::Sha256 sha256{};
  std::optional<VerifiedChain> chain;  // when it verified before
  bool from_evidence = false;
};

struct Context {
  const UnverifiedEvidence& evidence;
  const VendorRoots& roots;
  Sources sources;
  Time at;
  ChainCache* cache;

  const UnverifiedReport& report() const { return evidence.report; }
  SnpSigningKey kind() const { return report().fields.signing_key; }
};

Candidate candidate_of(const Context& context, const Certificate& certificate, Endorsement endorsement) {
  Candidate made{.endorsement = std::move(endorsement),
                 .certificate = certificate,
                 .sha256 = {},
                 .chain = std::nullopt,
                 .from_evidence = false};
  if (context.cache != nullptr) {
    made.sha256 = crypto::sha256(certificate.der());
    made.chain = context.cache->chains.find(made.sha256);
  }
  return made;
}

// An endorsement in the evidence's own table: what is wrong with it is the sender's fault.
Result<std::optional<Candidate>> from_table(const Context& context, SnpSigningKey kind, CheckList& checks) {
  const auto& der = kind == SnpSigningKey::kVcek ? context.sources.table.vcek : context.sources.table.vlek;
  if (!der) return std::nullopt;
  if (context.cache != nullptr) {
    const crypto::Sha256 sha256 = crypto::sha256(*der);
    if (auto chain = context.cache->chains.find(sha256); chain && chain->endorsement.kind == kind) {
      return Candidate{.endorsement = chain->endorsement,
                       .certificate = chain->leaf,
                       .sha256 = sha256,
                       .chain = std::move(chain),
                       .from_evidence = true};
    }
  }
  constexpr const char* kHost = "ask the host for its certificates again, or leave them out and fetch them from AMD";
  const auto certificate = Certificate::from_der(*der);
  if (!certificate) {
    return checks.refused(ErrorCode::kMalformed, "snp.table.certificate", "certificates in DER",
                          std::string(certificate.error().id()), kHost);
  }
  auto endorsement = read_endorsement(*certificate);
  if (!endorsement) {
    return checks.refused(ErrorCode::kMalformed, "snp.endorsement.format", "a certificate as AMD issues it",
                          endorsement.error().detail(), kHost);
  }
  if (endorsement->kind != kind) {
    return checks.refused(ErrorCode::kMalformed, "snp.table.certificate",
                          "a certificate of the kind that its entry names, " + std::string(to_string(kind)),
                          std::string(to_string(endorsement->kind)), kHost);
  }
  Candidate made = candidate_of(context, *certificate, *std::move(endorsement));
  made.from_evidence = true;
  return made;
}

// Endorsements that fit the report, as many as may be tried.
Result<std::vector<Candidate>> fitting(const Context& context, CheckList& checks) {
  std::vector<Candidate> found;
  GATEWAY_ASSIGN(auto own, from_table(context, context.kind(), checks));
  if (own && fit_of(own->endorsement, context.report()) == Fit::kFits) found.push_back(*std::move(own));
  for (const Certificate& certificate : context.sources.collateral.certificates) {
    const bool vcek = context.kind() == SnpSigningKey::kVcek;
    if (vcek && !may_endorse_chip(certificate, context.report().fields.chip_id)) continue;
    if (endorsement_kind(certificate) != context.kind()) continue;
    auto endorsement = read_endorsement(certificate);
    if (!endorsement || fit_of(*endorsement, context.report()) != Fit::kFits) continue;
    found.push_back(candidate_of(context, certificate, *std::move(endorsement)));
  }
  // Of several, those valid at the given time come first.
  std::vector<Candidate> ordered;
  for (const bool valid : {true, false}) {
    for (const Candidate& one : found) {
      if (ordered.size() < kMaxAttempts && one.certificate.validity().contains(context.at) == valid) {
        ordered.push_back(one);
      }
    }
  }
  return ordered;
}

void note_fit(const Candidate& candidate, CheckList& checks) {
  const Endorsement& endorsement = candidate.endorsement;
  const std::string product(to_string(endorsement.product));
  checks.held("snp.endorsement.product", "the report's product", product);
  if (endorsement.kind == SnpSigningKey::kVcek) {
    checks.held("snp.endorsement.hwid", "the report's chip id", "the same");
  }
  checks.held("snp.endorsement.tcb", "the report's reported TCB", tcb_text(endorsement.tcb));
}

std::unexpected<Error> refuse_misfit(const Context& context, const Candidate& candidate, CheckList& checks) {
  constexpr const char* kOther = "this endorsement belongs to another report; fetch this report's own";
  const Endorsement& endorsement = candidate.endorsement;
  const UnverifiedReport& report = context.report();
  switch (fit_of(endorsement, report)) {
    case Fit::kOtherKind:
      return checks.refused(ErrorCode::kNotAuthentic, "snp.endorsement.kind", std::string(to_string(context.kind())),
                            std::string(to_string(endorsement.kind)), kOther);
    case Fit::kOtherProduct:
      return checks.refused(ErrorCode::kNotAuthentic, "snp.endorsement.product",
                            std::string(to_string(report.product.value_or(endorsement.product))),
                            std::string(to_string(endorsement.product)), kOther);
    case Fit::kOtherChip:
      return checks.refused(ErrorCode::kNotAuthentic, "snp.endorsement.hwid", to_hex(report.fields.chip_id),
                            to_hex(endorsement.chip_id), kOther);
    case Fit::kOtherTcb:
    case Fit::kFits: break;
  }
  return checks.refused(ErrorCode::kNotAuthentic, "snp.endorsement.tcb",
                        tcb_text(tcb_of(report.fields.reported_tcb.raw, endorsement.product)),
                        tcb_text(endorsement.tcb), kOther);
}

bool signed_by(const UnverifiedReport& report, const Certificate& leaf) {
  return leaf.public_key()
      .verify(crypto::HashAlgorithm::kSha384, crypto::SignatureFormat::kRaw, report.signed_bytes, report.signature)
      .has_value();
}

// No endorsement fits. Where one that was given is at odds with the report, that is a refusal: it came with the report,
// it was the only one given, or its key did sign the report. Otherwise the right one is just not here.
std::unexpected<Error> nothing_fits(const Context& context, CheckList& checks) {
  std::vector<Candidate> others;
  for (const SnpSigningKey kind : {SnpSigningKey::kVcek, SnpSigningKey::kVlek}) {
    auto own = from_table(context, kind, checks);
    if (!own) return std::unexpected(std::move(own).error());
    if (*own) others.push_back(**std::move(own));
  }
  for (const Certificate& certificate : context.sources.collateral.certificates) {
    if (!endorsement_kind(certificate)) continue;
    auto endorsement = read_endorsement(certificate);
    if (endorsement) others.push_back(candidate_of(context, certificate, *std::move(endorsement)));
  }
  std::size_t tried = 0;
  for (const Fit nearest : {Fit::kOtherTcb, Fit::kOtherChip, Fit::kOtherProduct, Fit::kOtherKind}) {
    for (const Candidate& other : others) {
      if (fit_of(other.endorsement, context.report()) != nearest || tried == kMaxAttempts) continue;
      ++tried;
      if (signed_by(context.report(), other.certificate)) return refuse_misfit(context, other, checks);
    }
  }
  const auto brought = std::ranges::find_if(others, &Candidate::from_evidence);
  if (brought != others.end()) return refuse_misfit(context, *brought, checks);
  if (others.size() == 1) return refuse_misfit(context, others.front(), checks);
  if (context.kind() == SnpSigningKey::kVlek) {
    return checks.undecided("snp.endorsement_missing", "the VLEK certificate of this report's provider and TCB", "none",
                            "ask the cloud provider for it: guests read it with the extended report");
  }
  return checks.undecided("snp.endorsement_missing", "the VCEK certificate of this report's chip and TCB", "none",
                          "fetch " + vcek_url(context.report()));
}

struct Authentic {
  VerifiedChain chain;
  Revocation revocation = Revocation::kUnknown;
};

Result<Authentic> try_candidate(const Context& context, const Candidate& candidate, CheckList& checks) {
  const Endorsement& endorsement = candidate.endorsement;
  const ProductRoots& roots = roots_for(context.roots, endorsement.product);
  note_fit(candidate, checks);
  GATEWAY_TRY(check_root(context.sources.table, roots, checks));
  std::optional<VerifiedChain> chain = candidate.chain;
  if (chain) {
    GATEWAY_TRY(recheck_chain(*chain, roots, context.at, checks));
  } else {
    GATEWAY_ASSIGN(chain, verify_chain(candidate.certificate, endorsement, roots, context.sources, context.at, checks));
  }
  GATEWAY_ASSIGN(const Revocation revocation,
                 check_revocation(*chain, roots, context.sources, context.at, context.cache, checks));
  const bool good = signed_by(context.report(), chain->leaf);
  GATEWAY_TRY(checks.require(
      good, ErrorCode::kNotAuthentic, "snp.signature", "a signature of the report by the endorsed key",
      good ? "it verifies" : "it does not verify", "the report was changed after it was signed; do not trust it"));
  if (context.cache != nullptr && !candidate.chain) context.cache->chains.insert(candidate.sha256, *chain);
  return Authentic{.chain = *std::move(chain), .revocation = revocation};
}

// The first endorsement with which everything holds; if there is none, what is wrong with the first.
Result<Authentic> try_all(const Context& context, const std::vector<Candidate>& candidates, CheckList& checks) {
  if (candidates.size() == 1) return try_candidate(context, candidates.front(), checks);
  CheckList first;
  std::optional<Error> reason;
  for (const Candidate& candidate : candidates) {
    CheckList attempt = checks;
    auto authentic = try_candidate(context, candidate, attempt);
    if (authentic) {
      checks = std::move(attempt);
      return authentic;
    }
    if (reason) continue;
    reason = std::move(authentic).error();
    first = std::move(attempt);
  }
  checks = std::move(first);
  return std::unexpected(*std::move(reason));
}

SnpClaims claims_of(const UnverifiedEvidence& evidence, const Endorsement& endorsement) {
  SnpClaims claims = evidence.report.fields;
  claims.product = endorsement.product;
  for (SnpTcb* tcb : {&claims.current_tcb, &claims.reported_tcb, &claims.committed_tcb, &claims.launch_tcb}) {
    *tcb = tcb_of(tcb->raw, endorsement.product);
  }
  claims.csp_id = endorsement.csp_id;
  if (evidence.runtime_data) claims.runtime_data = to_bytes(*evidence.runtime_data);
  claims.vtpm = evidence.vtpm;
  return claims;
}

}  // namespace

Result<Claims> dangerous_authenticate_with_vendor_roots(const UnverifiedEvidence& evidence,
                                                        const Collateral& collateral, const VendorRoots& roots, Time at,
                                                        ChainCache* cache, CheckList* given) {
  CheckList own;
  CheckList& checks = given != nullptr ? *given : own;
  const Context context{.evidence = evidence,
                        .roots = roots,
                        .sources = {.table = evidence.certificates, .collateral = collateral},
                        .at = at,
                        .cache = cache};
  GATEWAY_ASSIGN(const std::vector<Candidate> candidates, fitting(context, checks));
  if (candidates.empty()) return nothing_fits(context, checks);
  GATEWAY_ASSIGN(const Authentic authentic, try_all(context, candidates, checks));
  SnpClaims claims = claims_of(evidence, authentic.chain.endorsement);
  if (!evidence.report.product) GATEWAY_TRY(check_layout(claims, claims.product, checks));
  ClaimsBuilder builder(Platform::kSnp);
  builder.debug(claims.policy.debug)
      .validity(authentic.chain.validity)
      .revocation(authentic.revocation)
      .fields(std::move(claims))
      .checks(given != nullptr ? given->lines() : std::move(own).take());
  return std::move(builder).build();
}

Result<Claims> authenticate(const UnverifiedEvidence& evidence, const Collateral& collateral, Time at,
                            ChainCache* cache, CheckList* checks) {
  return dangerous_authenticate_with_vendor_roots(evidence, collateral, amd_roots(), at, cache, checks);
}

}  // namespace gateway::attestation::snp
