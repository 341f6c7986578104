#include "attestation/appraisal/appraise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/testing/fake_vendor.h"

namespace gateway::attestation {
namespace {

using testing::DocumentFields;
using testing::fake_local;
using testing::fake_nitro;
using testing::kNow;
using testing::pcr;

Claims nitro_claims(const std::function<void(DocumentFields&)>& change = [](DocumentFields&) {}) {
  return fake_nitro().authenticate(fake_nitro().document(change)).value();
}

Claims local_claims() {
  const Bytes bytes = fake_local().document();
  return nitro::authenticate(nitro::parse_document(bytes).value(), fake_local().as_local_root(), kNow).value();
}

void zero_pcrs(DocumentFields& fields) {
  for (const std::size_t index : {0UZ, 1UZ, 2UZ}) fields.pcrs[index].second = pcr(0);
}

PolicyEntry entry(Platform platform = Platform::kNitro) {
  PolicyEntry entry;
  entry.platform = platform;
  entry.measurements = {{0, pcr(0xa0)}, {1, pcr(0xa1)}, {2, pcr(0xa2)}};
  if (platform == Platform::kLocal) entry.root_sha256 = fake_local().root_sha256();
  return entry;
}

AppraisalContext at(Time time = kNow) {
  return {.at = time, .expected_nonce = {}, .expected_report_data = {}, .config_digest = {}};
}

// The id of the reason, "" when a result was made. Also: a result exists exactly when there is no reason.
std::string reason(const Verdict& verdict) {
  EXPECT_EQ(verdict.result.has_value(), !verdict.reason.has_value());
  if (!verdict.reason) return "";
  EXPECT_NE(verdict.status, AppraisalStatus::kAffirming);
  EXPECT_NE(verdict.status, AppraisalStatus::kWarning);
  const bool has_line = std::ranges::any_of(verdict.checks, [&](const Check& check) {
    return check.id == verdict.reason->id() && check.outcome != Outcome::kOk;
  });
  EXPECT_TRUE(has_line);
  return std::string(verdict.reason->id());
}
std::string reason(const Claims& claims, const PolicyEntry& accepted, const AppraisalContext& context = at()) {
  return reason(appraise(claims, Policy{{accepted}}, context));
}

TEST(Appraise, AffirmsWhatAnEntryAccepts) {
  const Verdict verdict = appraise(nitro_claims(), Policy{{entry()}}, at());
  ASSERT_TRUE(verdict.result);
  EXPECT_EQ(verdict.status, AppraisalStatus::kAffirming);
  EXPECT_EQ(verdict.result->status(), AppraisalStatus::kAffirming);
  EXPECT_EQ(verdict.result->max_age(), kDefaultMaxAge);
  EXPECT_EQ(verdict.result->policy_entry(), 0U);
  EXPECT_EQ(verdict.result->validity().not_after, verdict.result->claims().validity().not_after);
  // The lines of authentication and of appraisal are both there.
  std::vector<std::string_view> ids;
  for (const Check& check : verdict.result->checks()) {
    EXPECT_EQ(check.outcome, Outcome::kOk);
    ids.push_back(check.id);
  }
  EXPECT_THAT(ids, ::testing::IsSupersetOf(std::initializer_list<std::string_view>{
                       "nitro.signature", "policy.platform", "policy.debug", "policy.measurement", "policy.age"}));
}

TEST(Appraise, AcceptsNothingByAnEmptyPolicy) {
  EXPECT_EQ(reason(appraise(nitro_claims(), Policy{}, at())), "policy.empty");
}

TEST(Appraise, RefusesAnotherPlatform) {
  EXPECT_EQ(reason(nitro_claims(), entry(Platform::kLocal)), "policy.platform");
  EXPECT_EQ(reason(local_claims(), entry(Platform::kNitro)), "policy.platform");
}

TEST(Appraise, AcceptsLocalUnderTheNamedRootAlone) {
  EXPECT_EQ(reason(local_claims(), entry(Platform::kLocal)), "");
  PolicyEntry other = entry(Platform::kLocal);
  other.root_sha256 = fake_nitro().root_sha256();
  EXPECT_EQ(reason(local_claims(), other), "policy.root");
  other.root_sha256.reset();  // Policy::parse makes no such entry; it would still be refused
  EXPECT_EQ(reason(local_claims(), other), "policy.root");
}

TEST(Appraise, RefusesEveryOtherMeasurement) {
  for (const unsigned index : {0U, 1U, 2U}) {
    PolicyEntry other = entry();
    other.measurements[index].back() ^= 1U;
    EXPECT_EQ(reason(nitro_claims(), other), "policy.measurement");
  }
}

TEST(Appraise, RefusesARegisterThatTheDocumentLacks) {
  PolicyEntry other = entry();
  other.measurements[16] = pcr(0);
  EXPECT_EQ(reason(nitro_claims(), other), "policy.measurement");
}

TEST(Appraise, ComparesFurtherRegisters) {
  PolicyEntry more = entry();
  more.measurements[4] = pcr(0xa4);
  EXPECT_EQ(reason(nitro_claims(), more), "");
  more.measurements[4] = pcr(0xa5);
  EXPECT_EQ(reason(nitro_claims(), more), "policy.measurement");
}

TEST(Appraise, RefusesDebugModeUnlessThePolicyAllowsIt) {
  PolicyEntry zeros = entry();
  zeros.measurements = {{0, pcr(0)}, {1, pcr(0)}, {2, pcr(0)}};
  // Even when the measurements are the zeros that debug mode shows.
  EXPECT_EQ(reason(nitro_claims(zero_pcrs), zeros), "policy.debug");
  zeros.insecure_allow_debug = true;
  const Verdict verdict = appraise(nitro_claims(zero_pcrs), Policy{{zeros}}, at());
  EXPECT_EQ(reason(verdict), "");
  EXPECT_EQ(verdict.status, AppraisalStatus::kWarning);
}

TEST(Appraise, DoesNotTakeAllowedDebugForAMeasurement) {
  PolicyEntry debug = entry();
  debug.insecure_allow_debug = true;
  EXPECT_EQ(reason(nitro_claims(zero_pcrs), debug), "policy.measurement");
  EXPECT_EQ(appraise(nitro_claims(), Policy{{debug}}, at()).status, AppraisalStatus::kAffirming);
}

TEST(Appraise, NamesDebugModeBeforeTheMeasurements) {
  EXPECT_EQ(reason(nitro_claims(zero_pcrs), entry()), "policy.debug");
}

TEST(Appraise, ComparesTheConfiguration) {
  PolicyEntry named = entry();
  named.config = ByteArray<48>{{1}};
  AppraisalContext context = at();
  context.config_digest = ByteArray<48>{{1}};
  EXPECT_EQ(reason(nitro_claims(), named, context), "");
  context.config_digest = ByteArray<48>{{2}};
  EXPECT_EQ(reason(nitro_claims(), named, context), "policy.config");
}

TEST(Appraise, WarnsOfAConfigurationThatThePolicyLeavesToTheHost) {
  AppraisalContext context = at();
  context.config_digest = ByteArray<48>{{1}};
  const Verdict verdict = appraise(nitro_claims(), Policy{{entry()}}, context);
  EXPECT_EQ(verdict.status, AppraisalStatus::kWarning);
  EXPECT_TRUE(verdict.result);
  const auto line = std::ranges::find(verdict.checks, "policy.config_unnamed", &Check::id);
  ASSERT_NE(line, verdict.checks.end());
  EXPECT_EQ(line->outcome, Outcome::kWarned);
  EXPECT_EQ(appraise(nitro_claims(), Policy{{entry()}}, at()).status, AppraisalStatus::kAffirming)
      << "a bare document states no configuration";
}

TEST(Appraise, FindsAChallengeInTheNonceFieldOfADocument) {
  AppraisalContext context = at();
  const Bytes own = nitro_claims().nitro().nonce.value();
  context.challenge = own;
  EXPECT_EQ(reason(nitro_claims(), entry(), context), "");
  Bytes other = own;
  other.back() ^= 1U;
  context.challenge = other;
  EXPECT_EQ(reason(nitro_claims(), entry(), context), "evidence.nonce");
  other.pop_back();
  EXPECT_EQ(reason(nitro_claims(), entry(), context), "evidence.nonce");
}

TEST(Appraise, IsUndecidedWithoutTheConfigurationThatThePolicyNames) {
  PolicyEntry named = entry();
  named.config = ByteArray<48>{{1}};
  const Verdict verdict = appraise(nitro_claims(), Policy{{named}}, at());
  EXPECT_EQ(reason(verdict), "policy.config_unknown");
  EXPECT_TRUE(verdict.undecided);
  EXPECT_EQ(verdict.reason->code(), ErrorCode::kUnavailable);
  EXPECT_EQ(verdict.status, AppraisalStatus::kNone);
}

TEST(Appraise, RefusesRatherThanStaysUndecidedWhenSomethingElseFails) {
  PolicyEntry named = entry();
  named.config = ByteArray<48>{{1}};
  named.regions = {"us-east-1"};
  const Verdict verdict = appraise(nitro_claims(), Policy{{named}}, at());
  EXPECT_EQ(reason(verdict), "policy.region");
  EXPECT_FALSE(verdict.undecided);
}

TEST(Appraise, ComparesTheRegion) {
  PolicyEntry somewhere = entry();
  somewhere.regions = {"us-east-1", "eu-central-1"};
  EXPECT_EQ(reason(nitro_claims(), somewhere), "");
  somewhere.regions = {"us-east-1"};
  EXPECT_EQ(reason(nitro_claims(), somewhere), "policy.region");
}

TEST(Appraise, RefusesEvidenceWithoutARegionWhereThePolicyNamesOne) {
  PolicyEntry somewhere = entry(Platform::kLocal);
  somewhere.regions = {"eu-central-1"};
  EXPECT_EQ(reason(local_claims(), somewhere), "policy.region");
}

TEST(Appraise, RefusesOldEvidenceAndEvidenceFromTheFuture) {
  const Duration age = kDefaultMaxAge;
  EXPECT_EQ(reason(nitro_claims(), entry(), at(kNow + age)), "");
  EXPECT_EQ(reason(nitro_claims(), entry(), at(kNow + age + Duration(1))), "policy.age");
  EXPECT_EQ(reason(nitro_claims(), entry(), at(kNow - age)), "");
  EXPECT_EQ(reason(nitro_claims(), entry(), at(kNow - age - Duration(1))), "policy.age");
  PolicyEntry patient = entry();
  patient.max_age = std::chrono::hours(1);
  EXPECT_EQ(reason(nitro_claims(), patient, at(kNow + std::chrono::minutes(59))), "");
}

TEST(Appraise, ComparesTheNonce) {
  AppraisalContext context = at();
  const Bytes right(32, 0x22);
  const Bytes wrong(32, 0x23);
  context.expected_nonce = right;
  EXPECT_EQ(reason(nitro_claims(), entry(), context), "");
  context.expected_nonce = wrong;
  EXPECT_EQ(reason(nitro_claims(), entry(), context), "evidence.nonce");
  EXPECT_EQ(reason(nitro_claims([](DocumentFields& fields) { fields.nonce.reset(); }), entry(), context),
            "evidence.nonce");
  context.expected_nonce = ByteView();
  EXPECT_EQ(reason(nitro_claims([](DocumentFields& fields) { fields.nonce.reset(); }), entry(), context),
            "evidence.nonce");
}

TEST(Appraise, ComparesTheUserData) {
  AppraisalContext context = at();
  const Bytes right(32, 0x11);
  const Bytes wrong(31, 0x11);
  context.expected_report_data = right;
  EXPECT_EQ(reason(nitro_claims(), entry(), context), "");
  context.expected_report_data = wrong;
  EXPECT_EQ(reason(nitro_claims(), entry(), context), "evidence.report_data");
}

TEST(Appraise, ComparesTheUserDataThatThePolicyNames) {
  PolicyEntry named = entry();
  named.report_data = Bytes(32, 0x11);
  EXPECT_EQ(reason(nitro_claims(), named), "");
  named.report_data = Bytes(31, 0x11);
  EXPECT_EQ(reason(nitro_claims(), named), "policy.report_data");
  EXPECT_EQ(reason(nitro_claims([](DocumentFields& fields) { fields.user_data.reset(); }), named),
            "policy.report_data");
}

TEST(Appraise, TakesTheFirstEntryThatAccepts) {
  PolicyEntry first = entry();
  first.measurements[0] = pcr(1);
  PolicyEntry third = entry();
  third.max_age = std::chrono::minutes(1);
  const Verdict verdict = appraise(nitro_claims(), Policy{{first, entry(), third}}, at());
  ASSERT_TRUE(verdict.result);
  EXPECT_EQ(verdict.result->policy_entry(), 1U);
  EXPECT_EQ(verdict.result->max_age(), kDefaultMaxAge);
}

TEST(Appraise, GivesTheReasonOfTheNearestEntry) {
  PolicyEntry far = entry();
  for (auto& [index, value] : far.measurements) value = pcr(1);
  PolicyEntry near = entry();
  near.regions = {"us-east-1"};
  EXPECT_EQ(reason(appraise(nitro_claims(), Policy{{entry(Platform::kLocal), far, near}}, at())), "policy.region");
  EXPECT_EQ(reason(appraise(nitro_claims(), Policy{{near, far, entry(Platform::kLocal)}}, at())), "policy.region");
}

TEST(Appraise, PrefersAnUndecidedEntryToARefusingOne) {
  PolicyEntry undecided = entry();
  undecided.config = ByteArray<48>{{1}};
  PolicyEntry refusing = entry();
  refusing.measurements[4] = pcr(0xa4);
  refusing.measurements[3] = pcr(0xa3);
  refusing.regions = {"us-east-1"};
  EXPECT_EQ(reason(appraise(nitro_claims(), Policy{{refusing, undecided}}, at())), "policy.config_unknown");
  EXPECT_EQ(reason(appraise(nitro_claims(), Policy{{undecided, refusing}}, at())), "policy.config_unknown");
}

TEST(Appraise, DoesNotLetAnyEntryOverruleTheNonce) {
  AppraisalContext context = at();
  const Bytes wrong(32, 0x23);
  context.expected_nonce = wrong;
  PolicyEntry undecided = entry();
  undecided.config = ByteArray<48>{{1}};
  const Verdict verdict = appraise(nitro_claims(), Policy{{undecided, entry()}}, context);
  EXPECT_EQ(reason(verdict), "evidence.nonce");
  EXPECT_FALSE(verdict.undecided);
  EXPECT_EQ(verdict.status, AppraisalStatus::kContraindicated);
}

}  // namespace
}  // namespace gateway::attestation
