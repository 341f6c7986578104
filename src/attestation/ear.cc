#include "attestation/ear.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <map>

#include "attestation/verification_json.h"
#include "codec/json.h"

namespace gateway::attestation {
namespace {

namespace json = boost::json;

// AR4SI: 0 no claim; 2–31 affirming, 32–95 warning, 96–127 contraindicated.
constexpr int kGenuine = 2;          // hardware: genuine and in a good state
constexpr int kUnsafeHardware = 32;  // hardware: genuine, with known vulnerabilities
constexpr int kContraindicatedHardware = 96;
constexpr int kUnrecognisedHardware = 97;
constexpr int kApproved = 2;               // configuration: known and acceptable
constexpr int kApprovedBoot = 3;           // executables: only recognised ones at boot
constexpr int kUnsafeConfiguration = 32;   // configuration: exploitable (debug mode)
constexpr int kUnrecognised = 33;          // executables: not recognised ones, in the warning tier
constexpr int kForbidden = 96;             // contraindicated by policy
constexpr int kNoCryptographicProof = 99;  // the evidence did not verify

using Vector = std::map<std::string_view, int>;

bool refused(const Verification& verification, std::string_view id) {
  return std::ranges::any_of(verification.checks,
                             [&](const Check& check) { return check.id == id && check.outcome == Outcome::kRefused; });
}

bool held(const Verification& verification, std::string_view id) {
  return std::ranges::any_of(verification.checks,
                             [&](const Check& check) { return check.id == id && holds(check.outcome); });
}

// Whether a check about the platform's TCB has this outcome.
bool tcb_check_is(const Verification& verification, Outcome outcome) {
  constexpr std::array<std::string_view, 8> kIds = {
      "policy.min_tcb",    "policy.min_committed_tcb", "policy.min_launch_tcb", "policy.tcb_evaluation_number",
      "policy.tcb_status", "policy.tcb_advisory",      "policy.tcb_unknown",    "policy.revocation_unknown"};
  return std::ranges::any_of(verification.checks, [&](const Check& check) {
    return check.outcome == outcome && std::ranges::find(kIds, check.id) != kIds.end();
  });
}

int hardware_of(const Verification& verification) {
  const Claims& claims = *verification.claims;
  if (claims.platform() == Platform::kLocal) return 0;  // no hardware at all: no claim is made about it
  if (claims.platform() == Platform::kNitro) return kGenuine;
  if (claims.tcb() && claims.tcb()->status == "NotSupported") return kUnrecognisedHardware;
  if (tcb_check_is(verification, Outcome::kRefused)) return kContraindicatedHardware;
  if (tcb_check_is(verification, Outcome::kWarned)) return kUnsafeHardware;
  // Nothing is claimed where the TCB was not judged: an entry of another platform, an empty policy.
  return tcb_check_is(verification, Outcome::kOk) ? kGenuine : 0;
}

int executables_of(const Verification& verification) {
  if (refused(verification, "policy.measurement")) return kUnrecognised;
  return held(verification, "policy.measurement") ? kApprovedBoot : 0;
}

int configuration_of(const Verification& verification) {
  if (verification.claims->debug()) {
    return verification.result ? kUnsafeConfiguration : kForbidden;
  }
  if (refused(verification, "policy.config")) return kForbidden;
  return held(verification, "policy.config") ? kApproved : 0;
}

// What was found, said in AR4SI's terms. Without a policy nothing is appraised and nothing is claimed; nor is anything
// where something was missing to decide: a relying party who takes warnings for a yes must not find one.
Vector vector_of(const Verification& verification, bool appraised) {
  Vector vector;
  if (verification.authentic == false) {
    vector["instance-identity"] = kNoCryptographicProof;
    return vector;
  }
  const bool decided = !verification.reason || !is_undecided(*verification.reason);
  if (!appraised || !decided || !verification.claims) return vector;
  vector["hardware"] = hardware_of(verification);
  vector["executables"] = executables_of(verification);
  vector["configuration"] = configuration_of(verification);
  // Refused for another reason (region, age, nonce, root, platform): not an instance that this policy accepts.
  vector["instance-identity"] = verification.reason ? kForbidden : verification.result ? kGenuine : 0;
  return vector;
}

AppraisalStatus worst_tier(const Vector& vector) {
  int worst = 0;
  for (const auto& [name, value] : vector) worst = std::max(worst, value);
  if (worst >= 96) return AppraisalStatus::kContraindicated;
  if (worst >= 32) return AppraisalStatus::kWarning;
  return worst >= 2 ? AppraisalStatus::kAffirming : AppraisalStatus::kNone;
}

std::string encode_part(const json::value& value) { return to_base64url(as_bytes(codec::write_json(value))); }

json::object claims_set(const Verification& verification, const EarContext& context) {
  const bool appraised = verification.appraisal != AppraisalStatus::kNone || verification.reason.has_value();
  const Vector vector = vector_of(verification, appraised);
  json::object trustworthiness;
  for (const auto& [name, value] : vector) trustworthiness[name] = value;

  json::object appraisal{{"ear.status", to_string(worst_tier(vector))},
                         {"ear.trustworthiness-vector", std::move(trustworthiness)}};
  if (context.policy_id) appraisal["ear.appraisal-policy-id"] = *context.policy_id;
  if (verification.reason) {
    appraisal["ear.veraison.policy-claims"] = json::object{{"reason", verification.reason->id()}};
  }
  if (verification.claims) appraisal["ear.veraison.annotated-evidence"] = claims_json(*verification.claims);
  const std::string_view name = verification.platform ? to_string(*verification.platform) : "unknown";

  json::object claims{{"eat_profile", "tag:github.com,2023:veraison/ear"},
                      {"iat", std::chrono::floor<std::chrono::seconds>(context.issued_at).time_since_epoch().count()},
                      {"ear.verifier-id", json::object{{"developer", context.developer}, {"build", context.build}}},
                      {"submods", json::object{{name, std::move(appraisal)}}}};
  // eat_nonce is 8 to 88 bytes of text in JSON tokens: base64url of the nonce where that fits.
  std::optional<Bytes> asked = context.nonce;
  if (!asked && verification.claims && verification.claims->of_nitro_format()) {
    asked = verification.claims->nitro().nonce;
  }
  const std::string nonce = asked ? to_base64url(*asked) : std::string();
  if (nonce.size() >= 8 && nonce.size() <= 88) claims["eat_nonce"] = nonce;
  return claims;
}

}  // namespace

std::string ear_claims(const Verification& verification, const EarContext& context) {
  return codec::write_json(claims_set(verification, context));
}

Result<std::string> sign_ear(const Verification& verification, const EarContext& context,
                             const crypto::PrivateKey& key) {
  const bool p256 = key.type() == crypto::KeyType::kP256;  // private keys are of P-256 or P-384
  const json::object header{{"alg", p256 ? "ES256" : "ES384"}, {"typ", "JWT"}};
  const std::string message = encode_part(header) + "." + encode_part(claims_set(verification, context));
  GATEWAY_ASSIGN(const Bytes signature, key.sign(p256 ? crypto::HashAlgorithm::kSha256 : crypto::HashAlgorithm::kSha384,
                                                 crypto::SignatureFormat::kRaw, as_bytes(message)));
  return message + "." + to_base64url(signature);
}

}  // namespace gateway::attestation
