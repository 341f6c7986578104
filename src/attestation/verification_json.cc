#include "attestation/verification_json.h"

#include <boost/json.hpp>

namespace gateway::attestation {
namespace {

namespace json = boost::json;

json::value outcome_json(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
    case Outcome::kWarned: return true;  // it holds; `appraisal` says that somebody should act
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

json::object tcb_json(const TcbStatement& tcb) {
  json::array advisories;
  for (const std::string& advisory : tcb.advisories) advisories.emplace_back(advisory);
  json::object object{{"status", tcb.status}, {"advisories", std::move(advisories)}, {"evaluation_number", nullptr}};
  if (tcb.evaluation_number) object["evaluation_number"] = *tcb.evaluation_number;
  if (tcb.platform_status) object["platform_status"] = *tcb.platform_status;
  if (tcb.tdx_module_status) object["tdx_module_status"] = *tcb.tdx_module_status;
  if (tcb.qe_status) object["qe_status"] = *tcb.qe_status;
  if (tcb.tcb_date) object["tcb_date"] = to_rfc3339(*tcb.tcb_date);
  if (tcb.next_update) object["next_update"] = to_rfc3339(*tcb.next_update);
  return object;
}

}  // namespace

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
    if (claims->tcb()) object["tcb"] = tcb_json(*claims->tcb());
    // A verdict may hold for less long than the evidence: grace windows end, TCB data goes stale.
    const TimeWindow& validity = verification.result ? verification.result->validity() : claims->validity();
    object["not_before"] = to_rfc3339(validity.not_before);
    object["not_after"] = to_rfc3339(validity.not_after);
    object["claims"] = claims_json(*claims);
  }
  object["checks"] = checks_json(verification.checks);
  return object;
}

}  // namespace gateway::attestation
