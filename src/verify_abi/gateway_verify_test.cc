#include "verify_abi/gateway_verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <thread>

#include "attestation/appraisal/policy.h"
#include "attestation/testing/fake_vendor.h"
#include "verify_abi/testing.h"

namespace gateway::verify_abi {
namespace {

using attestation::testing::fake_local;
using attestation::testing::kNow;
using ::testing::HasSubstr;

gateway_verify_bytes bytes_of(ByteView view) { return {view.data(), view.size()}; }
gateway_verify_bytes bytes_of(std::string_view text) { return {text.data(), text.size()}; }

class Verify : public ::testing::Test {
 protected:
  void SetUp() override {
    request_.struct_size = sizeof request_;
    request_.evidence = bytes_of(ByteView(document_));
    request_.policy = bytes_of(std::string_view(policy_));
    request_.at_ms = kNow.time_since_epoch().count();
    result_.struct_size = sizeof result_;
  }
  int call() {
    std::ranges::fill(json_, 'x');
    return gateway_verify_evidence(&request_, &result_, json_.data(), json_.size());
  }
  void expect_usage(const char* id) {
    EXPECT_EQ(call(), GATEWAY_VERIFY_USAGE);
    EXPECT_EQ(result_.outcome, GATEWAY_VERIFY_USAGE);
    EXPECT_STREQ(result_.reason, id);
    EXPECT_EQ(result_.authentic, GATEWAY_VERIFY_UNKNOWN);
    EXPECT_EQ(result_.json_size, 0U);
    EXPECT_STREQ(json_.data(), "");
  }
  const Bytes document_ = fake_local().document();
  const std::string policy_ = testing::policy_for(fake_local());
  gateway_verify_request request_{};
  gateway_verify_result result_{};
  std::vector<char> json_ = std::vector<char>(256UZ * 1024);
};

TEST_F(Verify, AcceptsWhatThePolicyAccepts) {
  ASSERT_EQ(call(), GATEWAY_VERIFY_OK) << result_.reason << " " << result_.detail;
  EXPECT_EQ(result_.outcome, GATEWAY_VERIFY_OK);
  EXPECT_EQ(result_.authentic, GATEWAY_VERIFY_YES);
  EXPECT_EQ(result_.debug, GATEWAY_VERIFY_NO);
  EXPECT_EQ(result_.appraisal, GATEWAY_VERIFY_AFFIRMING);
  EXPECT_EQ(result_.platform, GATEWAY_VERIFY_PLATFORM_LOCAL);
  EXPECT_LE(result_.not_before_ms, request_.at_ms);
  EXPECT_GE(result_.not_after_ms, request_.at_ms);
  EXPECT_STREQ(result_.reason, "");
  const boost::json::value verdict = boost::json::parse(json_.data());
  EXPECT_EQ(verdict.at("appraisal"), "affirming");
  EXPECT_EQ(result_.json_size, std::string_view(json_.data()).size() + 1);
}

TEST_F(Verify, RefusesByNameAndSaysWhatToDo) {
  const Bytes other = fake_local().document(
      [](attestation::testing::DocumentFields& fields) { fields.pcrs.at(0).second = attestation::testing::pcr(0x77); });
  request_.evidence = bytes_of(ByteView(other));
  ASSERT_EQ(call(), GATEWAY_VERIFY_REFUSED);
  EXPECT_EQ(result_.authentic, GATEWAY_VERIFY_YES);
  EXPECT_EQ(result_.appraisal, GATEWAY_VERIFY_CONTRAINDICATED);
  EXPECT_STRNE(result_.reason, "");
  EXPECT_THAT(result_.detail, HasSubstr("; "));
}

TEST_F(Verify, RefusesForgedEvidence) {
  Bytes forged = document_;
  forged.back() ^= 1;
  request_.evidence = bytes_of(ByteView(forged));
  ASSERT_EQ(call(), GATEWAY_VERIFY_REFUSED);
  EXPECT_EQ(result_.authentic, GATEWAY_VERIFY_NO);
  EXPECT_EQ(result_.debug, GATEWAY_VERIFY_UNKNOWN);
  EXPECT_EQ(result_.not_after_ms, 0);
  EXPECT_STREQ(result_.reason, "nitro.signature");
}

TEST_F(Verify, TakesTheTimeFromTheCaller) {
  request_.at_ms += 24 * 3600 * 1000;
  ASSERT_EQ(call(), GATEWAY_VERIFY_REFUSED);
  EXPECT_STREQ(result_.reason, "nitro.chain.validity");
}

TEST_F(Verify, WithoutAPolicyJudgesAuthenticityAlone) {
  request_.policy = {};
  const std::string root = fake_local().root().to_pem();
  request_.roots_pem = bytes_of(std::string_view(root));
  ASSERT_EQ(call(), GATEWAY_VERIFY_OK) << result_.reason;
  EXPECT_EQ(result_.appraisal, GATEWAY_VERIFY_NONE);
  request_.roots_pem = {};
  ASSERT_EQ(call(), GATEWAY_VERIFY_REFUSED);
}

TEST_F(Verify, ComparesNonceAndReportData) {
  const attestation::testing::DocumentFields fields = fake_local().fields();
  request_.nonce = bytes_of(ByteView(*fields.nonce));
  EXPECT_EQ(call(), GATEWAY_VERIFY_OK) << result_.reason;
  const Bytes wrong(32, 0xee);
  request_.nonce = bytes_of(ByteView(wrong));
  EXPECT_EQ(call(), GATEWAY_VERIFY_REFUSED);
  EXPECT_EQ(result_.authentic, GATEWAY_VERIFY_YES);
  request_.nonce = {};
  request_.report_data = bytes_of(ByteView(wrong));
  EXPECT_EQ(call(), GATEWAY_VERIFY_REFUSED);
}

TEST_F(Verify, HoldsEvidenceToTheNamedPlatform) {
  request_.platform = GATEWAY_VERIFY_PLATFORM_LOCAL;
  EXPECT_EQ(call(), GATEWAY_VERIFY_OK) << result_.reason;
  for (const std::uint32_t other : {GATEWAY_VERIFY_PLATFORM_NITRO, GATEWAY_VERIFY_PLATFORM_SNP,
                                    GATEWAY_VERIFY_PLATFORM_TDX, GATEWAY_VERIFY_PLATFORM_SGX}) {
    request_.platform = other;
    EXPECT_NE(call(), GATEWAY_VERIFY_OK) << other;
  }
  request_.platform = 6;
  expect_usage("verify_abi.platform");
}

TEST_F(Verify, PassesCollateralOnAndIgnoresWhatDoesNotApply) {
  const std::vector<gateway_verify_bytes> files = {bytes_of(std::string_view("nothing")), {}};
  request_.collateral = files.data();
  request_.collateral_count = files.size();
  EXPECT_EQ(call(), GATEWAY_VERIFY_OK) << result_.reason;
}

TEST_F(Verify, RefusesRequestsThatMakeNoSense) {
  const gateway_verify_request good = request_;
  const auto with = [&](auto change) {
    request_ = good;
    change(request_);
  };
  with([](auto& r) { r.evidence = {}; });
  expect_usage("verify_abi.argument");
  for (auto field : {&gateway_verify_request::evidence, &gateway_verify_request::policy, &gateway_verify_request::nonce,
                     &gateway_verify_request::report_data, &gateway_verify_request::roots_pem}) {
    with([&](auto& r) { r.*field = {nullptr, 1}; });
    expect_usage("verify_abi.argument");
  }
  with([](auto& r) { r.collateral_count = 1; });
  expect_usage("verify_abi.argument");
  const std::vector<gateway_verify_bytes> many(1001);
  with([&](auto& r) {
    r.collateral = many.data();
    r.collateral_count = many.size();
  });
  expect_usage("verify_abi.argument");
  const gateway_verify_bytes hollow{nullptr, 1};
  with([&](auto& r) {
    r.collateral = &hollow;
    r.collateral_count = 1;
  });
  expect_usage("verify_abi.argument");
  with([](auto& r) { r.at_ms = -1; });
  expect_usage("verify_abi.argument");
  with([](auto& r) { r.at_ms = INT64_MAX; });
  expect_usage("verify_abi.argument");
  const std::string large(attestation::kMaxPolicySize + 1, '#');
  with([&](auto& r) { r.policy = bytes_of(std::string_view(large)); });
  expect_usage("verify_abi.argument");
  with([](auto& r) { r.reserved = 1; });
  expect_usage("verify_abi.reserved");
}

TEST_F(Verify, AMistakeInThePolicyIsTheCallersAndNoVerdict) {
  request_.policy = bytes_of(std::string_view("[[accept]]\nplatfrom = 'local'\n"));
  EXPECT_EQ(call(), GATEWAY_VERIFY_USAGE);
  EXPECT_STREQ(result_.reason, "toml.unknown_key");
  EXPECT_EQ(result_.authentic, GATEWAY_VERIFY_UNKNOWN);
  request_.policy = bytes_of(std::string_view(policy_));
  request_.roots_pem = bytes_of(std::string_view("-----BEGIN CERTIFICATE-----\n"));
  EXPECT_EQ(call(), GATEWAY_VERIFY_USAGE);
}

TEST_F(Verify, OlderStructuresAreRefusedAndNewerOnesReadWhereTheyAreZero) {
  request_.struct_size = sizeof request_ - 1;
  expect_usage("verify_abi.struct_size");
  request_.struct_size = 0;
  expect_usage("verify_abi.struct_size");

  struct Newer {
    gateway_verify_request known;
    std::uint64_t later;
  } newer{};
  newer.known = request_;
  newer.known.struct_size = sizeof newer;
  struct NewerResult {
    gateway_verify_result known;
    std::uint64_t later;
  } out{};
  out.known.struct_size = sizeof out;
  out.later = 7;
  EXPECT_EQ(gateway_verify_evidence(&newer.known, &out.known, nullptr, 0), GATEWAY_VERIFY_OK) << out.known.reason;
  EXPECT_EQ(out.later, 0U);
  EXPECT_EQ(out.known.struct_size, sizeof out);
  newer.later = 1;
  EXPECT_EQ(gateway_verify_evidence(&newer.known, &out.known, nullptr, 0), GATEWAY_VERIFY_USAGE);
  EXPECT_STREQ(out.known.reason, "verify_abi.struct_size");
}

TEST_F(Verify, WithoutAPlaceForTheAnswerItIsNeverYes) {
  EXPECT_EQ(gateway_verify_evidence(nullptr, &result_, nullptr, 0), GATEWAY_VERIFY_USAGE);
  EXPECT_EQ(gateway_verify_evidence(&request_, nullptr, nullptr, 0), GATEWAY_VERIFY_USAGE);
  result_.struct_size = sizeof result_ - 1;
  result_.outcome = 77;
  EXPECT_EQ(call(), GATEWAY_VERIFY_USAGE);
  EXPECT_EQ(result_.outcome, 77U);  // untouched
  EXPECT_STREQ(json_.data(), "");
}

TEST_F(Verify, JsonThatDoesNotFitIsLeftOutAndItsSizeGiven) {
  ASSERT_EQ(call(), GATEWAY_VERIFY_OK);
  const std::size_t needed = result_.json_size;
  std::vector<char> small(needed - 1, 'x');
  EXPECT_EQ(gateway_verify_evidence(&request_, &result_, small.data(), small.size()), GATEWAY_VERIFY_OK);
  EXPECT_STREQ(small.data(), "");
  EXPECT_EQ(result_.json_size, needed);
  std::vector<char> exact(needed, 'x');
  EXPECT_EQ(gateway_verify_evidence(&request_, &result_, exact.data(), exact.size()), GATEWAY_VERIFY_OK);
  EXPECT_EQ(std::string_view(exact.data()).size(), needed - 1);
  EXPECT_EQ(gateway_verify_evidence(&request_, &result_, nullptr, 0), GATEWAY_VERIFY_OK);
  EXPECT_EQ(result_.json_size, 0U);
}

TEST_F(Verify, ThreadsGetTheirOwnAnswers) {
  std::atomic<int> wrong = 0;
  const auto run = [&](bool good) {
    Bytes evidence = document_;
    if (!good) evidence.back() ^= 1;
    for (int i = 0; i < 20; ++i) {
      gateway_verify_request request = request_;
      request.evidence = bytes_of(ByteView(evidence));
      gateway_verify_result result{};
      result.struct_size = sizeof result;
      const int outcome = gateway_verify_evidence(&request, &result, nullptr, 0);
      if (outcome != (good ? GATEWAY_VERIFY_OK : GATEWAY_VERIFY_REFUSED)) ++wrong;
    }
  };
  {
    std::jthread one(run, true), two(run, false), three(run, true);
  }
  EXPECT_EQ(wrong, 0);
}

TEST(VerifyVersion, IsStated) {
  EXPECT_EQ(gateway_verify_abi_version(), static_cast<std::uint32_t>(GATEWAY_VERIFY_ABI_VERSION));
  EXPECT_STRNE(gateway_verify_version(), "");
}

// The structures' layout is the interface: callers in other languages write it down by hand.
TEST(VerifyLayout, StaysAsItIs) {
  EXPECT_EQ(sizeof(gateway_verify_bytes), 16U);
  EXPECT_EQ(sizeof(gateway_verify_request), 120U);
  EXPECT_EQ(offsetof(gateway_verify_request, evidence), 8U);
  EXPECT_EQ(offsetof(gateway_verify_request, policy), 24U);
  EXPECT_EQ(offsetof(gateway_verify_request, collateral), 40U);
  EXPECT_EQ(offsetof(gateway_verify_request, at_ms), 56U);
  EXPECT_EQ(offsetof(gateway_verify_request, nonce), 64U);
  EXPECT_EQ(offsetof(gateway_verify_request, platform), 112U);
  EXPECT_EQ(sizeof(gateway_verify_result), 696U);
  EXPECT_EQ(offsetof(gateway_verify_result, outcome), 8U);
  EXPECT_EQ(offsetof(gateway_verify_result, not_before_ms), 32U);
  EXPECT_EQ(offsetof(gateway_verify_result, json_size), 48U);
  EXPECT_EQ(offsetof(gateway_verify_result, reason), 56U);
  EXPECT_EQ(offsetof(gateway_verify_result, detail), 184U);
}

}  // namespace
}  // namespace gateway::verify_abi
