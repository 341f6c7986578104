// Policies on real evidence: a draft from each piece accepts it, and none accepts another's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "attestation/appraisal/draft.h"
#include "attestation/verify.h"

namespace gateway::attestation {
namespace {

namespace fs = std::filesystem;

Bytes read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  return to_bytes(content);
}

class PolicyVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const folder = std::getenv("GATEWAY_VECTORS");
    if (folder == nullptr) {
      GTEST_SKIP() << "GATEWAY_VECTORS is not set: NO POLICY IS TRIED ON REAL EVIDENCE. Set it to the folder of the "
                      "vectors.";
    }
    const fs::path root(folder);
    for (const char* part : {"snp/reports", "tdx/quotes", "sgx/quotes"}) {
      for (const auto& entry : fs::directory_iterator(root / part)) {
        if (entry.path().extension() == ".bin") evidence_.emplace_back(entry.path().filename(), read(entry.path()));
      }
    }
    for (const char* part : {"snp/reports", "snp/certs", "tdx/collateral", "sgx/collateral", "sgx/certs", "sgx/crl"}) {
      for (const auto& entry : fs::recursive_directory_iterator(root / part)) {
        if (entry.is_regular_file() && entry.path().extension() != ".bin") collateral_.add(read(entry.path()));
      }
    }
  }

  Verification judged(ByteView evidence, Time at, const Policy* policy) const {
    return verify(evidence, policy,
                  {.at = at,
                   .platform = {},
                   .nitro = {},
                   .collateral = &collateral_,
                   .expected_nonce = {},
                   .expected_report_data = {},
                   .config_digest = {},
                   .caches = &caches_});
  }

  std::vector<std::pair<std::string, Bytes>> evidence_;
  Collateral collateral_;
  const Caches caches_ = make_caches();
};

TEST_F(PolicyVectors, DraftsAcceptTheirOwnEvidenceAndNoOther) {
  std::size_t accepted = 0, warned = 0, undecided = 0, refused = 0;
  for (const char* when : {"2023-10-01T00:00:00Z", "2024-06-20T00:00:00Z", "2025-03-14T00:00:00Z",
                           "2025-08-20T00:00:00Z", "2025-10-28T00:00:00Z"}) {
    const Time at = *from_rfc3339(when);
    std::vector<Claims> others;
    for (const auto& [name, bytes] : evidence_) {
      const Verification authentic = judged(bytes, at, nullptr);
      if (!authentic.claims || authentic.claims->debug()) continue;
      const auto text = draft_policy(std::vector{DraftEvidence{*authentic.claims, at}}, {.at = at});
      if (!text) {
        EXPECT_EQ(text.error().id(), "policy.tcb_unknown") << name;
        continue;
      }
      const auto policy = Policy::parse(*text, name);
      ASSERT_TRUE(policy) << name << ": " << policy.error().message();
      const Verification verification = judged(bytes, at, &*policy);
      const std::string reason(verification.reason ? verification.reason->id() : "");
      if (verification.result) {
        ++(verification.appraisal == AppraisalStatus::kWarning ? warned : accepted);
      } else if (verification.reason->code() == ErrorCode::kUnavailable) {
        ++undecided;
        EXPECT_THAT(reason, ::testing::AnyOf("policy.revocation_unknown", "policy.tcb_unknown")) << name << " " << when;
      } else {
        ++refused;
        EXPECT_EQ(reason, "policy.tcb_status") << name << " " << when;
        EXPECT_THAT(authentic.claims->tcb()->status, ::testing::AnyOf("NotSupported", "Revoked")) << name;
      }
      for (const auto& [other_name, other] : evidence_) {
        const Verification against = judged(other, at, &*policy);
        if (!against.result || other_name == name) continue;
        // The same image on the same kind of platform may pass; another measurement may not.
        EXPECT_EQ(against.claims->platform(), authentic.claims->platform()) << name << " accepts " << other_name;
        const auto measured = [](const Claims& claims) {
          return claims.platform() == Platform::kSnp   ? to_hex(claims.snp().measurement)
                 : claims.platform() == Platform::kTdx ? to_hex(claims.tdx().mr_td) + to_hex(claims.tdx().rtmr[2])
                                                       : to_hex(claims.sgx().report.mr_enclave);
        };
        EXPECT_EQ(measured(*against.claims), measured(*authentic.claims)) << name << " accepts " << other_name;
      }
    }
  }
  std::printf("%zu affirmed, %zu warned, %zu undecided, %zu refused\n", accepted, warned, undecided, refused);
  EXPECT_GT(accepted, 0U);
  EXPECT_GT(warned, 0U);
  EXPECT_GT(undecided, 0U);
}

TEST_F(PolicyVectors, AreUndecidedWithoutCollateralAndNeverYes) {
  const Time at = *from_rfc3339("2025-10-28T00:00:00Z");
  for (const auto& [name, bytes] : evidence_) {
    const Verification authentic = judged(bytes, at, nullptr);
    if (!authentic.claims || authentic.claims->debug()) continue;
    const auto text = draft_policy(std::vector{DraftEvidence{*authentic.claims, at}}, {.at = at});
    if (!text) continue;
    const Policy policy = Policy::parse(*text, name).value();
    const Collateral none;
    const Verification verification = verify(bytes, &policy,
                                             {.at = at,
                                              .platform = {},
                                              .nitro = {},
                                              .collateral = &none,
                                              .expected_nonce = {},
                                              .expected_report_data = {},
                                              .config_digest = {},
                                              .caches = nullptr});
    EXPECT_FALSE(verification.result) << name;
    ASSERT_TRUE(verification.reason) << name;
    EXPECT_EQ(verification.reason->code(), ErrorCode::kUnavailable) << name << " " << verification.reason->id();
    EXPECT_EQ(verification.appraisal, AppraisalStatus::kNone) << name;
  }
}

}  // namespace
}  // namespace gateway::attestation
