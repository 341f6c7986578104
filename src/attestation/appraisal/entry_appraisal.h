// One entry of a policy held against claims. Private to appraisal/: appraise.cc runs it, each platform's part is in a
// file of its own. Every check runs, so that the lines show all that is wrong at once.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "attestation/appraisal/appraise.h"

namespace gateway::attestation {

class EntryAppraisal {
 public:
  EntryAppraisal(const Claims& claims, const PolicyEntry& entry, std::size_t index, const AppraisalContext& context)
      : claims_(claims),
        entry_(entry),
        name_("accept[" + std::to_string(index) + "], line " + std::to_string(entry.line)),
        context_(context) {}

  void run();

  bool accepts() const { return refused_ == 0 && undecided_ == 0; }
  bool undecided() const { return refused_ == 0 && undecided_ != 0; }
  bool warned() const { return warned_; }
  std::size_t held() const { return held_; }
  std::size_t refused() const { return refused_; }
  const std::optional<Error>& reason() const { return reason_; }
  const std::vector<Check>& lines() const { return checks_.lines(); }
  // Of the verdict, beside the claims' own: grace windows end, TCB data goes stale.
  const TimeWindow& validity() const { return validity_; }

  // For the parts.
  const Claims& claims() const { return claims_; }
  const PolicyEntry& entry() const { return entry_; }
  Time at() const { return context_.at; }
  bool require(bool holds, ErrorId id, std::string expected, std::string actual, std::string remedy);
  void warn(ErrorId id, std::string expected, std::string actual, std::string remedy);
  void undecide(ErrorId id, std::string expected, std::string actual, std::string remedy);
  void check_debug();
  void check_revocation();  // snp, tdx, sgx
  void valid_until(Time time) { validity_.intersect({.not_after = time}); }

  // A value that must be equal, where the policy names one.
  template <std::size_t N>
  void require_equal(const std::optional<ByteArray<N>>& expected, const ByteArray<N>& found, ErrorId id,
                     std::string_view name, std::string remedy) {
    if (!expected) return;
    require(*expected == found, id, std::string(name) + " " + to_hex(*expected), to_hex(found), std::move(remedy));
  }
  // One of a list, where the policy has one.
  template <std::size_t N>
  void require_listed(const std::vector<ByteArray<N>>& listed, const ByteArray<N>& found, ErrorId id, std::string what,
                      std::string remedy) {
    if (listed.empty()) return;
    require(std::ranges::find(listed, found) != listed.end(), id,
            "one of " + std::to_string(listed.size()) + " " + std::move(what), to_hex(found), std::move(remedy));
  }
  template <std::size_t N>
  void require_bits(const BitRules<N>& rules, const ByteArray<N>& found, ErrorId id, std::string remedy) {
    if (rules.required == ByteArray<N>{} && rules.forbidden == ByteArray<N>{}) return;
    bool holds = true;
    for (std::size_t i = 0; i < N; ++i) {
      holds = holds && (found.at(i) & rules.required.at(i)) == rules.required.at(i) &&
              (found.at(i) & rules.forbidden.at(i)) == 0;
    }
    require(holds, id, "set: " + to_hex(rules.required) + ", clear: " + to_hex(rules.forbidden), to_hex(found),
            std::move(remedy));
  }

 private:
  bool check_platform();
  void check_config();
  void check_report_data();

  const Claims& claims_;
  const PolicyEntry& entry_;
  const std::string name_;
  const AppraisalContext& context_;
  CheckList checks_;
  TimeWindow validity_;
  std::optional<Error> reason_;
  std::size_t held_ = 0;
  std::size_t refused_ = 0;
  std::size_t undecided_ = 0;
  bool warned_ = false;
};

void appraise_nitro(EntryAppraisal& appraisal);  // nitro and local
void appraise_snp(EntryAppraisal& appraisal);
void appraise_tdx(EntryAppraisal& appraisal);
void appraise_sgx(EntryAppraisal& appraisal);
void appraise_snp_tcb(EntryAppraisal& appraisal);    // appraise_tcb.cc: rules and grace windows
void appraise_intel_tcb(EntryAppraisal& appraisal);  // appraise_tcb.cc

}  // namespace gateway::attestation
