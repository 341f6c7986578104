#include "client/verifier.h"

#include <algorithm>

#include "crypto/random.h"

namespace gateway::client {
namespace {

using attestation::Check;
using attestation::Outcome;

constexpr std::string_view kReplayRemedy =
    "somebody on the way answers with what an enclave said to somebody else: do not use this endpoint; ask its "
    "operator";

attestation::nitro::Anchors anchors_of(const attestation::Policy& policy, const VerifierOptions& options) {
  attestation::nitro::Anchors anchors;
  anchors.local_roots = options.local_roots;
  for (const auto& entry : policy.accept) {
    if (entry.platform == attestation::Platform::kLocal && entry.root_sha256) {
      anchors.local_root_sha256.push_back(*entry.root_sha256);
    }
  }
  return anchors;
}

void hold(Judgement& judgement, ErrorId id, std::string expected, std::string actual) {
  judgement.verification.checks.push_back({.id = id.view(),
                                           .outcome = Outcome::kOk,
                                           .expected = std::move(expected),
                                           .actual = std::move(actual),
                                           .remedy = {}});
}

// The verdict of the evidence no longer stands once the binding to this connection fails.
void refuse(Judgement& judgement, const Error& error, std::string expected) {
  auto& verification = judgement.verification;
  verification.checks.push_back({.id = error.id(),
                                 .outcome = Outcome::kRefused,
                                 .expected = std::move(expected),
                                 .actual = error.detail(),
                                 .remedy = error.remedy().empty() ? std::string(kReplayRemedy) : error.remedy()});
  verification.reason = error;
  verification.result.reset();
  verification.appraisal = attestation::AppraisalStatus::kContraindicated;
}

// Bytes that are not an attestation response at all: nothing in them was authentic.
void refuse_malformed(Judgement& judgement, const Error& error, std::string expected) {
  judgement.verification.authentic = false;
  refuse(judgement, error, std::move(expected));
}

struct Parsed {
  attestation::AttestationResponse response;
  attestation::QuoteStatement quote;
  attestation::KeysStatement keys;
};

Result<Parsed> parse(ByteView body) {
  Parsed parsed;
  GATEWAY_ASSIGN(parsed.response, attestation::parse_response(body));
  GATEWAY_ASSIGN(parsed.quote, attestation::parse_quote(parsed.response.q));
  GATEWAY_ASSIGN(parsed.keys, attestation::parse_keys(parsed.quote.k));
  return parsed;
}

}  // namespace

Verifier::Verifier(attestation::Policy policy, VerifierOptions options, const TrustClock& clock)
    : policy_(std::move(policy)),
      options_(std::move(options)),
      anchors_(anchors_of(policy_, options_)),
      clock_(clock),
      caches_(attestation::make_caches()) {}

Challenge Verifier::challenge() const {
  Challenge challenge = fresh_challenge();
  challenge.fresh = !known_.any(challenge.sent);
  return challenge;
}

Challenge Verifier::fresh_challenge() const {
  return {.nonce = crypto::random_array<32>(), .sent = clock_.now(), .fresh = true};
}

std::shared_ptr<const TrustedKeys> Verifier::trusted(const crypto::Sha384& keys_digest) const {
  return known_.find(keys_digest, clock_.now());
}

// Authenticates and appraises the evidence for this Q, and looks for the nonce in it. Leaves the lines in `judgement`.
Status Verifier::judge_evidence(const attestation::AttestationResponse& response,
                                const attestation::QuoteStatement& quote, const attestation::KeysStatement& keys,
                                const Challenge& challenge, Judgement& judgement) const {
  const crypto::Sha512 report_data = attestation::report_data_of(response.q);
  attestation::VerifyInputs inputs{.at = clock_.now().wall,
                                   .platform = options_.platform,
                                   .nitro = anchors_,
                                   .collateral = &options_.collateral,
                                   .expected_nonce = {},
                                   .expected_report_data = ByteView(report_data),
                                   .config_digest = keys.config_digest,
                                   .caches = &caches_};
  attestation::Collateral both;
  if (!response.collateral.empty()) {  // what this side holds comes first: the enclave's cannot crowd it out
    both = options_.collateral;
    for (const Bytes& file : response.collateral) both.add(file);
    inputs.collateral = &both;
  }
  judgement.verification = attestation::verify(response.evidence, &policy_, inputs);
  auto& verification = judgement.verification;
  if (!verification.result) {
    if (verification.reason) return std::unexpected(*verification.reason);
    return fail(ErrorCode::kInternal, "client.verdict", "the verifier gave neither a result nor a reason");
  }
  if (keys.platform != verification.result->claims().platform()) {
    const Error error(ErrorCode::kNotAuthentic, "binding.platform",
                      "K says " + std::string(attestation::to_string(keys.platform)), std::string(kReplayRemedy));
    refuse(
        judgement, error,
        "K of platform " + std::string(attestation::to_string(verification.claims->platform())) + ", as the evidence");
    return std::unexpected(error);
  }
  if (std::ranges::find(quote.nonces, challenge.nonce) == quote.nonces.end()) {
    const Error error(ErrorCode::kNotAuthentic, "binding.quote.nonce",
                      "a quote over " + std::to_string(quote.nonces.size()) + " nonces, none of them this one",
                      std::string(kReplayRemedy));
    refuse(judgement, error, "evidence made for the nonce of this connection");
    return std::unexpected(error);
  }
  hold(judgement, "binding.quote.nonce", "evidence made for the nonce of this connection", "the nonce is in the quote");
  return {};
}

Judgement Verifier::judge(const Challenge& challenge, ByteView body, const Channel& channel) {
  Judgement judgement;
  auto parsed = parse(body);
  if (!parsed) {
    refuse_malformed(judgement, parsed.error(), "an attestation response of version 1");
    return judgement;
  }
  const auto& [response, quote, keys] = *parsed;
  TrustedKeys trusted{.k = quote.k,
                      .digest = crypto::sha384(quote.k),
                      .keys = keys,
                      .nonce_sent = challenge.sent,
                      .max_age = {},
                      .not_after = {},
                      .verification = nullptr};
  std::shared_ptr<const TrustedKeys> known;
  if (!challenge.fresh) {
    known = known_.find(trusted.digest, clock_.now());
    if (!known) {
      judgement.ask_fresh = true;
      return judgement;
    }
    judgement.verification = *known->verification;
  } else if (!judge_evidence(response, quote, keys, challenge, judgement)) {
    return judgement;
  }
  const attestation::SessionFacts facts{.role = attestation::SessionRole::kServer,
                                        .nonce = challenge.nonce,
                                        .exporter = channel.exporter,
                                        .server_spki = channel.server_spki};
  constexpr const char* kExpected = "S signed by K's identity key over this nonce, this TLS session, this server key";
  if (const Status bound = attestation::verify_session(response.s, response.signature, quote.k, facts); !bound) {
    refuse(judgement, bound.error(), kExpected);
    return judgement;
  }
  if (!known) {
    trusted.max_age = judgement.verification.result->max_age();
    trusted.not_after = judgement.verification.result->validity().not_after;
    trusted.verification = std::make_shared<const attestation::Verification>(judgement.verification);
    known = std::make_shared<const TrustedKeys>(trusted);
    known_.remember(std::move(trusted));
  }
  hold(judgement, "binding.session", kExpected, "all of them");
  judgement.session = Session{std::move(known)};
  return judgement;
}

}  // namespace gateway::client
