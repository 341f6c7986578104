#include "attestation/dcap/qe_identity.h"

#include <gtest/gtest.h>

#include "attestation/testing/fake_intel.h"

namespace gateway::attestation::dcap {
namespace {

using attestation::testing::fake_intel;
using attestation::testing::FakeQeIdentity;
using attestation::testing::to_json;

std::string refusal(std::string_view inner) {
  const auto identity = parse_qe_identity(fake_intel().sign_qe_identity(inner));
  return identity ? "" : std::string(identity.error().id());
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

class QeIdentityTest : public ::testing::Test {
 protected:
  const std::string good_ = to_json(fake_intel().qe_identity(Tee::kTdx));
};

TEST_F(QeIdentityTest, ReadsAllFields) {
  const auto identity = parse_qe_identity(fake_intel().sign_qe_identity(good_));
  ASSERT_TRUE(identity) << identity.error().message();
  EXPECT_EQ(identity->kind, QeKind::kTdQe);
  EXPECT_EQ(identity->evaluation_number, 17U);
  EXPECT_EQ(to_hex(identity->misc_select_mask), "ffffffff");
  EXPECT_EQ(to_hex(identity->attributes), "11000000000000000000000000000000");
  EXPECT_EQ(to_hex(identity->attributes_mask), "fbffffffffffffff0000000000000000");
  EXPECT_EQ(to_hex(identity->mr_signer), to_hex(Bytes(32, 0xdd)));
  EXPECT_EQ(identity->isv_prod_id, 2);
  ASSERT_EQ(identity->levels.size(), 3U);
  EXPECT_EQ(identity->levels[2].status, TcbStatus::kRevoked);
  EXPECT_EQ(as_text(identity->signed_body.body), good_);
  FakeQeIdentity other = fake_intel().qe_identity(Tee::kSgx);
  EXPECT_EQ(parse_qe_identity(fake_intel().sign_qe_identity(to_json(other)))->kind, QeKind::kQe);
  other.id = "QVE";
  EXPECT_EQ(parse_qe_identity(fake_intel().sign_qe_identity(to_json(other)))->kind, QeKind::kQve);
}

TEST_F(QeIdentityTest, RefusesMissingMembers) {
  for (const char* name : {"id", "version", "issueDate", "nextUpdate", "tcbEvaluationDataNumber", "miscselect",
                           "miscselectMask", "attributes", "attributesMask", "mrsigner", "isvprodid", "tcbLevels",
                           "tcb", "isvsvn", "tcbDate", "tcbStatus"}) {
    EXPECT_EQ(refusal(replaced(good_, "\"" + std::string(name) + "\"", "\"x\"")), "dcap.qe_identity.field") << name;
  }
}

TEST_F(QeIdentityTest, RefusesFieldsOfAnotherForm) {
  const auto field = [&](std::string_view from, std::string_view to) { return refusal(replaced(good_, from, to)); };
  constexpr const char* kField = "dcap.qe_identity.field";
  EXPECT_EQ(field("\"TD_QE\"", "\"PCE\""), kField);
  EXPECT_EQ(field("\"TD_QE\"", "2"), kField);
  EXPECT_EQ(field("\"00000000\"", "\"0000000\""), kField);
  EXPECT_EQ(field("\"FFFFFFFF\"", "\"FFFFFFFFFF\""), kField);
  EXPECT_EQ(field("\"110000", "\"1100"), kField);
  EXPECT_EQ(field("\"FBFFFF", "\"FBFFF"), kField);
  EXPECT_EQ(field("\"DDDD", "\"DD"), kField);
  EXPECT_EQ(field("\"isvprodid\":2", "\"isvprodid\":65536"), kField);
  EXPECT_EQ(field("\"isvprodid\":2", "\"isvprodid\":-2"), kField);
  EXPECT_EQ(field("\"isvsvn\":8", "\"isvsvn\":8.5"), kField);
  EXPECT_EQ(field("\"isvsvn\":8", "\"isvsvn\":65536"), kField);
  EXPECT_EQ(field("Number\":17", "Number\":4294967296"), kField);
  EXPECT_EQ(field("\"UpToDate\"", "\"Fine\""), kField);
  EXPECT_EQ(field("\"tcbLevels\":[", "\"tcbLevels\":[],\"x\":["), kField);
  EXPECT_EQ(field("\"tcbLevels\":[", "\"tcbLevels\":1,\"x\":["), kField);
  EXPECT_EQ(field("\"tcb\":{\"isvsvn\":8}", "\"tcb\":8"), kField);
}

TEST_F(QeIdentityTest, RefusesOtherVersions) {
  EXPECT_EQ(refusal(replaced(good_, "\"version\":2", "\"version\":1")), "dcap.qe_identity.version");
  EXPECT_EQ(refusal(replaced(good_, "\"version\":2", "\"version\":3")), "dcap.qe_identity.version");
}

TEST_F(QeIdentityTest, RefusesWhatIsNotItsJson) {
  EXPECT_EQ(refusal("{\"x\":1,\"x\":1," + good_.substr(1)), "dcap.qe_identity.json");
  EXPECT_EQ(refusal("{\"x\":1," + good_.substr(1)), "");
  EXPECT_EQ(refusal("{\"x\":" + std::string(50, '[') + "," + good_.substr(1)), "dcap.qe_identity.limit");
  EXPECT_EQ(refusal("[]"), "dcap.qe_identity.field");
  const std::string file(as_text(fake_intel().sign_qe_identity(good_)));
  const auto tcb_info = parse_qe_identity(fake_intel().sign_tcb_info(good_));
  ASSERT_FALSE(tcb_info);
  EXPECT_EQ(tcb_info.error().id(), "dcap.qe_identity.field");
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(parse_qe_identity(as_bytes(std::string_view(file).substr(0, size))));
  }
}

TEST_F(QeIdentityTest, ComparesUnderItsMasks) {
  QeIdentity identity = parse_qe_identity(fake_intel().sign_qe_identity(good_)).value();
  SgxReportBody qe;
  qe.attributes[0] = 0x15;  // bit 2 is outside the mask
  qe.attributes[8] = 0xe7;  // so is XFRM
  qe.mr_signer.fill(0xdd);
  qe.isv_prod_id = 2;
  CheckList checks;
  EXPECT_TRUE(check_qe(qe, identity, checks));
  qe.attributes[0] = 0x13;  // DEBUG
  EXPECT_FALSE(check_qe(qe, identity, checks));
  qe.attributes[0] = 0x15;
  qe.misc_select = 0x01000000;  // little-endian: its last byte
  EXPECT_FALSE(check_qe(qe, identity, checks));
  identity.misc_select_mask = {{0xff, 0xff, 0xff, 0x00}};
  EXPECT_TRUE(check_qe(qe, identity, checks));
  identity.misc_select = {{0, 0, 0, 1}};  // what lies outside the mask can never match
  EXPECT_FALSE(check_qe(qe, identity, checks));
}

}  // namespace
}  // namespace gateway::attestation::dcap
