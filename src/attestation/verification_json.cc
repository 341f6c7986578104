#include "attestation/verification_json.h"

#include <boost/json.hpp>

namespace gateway::attestation {
namespace {

namespace json = boost::json;

json::value hex_or_null(const std::optional<Bytes>& bytes) {
  if (!bytes) return nullptr;
  return json::value_from(to_hex(*bytes));
}

// Six digits of fraction, always: fields that are compared as text keep one form.
std::string with_fraction(Time time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  std::string text = to_rfc3339(whole);
  text.pop_back();  // 'Z'
  const std::string millis = std::to_string((time - whole).count());
  return text + "." + std::string(3 - millis.size(), '0') + millis + "000Z";
}

json::value outcome_json(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
    case Outcome::kWarned: return true;
    case Outcome::kRefused: return false;
    case Outcome::kUndecided: return nullptr;
  }
  return nullptr;
}

json::array checks_json(const std::vector<Check>& checks) {
  json::array lines;
  lines.reserve(checks.size());
  for (const Check& check : checks) {
    lines.push_back(json::object{{"id", check.id},
                                 {"ok", outcome_json(check.outcome)},
                                 {"expected", check.expected},
                                 {"actual", check.actual},
                                 {"remedy", check.remedy}});
  }
  return lines;
}

}  // namespace

json::object claims_json(const Claims& claims) {
  const NitroClaims& nitro = claims.nitro();
  json::object pcrs;
  for (const auto& [index, value] : nitro.pcrs) pcrs.emplace(std::to_string(index), to_hex(value));
  return json::object{{"module_id", nitro.module_id},
                      {"timestamp", with_fraction(nitro.timestamp)},
                      {"pcrs", std::move(pcrs)},
                      {"user_data", hex_or_null(nitro.user_data)},
                      {"nonce", hex_or_null(nitro.nonce)},
                      {"public_key", hex_or_null(nitro.public_key)},
                      {"region", nitro.region ? json::value(*nitro.region) : json::value(nullptr)}};
}

json::object verification_json(const Verification& verification) {
  json::object object;
  object["platform"] = nullptr;
  if (verification.platform) object["platform"] = to_string(*verification.platform);
  object["format"] = nullptr;
  if (!verification.format.empty()) object["format"] = verification.format;
  object["authentic"] = nullptr;
  if (verification.authentic) object["authentic"] = *verification.authentic;
  object["debug"] = nullptr;
  object["appraisal"] = to_string(verification.appraisal);
  object["reason"] = nullptr;
  if (verification.reason) object["reason"] = verification.reason->id();
  object["not_before"] = nullptr;
  object["not_after"] = nullptr;
  object["claims"] = nullptr;
  if (const auto& claims = verification.claims) {
    object["debug"] = claims->debug();
    object["not_before"] = to_rfc3339(claims->validity().not_before);
    object["not_after"] = to_rfc3339(claims->validity().not_after);
    object["claims"] = claims_json(*claims);
  }
  object["checks"] = checks_json(verification.checks);
  return object;
}

}  // namespace gateway::attestation
