#include "attestation/formats/verify_file.h"

#include "attestation/formats/testing.h"

namespace gateway::attestation::formats {
namespace {

using attestation::testing::DocumentFields;
using attestation::testing::fake_local;
using testing::good_claims;
using testing::kNow;
using testing::ra_tls;

VerifyInputs inputs() {
  return {.at = kNow,
          .platform = {},
          .nitro = fake_local().as_local_root(),
          .collateral = nullptr,
          .expected_nonce = {},
          .expected_report_data = {},
          .challenge = {},
          .config_digest = {},
          .caches = nullptr};
}

Bytes document_saying(ByteView statement) {
  return fake_local().document([&](DocumentFields& fields) { fields.user_data = testing::padded(statement); });
}

Bytes carrier(const Bytes& evidence) {
  return testing::certificate({{"2.23.133.5.4.9", ra_tls(evidence, good_claims()), false}}).der();
}

std::string reason(const Verification& verification) {
  return verification.reason ? std::string(verification.reason->id()) : "";
}

TEST(VerifyFile, JudgesRawEvidenceAsVerifyDoes) {
  const Bytes document = fake_local().document();
  EXPECT_EQ(verify_file(document, nullptr, inputs()).authentic, true);
  const Policy accepting = testing::local_policy();
  EXPECT_EQ(verify_file(document, &accepting, inputs()).appraisal, AppraisalStatus::kAffirming);
}

TEST(VerifyFile, HoldsEvidenceToTheKeyOfItsCertificate) {
  const Policy accepting = testing::local_policy();
  const Bytes own = carrier(document_saying(crypto::sha256(good_claims())));
  const Verification good = verify_file(own, &accepting, inputs());
  EXPECT_EQ(reason(good), "");
  EXPECT_EQ(good.checks.back().id, "carrier.binding");
  EXPECT_TRUE(good.result);
  const Bytes relayed = carrier(document_saying(crypto::sha256(as_bytes("another key's claims"))));
  const Verification bad = verify_file(relayed, &accepting, inputs());
  EXPECT_EQ(reason(bad), "carrier.binding");
  EXPECT_EQ(bad.authentic, true) << "genuine, and somebody else's";
  EXPECT_EQ(bad.appraisal, AppraisalStatus::kContraindicated);
  EXPECT_FALSE(bad.result);
  EXPECT_EQ(verify_file(relayed, nullptr, inputs()).appraisal, AppraisalStatus::kNone);
}

TEST(VerifyFile, KeepsTheFirstReason) {
  const Policy nothing = Policy::parse("", "policy").value();
  VerifyInputs given = inputs();
  const Bytes relayed = carrier(document_saying(Bytes(32, 1)));
  EXPECT_EQ(reason(verify_file(relayed, &nothing, given)), "policy.empty");
}

TEST(VerifyFile, UsesWhatABundleBrings) {
  const std::vector<Bytes> collateral{fake_local().root().der()};
  const Bytes bundle = encode_bundle(fake_local().document(), collateral).value();
  const Collateral more;
  VerifyInputs given = inputs();
  given.collateral = &more;
  EXPECT_EQ(verify_file(bundle, nullptr, given).authentic, true);
}

TEST(VerifyFile, SaysNoToWhatItCannotOpen) {
  const Policy accepting = testing::local_policy();
  const Bytes without = testing::certificate({}).der();
  const Verification none = verify_file(without, &accepting, inputs());
  EXPECT_EQ(reason(none), "carrier.none");
  EXPECT_EQ(none.authentic, false);
  EXPECT_EQ(none.appraisal, AppraisalStatus::kContraindicated);
  ASSERT_EQ(none.checks.size(), 1U);
  EXPECT_EQ(none.checks.front().outcome, Outcome::kRefused);
  const Verification large = verify_file(Bytes(kMaxFileSize + 1, 0x42), nullptr, inputs());
  EXPECT_EQ(reason(large), "evidence.file_size");
  EXPECT_EQ(large.authentic, false);
}

}  // namespace
}  // namespace gateway::attestation::formats
