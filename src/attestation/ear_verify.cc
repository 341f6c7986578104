#include "attestation/ear_verify.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "codec/json.h"

namespace gateway::attestation {
namespace {

namespace json = boost::json;

constexpr std::string_view kProfile = "tag:github.com,2023:veraison/ear";
constexpr codec::JsonLimits kHeaderLimits{.bytes = 4096, .depth = 2, .values = 16};
constexpr codec::JsonLimits kClaimsLimits{.bytes = kMaxEarSize, .depth = 16, .values = 20'000};
constexpr std::int64_t kLatestSecond = 253'402'300'799;  // 9999-12-31T23:59:59Z
constexpr std::size_t kMaxNonces = 16;
constexpr std::array<std::string_view, 8> kVectorClaims = {"instance-identity", "configuration", "executables",
                                                           "file-system",       "hardware",      "runtime-opaque",
                                                           "storage-opaque",    "sourced-data"};

std::unexpected<Error> malformed_claims(std::string detail) {
  return fail(ErrorCode::kMalformed, "ear.claims", std::move(detail),
              "ask the verifier for a token of the EAR profile; this one is signed but incomplete");
}

struct Parts {
  std::string_view signed_text;  // header.payload
  Bytes header, payload, signature;
};

// RFC 7515 §7.1: three parts of unpadded base64url, none of them empty.
Result<Parts> split(std::string_view token) {
  if (token.size() > kMaxEarSize) {
    return fail(ErrorCode::kLimitExceeded, "ear.size",
                "a token of more than " + std::to_string(kMaxEarSize) + " bytes");
  }
  const auto wrong = [] {
    return fail(ErrorCode::kMalformed, "ear.token", "expected a JWS in compact form: three parts of base64url",
                "give the token alone, as gateway verify --ear prints it");
  };
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (first == std::string_view::npos || first == last || token.find('.', first + 1) != last) return wrong();
  auto header = from_base64url(token.substr(0, first));
  auto payload = from_base64url(token.substr(first + 1, last - first - 1));
  auto signature = from_base64url(token.substr(last + 1));
  if (!header || !payload || !signature || header->empty() || payload->empty() || signature->empty()) return wrong();
  return Parts{.signed_text = token.substr(0, last),
               .header = *std::move(header),
               .payload = *std::move(payload),
               .signature = *std::move(signature)};
}

// What a header may say. Keys that a token brings along (jwk, jku, x5c) and extensions (crit) have no place here.
Status check_header(ByteView header, std::string_view algorithm) {
  const auto wrong = [](std::string detail) {
    return fail(ErrorCode::kMalformed, "ear.header", std::move(detail), "ask the verifier for a plain JWS");
  };
  const auto parsed = codec::parse_json(as_text(header), kHeaderLimits);
  if (!parsed || !parsed->is_object()) return wrong("the protected header is not a JSON object");
  const json::object& object = parsed->get_object();
  for (const auto& member : object) {
    if (member.key() != "alg" && member.key() != "typ" && member.key() != "kid")
      return wrong("the protected header has members beside alg, typ and kid");
  }
  if (const auto* typ = object.if_contains("typ"); typ != nullptr && *typ != "JWT" && *typ != "eat+jwt")
    return wrong("the protected header's typ is not JWT");
  const auto* alg = object.if_contains("alg");
  if (alg == nullptr || !alg->is_string()) return wrong("the protected header has no alg");
  if (alg->get_string() != algorithm) {
    return fail(ErrorCode::kUnsupported, "ear.algorithm",
                "the key given signs with " + std::string(algorithm) + ", the token says that it was signed otherwise",
                "give the key of the verifier that signed it");
  }
  return {};
}

Result<std::string> text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return malformed_claims(std::string(key) + " is missing or no text");
  return std::string(value->get_string());
}

Result<std::optional<Time>> time_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64() || value->get_int64() < 0 || value->get_int64() > kLatestSecond)
    return malformed_claims(std::string(key) + " is not a number of seconds");
  return Time(std::chrono::seconds(value->get_int64()));
}

