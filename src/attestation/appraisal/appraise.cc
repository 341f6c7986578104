#include "attestation/appraisal/appraise.h"

#include "attestation/appraisal/entry_appraisal.h"

namespace gateway::attestation {

// The only maker of an AttestationResult.
class AppraisalBuilder {
 public:
  static AttestationResult build(const EntryAppraisal& accepted, AppraisalStatus status, std::size_t index,
                                 std::vector<Check> checks) {
    AttestationResult result(accepted.claims());
    result.status_ = status;
    result.validity_ = accepted.claims().validity();
    result.validity_.intersect(accepted.validity());
    result.checks_ = std::move(checks);
    result.max_age_ = accepted.entry().max_age;
    result.policy_entry_ = index;
    return result;
  }
};

namespace {

// An entry that lacks only something to decide beats one that says no; then the one with most checks held.
bool nearer(const EntryAppraisal& a, const EntryAppraisal& b) {
  if (a.undecided() != b.undecided()) return a.undecided();
  if (a.held() != b.held()) return a.held() > b.held();
  return a.refused() < b.refused();
}

void append_lines(std::vector<Check>& to, const std::vector<Check>& lines) {
  to.insert(to.end(), lines.begin(), lines.end());
}

}  // namespace

Status check_statements(const Claims& claims, const AppraisalContext& context, CheckList& checks) {
  const auto compare = [&](const std::optional<ByteView>& expected, const std::optional<ByteView>& found, ErrorId id,
                           std::string remedy) -> Status {
    if (!expected) return {};
    return checks.require(found && equal(*found, *expected), ErrorCode::kPolicyRejected, id, to_hex(*expected),
                          found ? to_hex(*found) : std::string("absent"), std::move(remedy));
  };
  std::optional<ByteView> nonce;
  if (claims.of_nitro_format() && claims.nitro().nonce) nonce = *claims.nitro().nonce;
  const Status fresh = compare(context.expected_nonce, nonce, "evidence.nonce",
                               claims.of_nitro_format()
                                   ? "this evidence answers somebody else's question; ask for evidence with your nonce"
                                   : "evidence of this platform has no nonce field; bind the nonce into the report "
                                     "data and compare that");
  const auto found = claims.report_data();
  const bool shorter = found && context.expected_report_data && found->size() != context.expected_report_data->size();
  const Status data = compare(context.expected_report_data, found, "evidence.report_data",
                              shorter ? "the sizes differ: expect all " + std::to_string(found->size()) +
                                            " bytes, those that fill it up included"
                                      : "this evidence vouches for other keys or data than you expect");
  return fresh ? data : fresh;
}

Verdict appraise(const Claims& claims, const Policy& policy, const AppraisalContext& context) {
  Verdict verdict;
  verdict.checks = claims.checks();
  CheckList statements;
  if (auto status = check_statements(claims, context, statements); !status) verdict.reason = std::move(status).error();
  append_lines(verdict.checks, statements.lines());

  std::optional<EntryAppraisal> nearest;
  std::size_t nearest_index = 0;
  for (std::size_t index = 0; index < policy.accept.size(); ++index) {
    EntryAppraisal appraisal(claims, policy.accept[index], index, context);
    appraisal.run();
    const bool accepts = appraisal.accepts();
    if (accepts || !nearest || nearer(appraisal, *nearest)) {
      nearest.emplace(std::move(appraisal));
      nearest_index = index;
    }
    if (accepts) break;
  }
  if (!nearest) {
    CheckList none;
    auto error = none.refused(ErrorCode::kPolicyRejected, "policy.empty", "at least one [[accept]] entry", "none",
                              "write down what you accept; an empty policy accepts nothing");
    append_lines(verdict.checks, none.lines());
    if (!verdict.reason) verdict.reason = std::move(error).error();
    return verdict;
  }
  append_lines(verdict.checks, nearest->lines());
  if (verdict.reason) return verdict;
  if (!nearest->accepts()) {
    verdict.reason = nearest->reason();
    verdict.undecided = nearest->undecided();
    if (verdict.undecided) verdict.status = AppraisalStatus::kNone;
    return verdict;
  }
  verdict.status = nearest->warned() ? AppraisalStatus::kWarning : AppraisalStatus::kAffirming;
  verdict.result = AppraisalBuilder::build(*nearest, verdict.status, nearest_index, verdict.checks);
  return verdict;
}

}  // namespace gateway::attestation
