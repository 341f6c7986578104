#include "attestation/appraisal/appraise.h"

#include <algorithm>

namespace gateway::attestation {

// The only maker of an AttestationResult.
class AppraisalBuilder {
 public:
  static AttestationResult build(const Claims& claims, AppraisalStatus status, const PolicyEntry& entry,
                                 std::size_t index, std::vector<Check> checks) {
    AttestationResult result(claims);
    result.status_ = status;
    result.validity_ = claims.validity();
    result.checks_ = std::move(checks);
    result.max_age_ = entry.max_age;
    result.policy_entry_ = index;
    return result;
  }
};

namespace {

// One entry held against the claims. Every check runs, so that the lines show all that is wrong at once.
class EntryAppraisal {
 public:
  EntryAppraisal(const Claims& claims, const PolicyEntry& entry, std::size_t index, const AppraisalContext& context)
      : claims_(claims),
        entry_(entry),
        name_("accept[" + std::to_string(index) + "], line " + std::to_string(entry.line)),
        context_(context) {}

  // Another platform's entry has nothing to compare: its other checks do not run, and it is never the nearest.
  void run() {
    if (!check_platform()) return;
    check_root();
    check_debug();
    check_measurements();
    check_config();
    check_region();
    check_age();
  }

  bool accepts() const { return refused_ == 0 && undecided_ == 0; }
  bool undecided() const { return refused_ == 0 && undecided_ != 0; }
  std::size_t held() const { return held_; }
  std::size_t refused() const { return refused_; }
  const std::optional<Error>& reason() const { return reason_; }
  const std::vector<Check>& lines() const { return checks_.lines(); }

 private:
  bool require(bool holds, ErrorId id, std::string expected, std::string actual, std::string remedy) {
    auto status = checks_.require(holds, ErrorCode::kPolicyRejected, id, std::move(expected), std::move(actual),
                                  std::move(remedy));
    ++(holds ? held_ : refused_);
    if (!status && (!reason_ || reason_->code() == ErrorCode::kUnavailable)) reason_ = std::move(status).error();
    return holds;
  }

  bool check_platform() {
    return require(claims_.platform() == entry_.platform, "policy.platform",
                   std::string(to_string(entry_.platform)) + " (" + name_ + ")",
                   std::string(to_string(claims_.platform())),
                   "this evidence is of another platform than the policy accepts; ask the operator which is meant");
  }

  void check_root() {
    if (entry_.platform != Platform::kLocal) return;
    const bool same = entry_.root_sha256 && *entry_.root_sha256 == claims_.nitro().root_sha256;
    require(same, "policy.root",
            entry_.root_sha256 ? "sha256:" + to_hex(*entry_.root_sha256) : std::string("a root in the policy"),
            "sha256:" + to_hex(claims_.nitro().root_sha256),
            "another machine's virtual NSM signed this; name its root only if you trust that machine");
  }

  void check_debug() {
    require(!claims_.debug() || entry_.insecure_allow_debug, "policy.debug",
            entry_.insecure_allow_debug ? "debug mode allowed by the policy" : "no debug mode",
            claims_.debug() ? "debug mode: PCR0–2 are zero, the host can read the enclave" : "no debug mode",
            "start the enclave without debug mode; nothing in it is private now");
  }

  void check_measurements() {
    for (const auto& [index, expected] : entry_.measurements) {
      const auto found = claims_.nitro().pcrs.find(index);
      const bool present = found != claims_.nitro().pcrs.end();
      require(present && found->second == expected, "policy.measurement",
              "PCR" + std::to_string(index) + " " + to_hex(expected),
              "PCR" + std::to_string(index) + " " + (present ? to_hex(found->second) : std::string("absent")),
              "the enclave runs another image than the policy names; compare with gateway inspect IMAGE.eif");
    }
  }

  void check_config() {
    if (!entry_.config) return;
    const std::string expected = "sha384:" + to_hex(*entry_.config);
    if (!context_.config_digest) {
      auto error =
          checks_.undecided("policy.config_unknown", expected, "evidence alone, without its keys statement",
                            "check the live endpoint (gateway verify HOST:PORT), which states its configuration");
      ++undecided_;
      if (!reason_) reason_ = std::move(error).error();
      return;
    }
    require(*context_.config_digest == *entry_.config, "policy.config", expected,
            "sha384:" + to_hex(*context_.config_digest),
            "the enclave was given another configuration than the policy names; ask the operator for the change");
  }

  void check_region() {
    if (entry_.regions.empty()) return;
    std::string expected;
    for (const std::string& region : entry_.regions) expected += (expected.empty() ? "" : ", ") + region;
    const auto& region = claims_.nitro().region;
    require(region && std::ranges::find(entry_.regions, *region) != entry_.regions.end(), "policy.region", expected,
            region ? *region : std::string("no region in the certificate chain"),
            "the enclave runs outside the regions that the policy allows");
  }

  // Both ways: evidence far from the future is as little fresh as old evidence, and one of the two clocks is wrong.
  void check_age() {
    const Duration age = context_.at - claims_.nitro().timestamp;
    require(age <= entry_.max_age && -age <= entry_.max_age, "policy.age",
            "a timestamp within " +
                std::to_string(std::chrono::duration_cast<std::chrono::seconds>(entry_.max_age).count()) + " s of " +
                to_rfc3339(context_.at),
            to_rfc3339(claims_.nitro().timestamp),
            "ask for fresh evidence; if it is fresh, check this machine's clock (for a stored document give --at)");
  }

  const Claims& claims_;
  const PolicyEntry& entry_;
  const std::string name_;
  const AppraisalContext& context_;
  CheckList checks_;
  std::optional<Error> reason_;
  std::size_t held_ = 0;
  std::size_t refused_ = 0;
  std::size_t undecided_ = 0;
};

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
  const auto compare = [&](const std::optional<ByteView>& expected, const std::optional<Bytes>& found, ErrorId id,
                           const char* remedy) -> Status {
    if (!expected) return {};
    return checks.require(found && equal(*found, *expected), ErrorCode::kPolicyRejected, id, to_hex(*expected),
                          found ? to_hex(*found) : std::string("absent"), remedy);
  };
  const Status nonce = compare(context.expected_nonce, claims.nitro().nonce, "evidence.nonce",
                               "this evidence answers somebody else's question; ask for evidence with your nonce");
  const Status data = compare(context.expected_report_data, claims.nitro().user_data, "evidence.report_data",
                              "this evidence vouches for other keys or data than you expect");
  return nonce ? data : nonce;
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
  verdict.status = claims.debug() ? AppraisalStatus::kWarning : AppraisalStatus::kAffirming;
  verdict.result =
      AppraisalBuilder::build(claims, verdict.status, policy.accept[nearest_index], nearest_index, verdict.checks);
  return verdict;
}

}  // namespace gateway::attestation
