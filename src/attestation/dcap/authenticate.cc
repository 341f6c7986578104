#include "attestation/dcap/authenticate.h"

#include <algorithm>

#include "attestation/dcap/cache.h"
#include "attestation/dcap/tcb_level.h"
#include "attestation/model/claims_builder.h"
#include "attestation/sgx/report.h"
#include "attestation/tdx/report.h"
#include "codec/der.h"

namespace gateway::attestation::dcap {
namespace {

constexpr const char* kChanged = "the quote was changed after it was made; do not trust it";

// SubjectPublicKeyInfo of a P-256 key up to the point's coordinates (RFC 5480).
constexpr ByteArray<27> kP256Spki{{0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                   0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04}};

Result<crypto::PublicKey> key_of(ByteView coordinates) {
  Bytes spki;
  spki.reserve(kP256Spki.size() + coordinates.size());
  append(spki, kP256Spki);
  append(spki, coordinates);
  return crypto::PublicKey::from_spki(spki);
}

bool verifies(const crypto::PublicKey& key, ByteView message, ByteView signature) {
  return key.verify(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, message, signature).has_value();
}

// The QE speaks for the attestation key in its report data, the PCK for the QE, the attestation key for the report.
Status check_signatures(const UnverifiedQuote& quote, const VerifiedPck& chain, CheckList& checks) {
  const crypto::Sha256 bound = crypto::sha256({quote.attestation_key, quote.qe_auth_data});
  const ByteView qe_data(quote.qe.report_data);
  const bool binds = equal(qe_data.first(bound.size()), bound) &&
                     std::ranges::all_of(qe_data.subspan(bound.size()), [](std::uint8_t byte) { return byte == 0; });
  GATEWAY_TRY(checks.require(binds, ErrorCode::kNotAuthentic, "dcap.qe_report.binding",
                             "the QE's report data: SHA-256 of attestation key and authentication data, then zeros",
                             binds ? "that" : "another value", kChanged));
  const bool by_pck = verifies(chain.leaf.public_key(), quote.qe_report, quote.qe_report_signature);
  GATEWAY_TRY(checks.require(by_pck, ErrorCode::kNotAuthentic, "dcap.qe_report.signature",
                             "a signature of the QE's report by the PCK", by_pck ? "it verifies" : "it does not verify",
                             kChanged));
  const auto key = key_of(quote.attestation_key);
  GATEWAY_TRY(checks.require(key.has_value(), ErrorCode::kNotAuthentic, "dcap.quote.attestation_key",
                             "a point on P-256", key ? "a point" : "no point", kChanged));
  const bool by_key = verifies(*key, quote.signed_region, quote.signature);
  return checks.require(by_key, ErrorCode::kNotAuthentic, "dcap.quote.signature",
                        "a signature of header and report by the attestation key",
                        by_key ? "it verifies" : "it does not verify", kChanged);
}

struct Appraisal {
  TimeWindow validity;
  Revocation revocation = Revocation::kUnknown;
  TcbStatement tcb;
};

Status check_revocation(const VerifiedPck& chain, const Endorsements& endorsements, const Circumstances& now,
                        Appraisal& appraisal, CheckList& checks) {
  const auto judge = [&](const CrlAnswer& answer, ErrorId id, const char* who) -> Status {
    if (answer.found) appraisal.validity.intersect(answer.window);
    return checks.require(!answer.revoked, ErrorCode::kNotAuthentic, id,
                          std::string(who) + " not revoked by a current list, where one is given",
                          answer.revoked ? "revoked"
                          : answer.found ? "not revoked"
                                         : "no current list given: not checked",
                          "do not trust this platform: Intel has revoked its certificate");
  };
  const CrlAnswer root = endorsements.ask_crls(chain.intermediate, now.root, now.at);
  const CrlAnswer pck = endorsements.ask_crls(chain.leaf, chain.intermediate, now.at);
  GATEWAY_TRY(judge(root, "dcap.revoked.intermediate", "the PCK authority"));
  GATEWAY_TRY(judge(pck, "dcap.revoked.pck", "the PCK certificate"));
  if (root.found && pck.found) appraisal.revocation = Revocation::kChecked;
  return {};
}

std::optional<std::string> word(const std::optional<TcbStatus>& status) {
  if (!status) return std::nullopt;
  return std::string(to_string(*status));
}

Status judge_tcb(const UnverifiedQuote& quote, const VerifiedPck& chain, const Endorsements& endorsements,
                 const Circumstances& now, Appraisal& appraisal, CheckList& checks) {
  const auto identity = endorsements.qe_identity_for(quote.tee, now);
  checks.held("dcap.qe_identity.applies", "a QE identity of Intel's that is current, where one is given",
              identity.document != nullptr ? "evaluation " + std::to_string(identity.document->evaluation_number)
                                           : identity.otherwise);
  if (identity.document != nullptr) {
    GATEWAY_TRY(check_qe(quote.qe, *identity.document, checks));
    appraisal.validity.intersect(identity.window);
  }
  const auto info = endorsements.tcb_info_for(quote.tee, chain.pck, now);
  checks.held("dcap.tcb_info.applies", "TCB info of Intel's for this platform that is current, where it is given",
              info.document != nullptr ? "evaluation " + std::to_string(info.document->evaluation_number)
                                       : info.otherwise + ": the TCB's status is unknown");
  if (info.document == nullptr) return {};
  appraisal.validity.intersect(info.window);
  PlatformSvns svns{.sgx_components = chain.pck.tcb_components,
                    .pce_svn = chain.pck.pce_svn,
                    .tee_tcb_svn = {},
                    .tee_tcb_svn_2 = {},
                    .qe_isv_svn = quote.qe.isv_svn};
  if (quote.tee == Tee::kTdx) {
    GATEWAY_TRY(check_tdx_module(quote.tdx(), *info.document, checks));
    svns.tee_tcb_svn = quote.tdx().tee_tcb_svn;
    svns.tee_tcb_svn_2 = quote.tdx().tee_tcb_svn_2;
  }
  const TcbVerdict verdict = evaluate_tcb(*info.document, identity.document, svns);
  TcbStatement& tcb = appraisal.tcb;
  tcb.status = to_string(verdict.status);
  tcb.advisories = verdict.advisories;
  tcb.tcb_date = verdict.date;
  tcb.platform_status = word(verdict.platform);
  tcb.tdx_module_status = word(verdict.tdx_module);
  tcb.qe_status = word(verdict.qe);
  tcb.evaluation_number = info.document->evaluation_number;
  tcb.next_update = info.document->window.not_after;
  if (identity.document != nullptr) {
    tcb.evaluation_number = std::min(*tcb.evaluation_number, identity.document->evaluation_number);
    tcb.next_update = std::min(*tcb.next_update, identity.document->window.not_after);
  }
  checks.held("dcap.tcb.status", "a TCB status, for the policy to judge", tcb.status);
  return {};
}

DcapPlatform platform_of(const UnverifiedQuote& quote, const VerifiedPck& chain) {
  return {.quote_version = quote.version,
          .qe_svn = quote.qe_svn,
          .pce_svn_header = quote.pce_svn,
          .qe_vendor_id = quote.qe_vendor_id,
          .fmspc = chain.pck.fmspc,
          .pce_id = chain.pck.pce_id,
          .ppid = chain.pck.ppid,
          .cpu_svn = chain.pck.cpu_svn,
          .pce_svn = chain.pck.pce_svn,
          .sgx_tcb_components = chain.pck.tcb_components,
          .pck_ca = std::string(to_string(chain.ca)),
          .sgx_type = chain.pck.sgx_type,
          .platform_instance_id = chain.pck.platform_instance_id,
          .configuration = chain.pck.configuration,
          .qe_isv_svn = quote.qe.isv_svn};
}

Claims claims_of(const UnverifiedQuote& quote, const VerifiedPck& chain, Appraisal appraisal,
                 std::vector<Check> lines) {
  const bool tdx = quote.tee == Tee::kTdx;
  ClaimsBuilder builder(tdx ? Platform::kTdx : Platform::kSgx);
  if (tdx) {
    TdxClaims claims = quote.tdx();
    claims.platform = platform_of(quote, chain);
    builder.debug(tdx::is_debug(claims)).fields(std::move(claims));
  } else {
    builder.debug(sgx::is_debug(quote.sgx())).fields(SgxClaims{platform_of(quote, chain), quote.sgx()});
  }
  builder.validity(appraisal.validity)
      .revocation(appraisal.revocation)
      .tcb(std::move(appraisal.tcb))
      .checks(std::move(lines));
  return std::move(builder).build();
}

}  // namespace

Result<Claims> dangerous_authenticate_with_vendor_root(const UnverifiedQuote& quote, const crypto::Certificate& root,
                                                       const Collateral& collateral, Time at, Cache* cache,
                                                       CheckList* given) {
  CheckList own;
  CheckList& checks = given != nullptr ? *given : own;
  const Circumstances now{.root = root, .at = at};
  const crypto::Sha256 key = cache != nullptr ? crypto::sha256(quote.certification_data) : crypto::Sha256{};
  std::optional<VerifiedPck> chain = cache != nullptr ? cache->chains.find(key) : std::nullopt;
  const bool cached = chain.has_value();
  if (cached) {
    GATEWAY_TRY(recheck_pck_chain(*chain, root, at, checks));
  } else {
    GATEWAY_ASSIGN(chain, verify_pck_chain(quote.certification_data, root, at, checks));
  }
  GATEWAY_TRY(check_signatures(quote, *chain, checks));
  if (cache != nullptr && !cached) cache->chains.insert(key, *chain);

  std::optional<const Endorsements> fresh;
  std::shared_ptr<const Endorsements> kept;
  if (cache != nullptr) kept = cache->endorsements_of(collateral);
  else fresh.emplace(collateral);
  const Endorsements& endorsements = cache != nullptr ? *kept : *fresh;
  Appraisal appraisal{.validity = chain->validity, .revocation = Revocation::kUnknown, .tcb = {}};
  GATEWAY_TRY(check_revocation(*chain, endorsements, now, appraisal, checks));
  GATEWAY_TRY(judge_tcb(quote, *chain, endorsements, now, appraisal, checks));
  return claims_of(quote, *chain, std::move(appraisal), given != nullptr ? given->lines() : std::move(own).take());
}

Result<Claims> authenticate(const UnverifiedQuote& quote, const Collateral& collateral, Time at, Cache* cache,
                            CheckList* checks) {
  return dangerous_authenticate_with_vendor_root(quote, intel_root(), collateral, at, cache, checks);
}

}  // namespace gateway::attestation::dcap