Status check_times(const json::object& claims, const EarExpectations& expected, EarToken& token) {
  GATEWAY_ASSIGN(const auto issued_at, time_of(claims, "iat"));
  GATEWAY_ASSIGN(const auto not_before, time_of(claims, "nbf"));
  GATEWAY_ASSIGN(const auto expires, time_of(claims, "exp"));
  if (!issued_at) return malformed_claims("iat is missing");
  token.issued_at = *issued_at;
  const Time latest = expected.at + kEarClockTolerance;
  if (*issued_at > latest || (not_before && *not_before > latest)) {
    return fail(ErrorCode::kExpired, "ear.future",
                "the token is of " + to_rfc3339(not_before ? std::max(*issued_at, *not_before) : *issued_at) +
                    ", which is after " + to_rfc3339(expected.at),
                "check this machine's clock and the verifier's");
  }
  if (expected.at - *issued_at > expected.max_age) {
    return fail(ErrorCode::kExpired, "ear.age",
                "the appraisal was made at " + to_rfc3339(*issued_at) + ", longer ago than is accepted",
                "ask the verifier for a new one; for an old record give --at or a longer --max-age");
  }
  if (expires && *expires <= expected.at) {
    return fail(ErrorCode::kExpired, "ear.expired", "the token held until " + to_rfc3339(*expires),
                "ask the verifier for a new one");
  }
  return {};
}

Status read_nonces(const json::object& claims, const EarExpectations& expected, EarToken& token) {
  if (const auto* nonce = claims.if_contains("eat_nonce")) {
    const auto add = [&](const json::value& value) {
      if (value.is_string()) token.nonces.emplace_back(value.get_string());
      return value.is_string();
    };
    const auto* many = nonce->if_array();
    const bool texts = many != nullptr ? many->size() <= kMaxNonces && std::ranges::all_of(*many, add) : add(*nonce);
    if (!texts) return malformed_claims("eat_nonce is neither a text nor a list of texts");
  }
  if (expected.nonce && std::ranges::find(token.nonces, *expected.nonce) == token.nonces.end()) {
    return fail(ErrorCode::kNotAuthentic, "ear.nonce", "the token does not carry the nonce that was expected",
                "this token answers somebody else's question; ask for one with your nonce");
  }
  return {};
}

// A word, or its number: "affirming" and 2 are the same.
Result<AppraisalStatus> status_of(const json::object& submod) {
  struct Word {
    AppraisalStatus status;
    std::int64_t number;
  };
  constexpr std::array<Word, 4> kWords{{{AppraisalStatus::kNone, 0},
                                        {AppraisalStatus::kAffirming, 2},
                                        {AppraisalStatus::kWarning, 32},
                                        {AppraisalStatus::kContraindicated, 96}}};
  if (const auto* value = submod.if_contains("ear.status")) {
    for (const auto& [status, number] : kWords) {
      const auto* text = value->if_string();
      const auto* integer = value->if_int64();
      if (text != nullptr && std::string_view(text->data(), text->size()) == to_string(status)) return status;
      if (integer != nullptr && *integer == number) return status;
    }
  }
  return malformed_claims("ear.status is missing or none of none, affirming, warning, contraindicated");
}

Status read_vector(const json::object& submod, EarSubmod& out) {
  const auto* vector = submod.if_contains("ear.trustworthiness-vector");
  if (vector == nullptr) return {};
  if (!vector->is_object()) return malformed_claims("the trustworthiness vector is not an object");
  for (const auto& member : vector->get_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    const auto* value = member.value().if_int64();
    if (std::ranges::find(kVectorClaims, name) == kVectorClaims.end() || value == nullptr || *value < -128 ||
        *value > 127)
      return malformed_claims("the trustworthiness vector has a member that AR4SI does not know");
    out.vector.emplace(name, static_cast<int>(*value));
  }
  return {};
}

// A status better than what it stands for would hide a refusal.
Status check_consistent(const EarSubmod& submod) {
  AppraisalStatus worst = AppraisalStatus::kNone;
  for (const auto& [name, value] : submod.vector) worst = std::max(worst, tier_of(value));
  if (submod.status >= worst) return {};
  if (submod.status == AppraisalStatus::kNone && worst == AppraisalStatus::kAffirming) return {};
  return fail(ErrorCode::kNotAuthentic, "ear.status",
              "the token says " + std::string(to_string(submod.status)) + ", its trustworthiness vector says " +
                  std::string(to_string(worst)),
              "do not rely on this verifier: its tokens contradict themselves");
}

