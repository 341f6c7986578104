// The platform's TCB against the rules of an entry and its grace windows, for AMD and Intel alike.
//
// The rules hold: affirming. They do not, but those of a grace window do: a warning that names the last day, until
// that day; afterwards the refusal that there would be without the window. Several windows: the one that lasts longest.
//
// Spec:   AMD 56860, TCB_VERSION and REPORTED_TCB; Intel PCS API, TCB info and QE identity (tcbStatus, advisoryIDs,
//         tcbEvaluationDataNumber, nextUpdate); docs/policy.md.
// Errors: kPolicyRejected policy.{min_tcb,min_committed_tcb,min_launch_tcb,tcb_evaluation_number,tcb_status,
//         tcb_advisory}; kUnavailable policy.tcb_unknown
#include "attestation/appraisal/entry_appraisal.h"

namespace gateway::attestation {
namespace {

struct Finding {
  ErrorId id;
  bool holds;
  std::string expected;
  std::string actual;
  std::string remedy;
};
using Findings = std::vector<Finding>;

bool all_hold(const Findings& findings) {
  return std::ranges::all_of(findings, [](const Finding& finding) { return finding.holds; });
}

void compare(Findings& findings, ErrorId id, std::string_view name, const SnpTcb& found,
             const std::optional<SnpTcbFloor>& floor) {
  if (!floor) return;
  const auto add = [&](const char* component, unsigned least, std::optional<unsigned> is, const char* remedy) {
    const std::string what = std::string(name) + "." + component + " ";
    findings.push_back({id, is && *is >= least, what + "at least " + std::to_string(least),
                        what + (is ? std::to_string(*is) : std::string("absent")), remedy});
  };
  constexpr const char* kUpdate =
      "the host runs older firmware or microcode than the policy accepts; it needs an update";
  if (floor->fmc)
    add("fmc", *floor->fmc, found.fmc, "fmc exists on Turin and later alone: name the product's components");
  if (!floor->fmc && found.fmc) {
    findings.push_back({id, false, std::string(name) + ".fmc in the policy", "none",
                        "this product's TCB has the component fmc: give it a minimum"});
  }
  add("boot_loader", floor->boot_loader, found.boot_loader, kUpdate);
  add("tee", floor->tee, found.tee, kUpdate);
  add("snp", floor->snp, found.snp, kUpdate);
  add("microcode", floor->microcode, found.microcode, kUpdate);
}

Findings judge(const SnpClaims& claims, const TcbRules& rules) {
  Findings findings;
  if (!rules.min_tcb) {  // absent only in entries that no policy file made: refused all the same
    findings.push_back(
        {"policy.min_tcb", false, "min_tcb in the policy", "none", "write down the lowest TCB accepted"});
  }
  compare(findings, "policy.min_tcb", "reported_tcb", claims.reported_tcb, rules.min_tcb);
  compare(findings, "policy.min_committed_tcb", "committed_tcb", claims.committed_tcb, rules.min_committed_tcb);
  compare(findings, "policy.min_launch_tcb", "launch_tcb", claims.launch_tcb, rules.min_launch_tcb);
  return findings;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::string remedy_for(const std::string& status) {
  if (status == "Revoked") return "Intel revoked this platform's TCB: do not use it";
  if (status == "NotSupported") return "Intel's TCB data knows no such platform state: do not use it";
  return "the host needs an update or another configuration; see the advisories, or accept the status in tcb_status";
}

Findings judge(const TcbStatement& tcb, const TcbRules& rules) {
  Findings findings;
  const std::uint32_t number = tcb.evaluation_number.value_or(0);
  findings.push_back({"policy.tcb_evaluation_number",
                      rules.min_evaluation_number && number >= *rules.min_evaluation_number,
                      rules.min_evaluation_number ? "at least " + std::to_string(*rules.min_evaluation_number)
                                                  : std::string("a minimum in the policy"),
                      std::to_string(number), "give newer TCB data: with old data an old platform looks up to date"});
  findings.push_back({"policy.tcb_status", std::ranges::find(rules.statuses, tcb.status) != rules.statuses.end(),
                      joined(rules.statuses), tcb.status, remedy_for(tcb.status)});
  std::vector<std::string> others;
  if (tcb.status != "UpToDate" && !rules.insecure_any_advisory) {
    for (const std::string& advisory : tcb.advisories) {
      if (std::ranges::find(rules.advisories_allowed, advisory) == rules.advisories_allowed.end())
        others.push_back(advisory);
    }
  }
  findings.push_back({"policy.tcb_advisory", others.empty(),
                      rules.insecure_any_advisory        ? "any advisory"
                      : rules.advisories_allowed.empty() ? "no advisory"
                                                         : "no advisory but " + joined(rules.advisories_allowed),
                      others.empty() ? (tcb.advisories.empty() ? "none" : joined(tcb.advisories)) : joined(others),
                      "read the advisories; list in advisories_allowed those that do not concern you"});
  return findings;
}

// The window that lasts longest among those whose rules hold.
template <class Subject>
const GraceWindow* covering(const Subject& subject, const std::vector<GraceWindow>& windows) {
  const GraceWindow* longest = nullptr;
  for (const GraceWindow& window : windows) {
    if (all_hold(judge(subject, window.rules)) && (longest == nullptr || window.until > longest->until))
      longest = &window;
  }
  return longest;
}

template <class Subject>
void appraise_tcb(EntryAppraisal& appraisal, const Subject& subject) {
  Findings findings = judge(subject, appraisal.entry().tcb);
  const GraceWindow* const grace = all_hold(findings) ? nullptr : covering(subject, appraisal.entry().grace);
  const bool within = grace != nullptr && appraisal.at() <= grace->until;
  if (within) appraisal.valid_until(grace->until);
  for (Finding& finding : findings) {
    const std::string date = grace != nullptr ? to_rfc3339(grace->until) : std::string();
    if (!finding.holds && within) {
      appraisal.warn(finding.id, std::move(finding.expected), finding.actual + " (tolerated until " + date + ")",
                     finding.remedy + "; refused after " + date);
      continue;
    }
    if (!finding.holds && grace != nullptr) finding.actual += " (tolerated until " + date + ", which is over)";
    appraisal.require(finding.holds, finding.id, std::move(finding.expected), std::move(finding.actual),
                      std::move(finding.remedy));
  }
}

}  // namespace

void appraise_snp_tcb(EntryAppraisal& appraisal) { appraise_tcb(appraisal, appraisal.claims().snp()); }

void appraise_intel_tcb(EntryAppraisal& appraisal) {
  const auto& tcb = appraisal.claims().tcb();
  const auto undecide = [&](std::string found) {
    appraisal.undecide("policy.tcb_unknown", "Intel's TCB info and QE identity for this platform, valid now",
                       std::move(found),
                       "give both with --collateral: TCB info for the platform's FMSPC and the (TD) QE identity");
  };
  if (!tcb || tcb->status == "Unknown" || !tcb->evaluation_number) return undecide("none that applies");
  // Without the quoting enclave's identity the status says only half; what no identity could mend is refused below.
  const bool hopeless = tcb->status == "NotSupported" || tcb->status == "Revoked";
  if (!tcb->qe_status && !hopeless) return undecide("TCB info alone, without a QE identity that applies");
  if (tcb->next_update && *tcb->next_update < appraisal.at())
    return undecide("TCB data that was due for renewal at " + to_rfc3339(*tcb->next_update));
  if (tcb->next_update) appraisal.valid_until(*tcb->next_update);
  appraise_tcb(appraisal, *tcb);
}

}  // namespace gateway::attestation