Result<EarSubmod> read_submod(const json::value& value) {
  if (!value.is_object()) return malformed_claims("a submodule is not an object");
  const json::object& object = value.get_object();
  EarSubmod submod;
  GATEWAY_ASSIGN(submod.status, status_of(object));
  GATEWAY_TRY(read_vector(object, submod));
  GATEWAY_TRY(check_consistent(submod));
  if (object.contains("ear.appraisal-policy-id")) {
    GATEWAY_ASSIGN(submod.policy_id, text_of(object, "ear.appraisal-policy-id"));
  }
  return submod;
}

Status read_submods(const json::object& claims, EarToken& token) {
  const auto* submods = claims.if_contains("submods");
  if (submods == nullptr || !submods->is_object() || submods->get_object().empty() ||
      submods->get_object().size() > kMaxEarSubmods)
    return malformed_claims("submods is missing, empty or too large");
  for (const auto& member : submods->get_object()) {
    GATEWAY_ASSIGN(EarSubmod submod, read_submod(member.value()));
    token.submods.emplace(std::string(member.key()), std::move(submod));
  }
  return {};
}

Result<EarToken> read_claims(const Bytes& payload, const EarExpectations& expected) {
  const auto parsed = codec::parse_json(as_text(payload), kClaimsLimits);
  if (!parsed || !parsed->is_object()) return malformed_claims("the claims set is not a JSON object");
  const json::object& claims = parsed->get_object();
  EarToken token;
  token.claims = as_text(payload);
  GATEWAY_ASSIGN(const std::string profile, text_of(claims, "eat_profile"));
  if (profile != kProfile) {
    return fail(ErrorCode::kUnsupported, "ear.profile", "expected eat_profile " + std::string(kProfile),
                "this is another kind of token, whatever it says");
  }
  GATEWAY_TRY(check_times(claims, expected, token));
  GATEWAY_TRY(read_nonces(claims, expected, token));
  const auto* verifier = claims.if_contains("ear.verifier-id");
  if (verifier == nullptr || !verifier->is_object()) return malformed_claims("ear.verifier-id is missing");
  GATEWAY_ASSIGN(token.developer, text_of(verifier->get_object(), "developer"));
  GATEWAY_ASSIGN(token.build, text_of(verifier->get_object(), "build"));
  GATEWAY_TRY(read_submods(claims, token));
  return token;
}

}  // namespace

AppraisalStatus tier_of(int value) {
  // The ranges: -1..1, then 2..31 and -32..-2, 32..95 and -96..-33, 96..127 and -128..-97.
  const int distance = value < 0 ? -value - 1 : value;
  if (distance >= 96) return AppraisalStatus::kContraindicated;
  if (distance >= 32) return AppraisalStatus::kWarning;
  return value >= -1 && value <= 1 ? AppraisalStatus::kNone : AppraisalStatus::kAffirming;
}

AppraisalStatus EarToken::worst() const {
  AppraisalStatus worst = AppraisalStatus::kAffirming;
  bool nothing = false;
  for (const auto& [name, submod] : submods) {
    nothing = nothing || submod.status == AppraisalStatus::kNone;
    worst = std::max(worst, submod.status);
  }
  return nothing && worst != AppraisalStatus::kContraindicated ? AppraisalStatus::kNone : worst;
}

Result<EarToken> verify_ear(std::string_view token, const crypto::PublicKey& key, const EarExpectations& expected) {
  const bool p256 = key.type() == crypto::KeyType::kP256;
  if (!p256 && key.type() != crypto::KeyType::kP384) {
    return fail(ErrorCode::kUnsupported, "ear.algorithm", "the key given is of neither P-256 nor P-384",
                "EAR tokens are signed with ES256 or ES384 here");
  }
  GATEWAY_ASSIGN(const Parts parts, split(token));
  GATEWAY_TRY(check_header(parts.header, p256 ? "ES256" : "ES384"));
  const auto hash = p256 ? crypto::HashAlgorithm::kSha256 : crypto::HashAlgorithm::kSha384;
  if (!key.verify(hash, crypto::SignatureFormat::kRaw, as_bytes(parts.signed_text), parts.signature)) {
    return fail(ErrorCode::kNotAuthentic, "ear.signature", "the signature is not one of this token by the key given",
                "do not use it; check that the key is that of the verifier that you trust");
  }
  return read_claims(parts.payload, expected);
}

}  // namespace gateway::attestation
