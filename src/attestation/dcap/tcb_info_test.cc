#include "attestation/dcap/tcb_info.h"

#include <gtest/gtest.h>

#include "attestation/testing/fake_intel.h"

namespace gateway::attestation::dcap {
namespace {

using attestation::testing::fake_intel;
using attestation::testing::FakeTcbInfo;
using attestation::testing::to_json;

FakeTcbInfo version2() {
  FakeTcbInfo info = fake_intel().tcb_info(Tee::kSgx);
  info.version = 2;
  info.id = "SGX";
  return info;
}

std::string refusal(std::string_view inner) {
  const auto info = parse_tcb_info(fake_intel().sign_tcb_info(inner));
  return info ? "" : std::string(info.error().id());
}
std::string refusal_of_file(std::string_view file) {
  const auto info = parse_tcb_info(as_bytes(file));
  return info ? "" : std::string(info.error().id());
}

// The text with the first `from` replaced.
std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

class TcbInfoTest : public ::testing::Test {
 protected:
  const std::string tdx_ = to_json(fake_intel().tcb_info(Tee::kTdx));
  const std::string sgx_ = to_json(fake_intel().tcb_info(Tee::kSgx));
  const std::string v2_ = to_json(version2());
};

TEST_F(TcbInfoTest, ReadsTdx) {
  const Bytes file = fake_intel().sign_tcb_info(tdx_);
  const auto info = parse_tcb_info(file);
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->version, 3U);
  EXPECT_EQ(info->tee, Tee::kTdx);
  EXPECT_EQ(to_hex(info->fmspc), "00806f050000");
  EXPECT_EQ(to_hex(*info->pce_id), "0000");
  EXPECT_EQ(info->evaluation_number, 17U);
  ASSERT_TRUE(info->tdx_module);
  EXPECT_EQ(to_hex(info->tdx_module->attributes_mask), "ffffffffffffffff");
  ASSERT_EQ(info->tdx_module_identities.size(), 2U);
  EXPECT_EQ(info->tdx_module_identities[0].version, 3);
  EXPECT_EQ(info->tdx_module_identities[1].levels[1].isv_svn, 3);
  EXPECT_EQ(info->tdx_module_identities[1].levels[1].advisories, std::vector<std::string>{"INTEL-SA-00222"});
  ASSERT_EQ(info->levels.size(), 3U);
  EXPECT_EQ(info->levels[0].sgx_components[15], 25);
  EXPECT_EQ(info->levels[0].tdx_components[2], 6);
  EXPECT_EQ(info->levels[0].pce_svn, 11);
  EXPECT_EQ(info->levels[1].status, TcbStatus::kOutOfDate);
  EXPECT_EQ(info->levels[1].date, from_rfc3339("2026-01-14T00:00:00Z"));
  EXPECT_EQ(info->levels[1].advisories, (std::vector<std::string>{"INTEL-SA-00999", "INTEL-SA-00111"}));
  EXPECT_EQ(as_text(info->signed_body.body), tdx_);
}

TEST_F(TcbInfoTest, ReadsSgxOfBothVersions) {
  const auto v3 = parse_tcb_info(fake_intel().sign_tcb_info(sgx_));
  const auto v2 = parse_tcb_info(fake_intel().sign_tcb_info(v2_));
  ASSERT_TRUE(v3 && v2);
  EXPECT_EQ(v2->version, 2U);
  EXPECT_EQ(v2->tee, Tee::kSgx);
  ASSERT_EQ(v2->levels.size(), v3->levels.size());
  for (std::size_t i = 0; i < v2->levels.size(); ++i) {
    EXPECT_EQ(v2->levels[i].sgx_components, v3->levels[i].sgx_components);
  }
  EXPECT_FALSE(v3->tdx_module);
}

TEST_F(TcbInfoTest, FindsTheSignedBytesInEitherOrderOfMembers) {
  const Bytes file = fake_intel().sign_tcb_info(sgx_);
  const std::string text(as_text(file));
  const std::string signature = text.substr(text.find(",\"signature\"") + 1);
  const std::string other = " {\n" + signature.substr(0, signature.size() - 1) + " , \"tcbInfo\" :\t" + sgx_ + "\n}\n";
  const auto info = parse_tcb_info(as_bytes(other));
  ASSERT_TRUE(info) << info.error().message();
  const auto& key = fake_intel().certificate(attestation::testing::IntelCertificate::kTcbSigning).public_key();
  EXPECT_TRUE(verify_signature(info->signed_body, key));
}

TEST_F(TcbInfoTest, VerifiesTheBytesAsServedOrTheirCompactForm) {
  const auto& key = fake_intel().certificate(attestation::testing::IntelCertificate::kTcbSigning).public_key();
  const auto verified = [&](const std::string& inner) {
    const std::string signature(as_text(fake_intel().sign_tcb_info(sgx_)).substr(sgx_.size() + 11));
    const auto info = parse_tcb_info(as_bytes("{\"tcbInfo\":" + inner + signature));
    EXPECT_TRUE(info);
    return info && verify_signature(info->signed_body, key).has_value();
  };
  EXPECT_TRUE(verified(sgx_));
  std::string pretty = sgx_;
  for (std::size_t at = 0; (at = pretty.find(',', at)) != std::string::npos; at += 4) pretty.insert(at + 1, "\n  ");
  EXPECT_TRUE(verified(pretty));
  // White space within a text is part of the text; members in another order are other bytes.
  EXPECT_FALSE(verified(replaced(sgx_, "Early Microcode", "Early  Microcode")));
  EXPECT_FALSE(verified(replaced(sgx_, R"("id":"SGX","version":3,)", R"("version":3,"id":"SGX",)")));
  const auto forged = verify_signature({.body = to_bytes(sgx_), .signature = {}}, key);
  ASSERT_FALSE(forged);
  EXPECT_EQ(forged.error().id(), "dcap.collateral.signature");
}

TEST_F(TcbInfoTest, VerifiesWhatWasSignedWithWhiteSpace) {
  const std::string spaced = replaced(sgx_, ",", ", ");
  const auto info = parse_tcb_info(fake_intel().sign_tcb_info(spaced));
  ASSERT_TRUE(info);
  EXPECT_TRUE(verify_signature(
      info->signed_body, fake_intel().certificate(attestation::testing::IntelCertificate::kTcbSigning).public_key()));
}

TEST_F(TcbInfoTest, RefusesOtherVersions) {
  for (const char* version : {"0", "1", "4", "65535"}) {
    EXPECT_EQ(refusal(replaced(sgx_, "\"version\":3", "\"version\":" + std::string(version))), "dcap.tcb_info.version");
  }
  EXPECT_EQ(refusal(replaced(sgx_, "\"version\":3", "\"version\":\"3\"")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(sgx_, "\"version\":3", "\"version\":65536")), "dcap.tcb_info.field");
}

TEST_F(TcbInfoTest, RefusesMissingMembers) {
  for (const char* name : {"version", "issueDate", "nextUpdate", "fmspc", "pceId", "tcbType", "tcbEvaluationDataNumber",
                           "tcbLevels", "id"}) {
    EXPECT_EQ(refusal(replaced(sgx_, "\"" + std::string(name) + "\"", "\"x\"")), "dcap.tcb_info.field") << name;
  }
  for (const char* name : {"tdxModule", "mrsigner", "attributes", "attributesMask", "tdxtcbcomponents"}) {
    EXPECT_EQ(refusal(replaced(tdx_, "\"" + std::string(name) + "\"", "\"x\"")), "dcap.tcb_info.field") << name;
  }
  for (const char* name : {"tcb", "tcbDate", "tcbStatus", "pcesvn", "sgxtcbcomponents", "svn"}) {
    EXPECT_EQ(refusal(replaced(sgx_, "\"" + std::string(name) + "\"", "\"x\"")), "dcap.tcb_info.field") << name;
  }
  const std::string identities = tdx_.substr(tdx_.find("\"tdxModuleIdentities\""));
  const std::string before = tdx_.substr(0, tdx_.size() - identities.size());
  for (const char* name :
       {"id", "mrsigner", "attributes", "attributesMask", "tcbLevels", "tcb", "isvsvn", "tcbDate", "tcbStatus"}) {
    EXPECT_EQ(refusal(before + replaced(identities, "\"" + std::string(name) + "\"", "\"x\"")), "dcap.tcb_info.field")
        << name;
  }
  for (const char* name : {"sgxtcbcomp01svn", "sgxtcbcomp16svn", "pcesvn"}) {
    EXPECT_EQ(refusal(replaced(v2_, "\"" + std::string(name) + "\"", "\"x\"")), "dcap.tcb_info.field") << name;
  }
  EXPECT_EQ(refusal(replaced(v2_, "\"pceId\"", "\"x\"")), "");  // matches no platform, but is no error
}

TEST_F(TcbInfoTest, PassesOverMembersThatItDoesNotKnow) {
  const std::string extra = R"("new":{"deep":[1.5,-2,null,"é\u00e9"]},)";
  EXPECT_EQ(refusal("{" + extra + sgx_.substr(1)), "");
  EXPECT_EQ(refusal(replaced(tdx_, "\"mrsigner\"", extra + "\"mrsigner\"")), "");
  EXPECT_EQ(refusal(replaced(tdx_, "\"isvsvn\"", extra + "\"isvsvn\"")), "");
  EXPECT_EQ(refusal(replaced(tdx_, "\"tcbDate\"", extra + "\"tcbDate\"")), "");
  EXPECT_EQ(refusal(replaced(tdx_, "\"pcesvn\"", extra + "\"pcesvn\"")), "");
  EXPECT_EQ(refusal(replaced(tdx_, "\"svn\"", extra + "\"svn\"")), "");
  const std::string identities = tdx_.substr(tdx_.find("\"tdxModuleIdentities\""));
  const std::string before = tdx_.substr(0, tdx_.size() - identities.size());
  EXPECT_EQ(refusal(before + replaced(identities, "\"id\"", extra + "\"id\"")), "");
}

// What is passed over is held to JSON and to the limits, wherever it stands.
TEST_F(TcbInfoTest, RefusesUnknownMembersThatAreTooDeep) {
  const std::string deep = "\"new\":" + std::string(20, '[') + std::string(20, ']') + ",";
  const auto limit = [&](const std::string& text, const std::string& before) {
    return refusal(replaced(text, before, deep + before));
  };
  EXPECT_EQ(refusal("{" + deep + sgx_.substr(1)), "dcap.tcb_info.limit");
  for (const char* before : {"\"mrsigner\"", "\"isvsvn\"", "\"tcbDate\"", "\"tcb\":{\"isvsvn\"", "\"pcesvn\"",
                             "\"svn\"", "\"tcb\":{\"sgxtcbcomponents\""}) {
    EXPECT_EQ(limit(tdx_, before), "dcap.tcb_info.limit") << before;
  }
  const std::string identities = tdx_.substr(tdx_.find("\"tdxModuleIdentities\""));
  const std::string before = tdx_.substr(0, tdx_.size() - identities.size());
  EXPECT_EQ(refusal(before + replaced(identities, "\"id\"", deep + "\"id\"")), "dcap.tcb_info.limit");
}

TEST_F(TcbInfoTest, RefusesPartsThatAreNoObjectsOrArrays) {
  const auto field = [&](std::string_view from, std::string_view to) { return refusal(replaced(tdx_, from, to)); };
  constexpr const char* kField = "dcap.tcb_info.field";
  EXPECT_EQ(refusal("[]"), kField);
  EXPECT_EQ(field("\"tdxModule\":{", "\"tdxModule\":1,\"x\":{"), kField);
  EXPECT_EQ(field("\"tdxModuleIdentities\":[", "\"tdxModuleIdentities\":1,\"x\":["), kField);
  EXPECT_EQ(field("\"tdxModuleIdentities\":[", "\"tdxModuleIdentities\":[1],\"x\":["), kField);
  EXPECT_EQ(field("\"tcb\":{\"isvsvn\"", "\"tcb\":1,\"x\":{\"isvsvn\""), kField);
  EXPECT_EQ(field("\"tcbLevels\":[{\"tcb\":{\"isvsvn\"", "\"tcbLevels\":[1,{\"tcb\":{\"isvsvn\""), kField);
  EXPECT_EQ(field("\"tcbLevels\":[{\"tcb\":{\"isvsvn\"", "\"tcbLevels\":1,\"x\":[{\"tcb\":{\"isvsvn\""), kField);
  EXPECT_EQ(field("\"tcbLevels\":[{\"tcb\":{\"sgx", "\"tcbLevels\":[1,{\"tcb\":{\"sgx"), kField);
  EXPECT_EQ(field("\"tcbLevels\":[{\"tcb\":{\"sgx", "\"tcbLevels\":1,\"x\":[{\"tcb\":{\"sgx"), kField);
  EXPECT_EQ(field("\"tcb\":{\"sgx", "\"tcb\":1,\"x\":{\"sgx"), kField);
  EXPECT_EQ(field("\"sgxtcbcomponents\":[", "\"sgxtcbcomponents\":1,\"x\":["), kField);
  EXPECT_EQ(field("\"sgxtcbcomponents\":[", "\"sgxtcbcomponents\":[1,"), kField);
  EXPECT_EQ(field("\"category\":\"BIOS\"", "\"category\":1"), kField);
  EXPECT_EQ(field("\"advisoryIDs\":[", "\"advisoryIDs\":{},\"x\":["), kField);
}

TEST_F(TcbInfoTest, RefusesKeysTwice) {
  EXPECT_EQ(refusal(replaced(sgx_, "\"fmspc\"", "\"tcbType\":0,\"fmspc\"")), "dcap.tcb_info.json");
  EXPECT_EQ(refusal("{\"x\":1,\"x\":1," + sgx_.substr(1)), "dcap.tcb_info.json");
}

TEST_F(TcbInfoTest, RefusesFieldsOfAnotherForm) {
  const auto field = [&](std::string_view from, std::string_view to) { return refusal(replaced(tdx_, from, to)); };
  constexpr const char* kField = "dcap.tcb_info.field";
  EXPECT_EQ(field(R"("id":"TDX")", R"("id":"TDZ")"), kField);
  EXPECT_EQ(field(R"("id":"TDX")", R"("id":1)"), kField);
  EXPECT_EQ(field("\"00806f050000\"", "\"00806f05000\""), kField);
  EXPECT_EQ(field("\"00806f050000\"", "\"00806f0500000\""), kField);
  EXPECT_EQ(field("\"00806f050000\"", "\"00806f05000g\""), kField);
  EXPECT_EQ(field("\"00806f050000\"", "\"00806f05000\\u0030\""), kField);
  EXPECT_EQ(field("\"00806f050000\"", "5"), kField);
  EXPECT_EQ(field(R"("pceId":"0000")", R"("pceId":"000000")"), kField);
  EXPECT_EQ(field(R"("tcbType":0)", R"("tcbType":1)"), kField);
  EXPECT_EQ(field(R"("tcbType":0)", R"("tcbType":-0)"), kField);
  EXPECT_EQ(field(R"("tcbType":0)", R"("tcbType":0.0)"), kField);
  EXPECT_EQ(field("Number\":17", "Number\":4294967296"), kField);
  EXPECT_EQ(field("Number\":17", "Number\":+17"), kField);
  EXPECT_EQ(field(R"("svn":10)", R"("svn":256)"), kField);
  EXPECT_EQ(field(R"("svn":10)", R"("svn":-10)"), kField);
  EXPECT_EQ(field(R"("svn":10)", R"("svn":10.0)"), kField);
  EXPECT_EQ(field(R"("svn":10)", R"("svn":"10")"), kField);
  EXPECT_EQ(field(R"("pcesvn":11)", R"("pcesvn":65536)"), kField);
  EXPECT_EQ(field(R"("isvsvn":5)", R"("isvsvn":65536)"), kField);
  EXPECT_EQ(field(R"("UpToDate")", R"("Uptodate")"), kField);
  EXPECT_EQ(field(R"("UpToDate")", R"("TDRelaunchAdvised")"), kField);
  EXPECT_EQ(field(R"("UpToDate")", R"("NotSupported")"), kField);
  EXPECT_EQ(field("INTEL-SA-00222", "INTEL SA"), kField);
  EXPECT_EQ(field("INTEL-SA-00222", ""), kField);
  EXPECT_EQ(field("INTEL-SA-00222", std::string(65, 'A')), kField);
  EXPECT_EQ(field("[\"INTEL-SA-00222\"]", "\"INTEL-SA-00222\""), kField);
  EXPECT_EQ(field("TDX_03", "TDX_3"), kField);
  EXPECT_EQ(field("TDX_03", "TDX_0g"), kField);
  EXPECT_EQ(field("TDX_03", "SGX_03"), kField);
  EXPECT_EQ(field("TDX_03", "TDX_01"), kField);  // the other one's
  EXPECT_EQ(field(R"("mrsigner":"0)", R"("mrsigner":")"), kField);
}

TEST_F(TcbInfoTest, RefusesDatesOfAnotherForm) {
  const std::size_t at = sgx_.find("\"issueDate\":\"") + 13;
  const std::string date = sgx_.substr(at, 20);
  for (const char* other : {"2026-13-10T12:00:00Z", "2026-02-30T12:00:00Z", "2026-05-10T24:00:00Z",
                            "2026-05-10 12:00:00Z", "2026-05-10T12:00:00z", "2026-05-10T12:00:00", "",
                            "2026-05-10T12:00:00.000Z", "2026-05-10T12:00:00+00:00", "2026-05-10T12:00:0AZ"}) {
    EXPECT_EQ(refusal(replaced(sgx_, date, other)), "dcap.tcb_info.field") << other;
  }
}

TEST_F(TcbInfoTest, RefusesComponentsThatAreNotSixteen) {
  EXPECT_EQ(refusal(replaced(sgx_, R"({"svn":11},)", "")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(sgx_, R"({"svn":11},)", R"({"svn":11},{"svn":11},)")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(v2_, "sgxtcbcomp16svn", "sgxtcbcomp17svn")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(v2_, "sgxtcbcomp16svn", "sgxtcbcomp00svn")), "dcap.tcb_info.field");
}

TEST_F(TcbInfoTest, RefusesPartsOfAnotherVersionOrTee) {
  EXPECT_EQ(refusal(replaced(v2_, "\"version\":2", "\"version\":3,\"id\":\"SGX\"")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(sgx_, "\"version\":3", "\"version\":2")), "dcap.tcb_info.field");
  const std::string without_id = replaced(sgx_, "\"id\":\"SGX\",", "");
  EXPECT_EQ(refusal(replaced(without_id, "\"version\":3", "\"version\":2")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(tdx_, "\"id\":\"TDX\"", "\"id\":\"SGX\"")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(sgx_, "\"id\":\"SGX\"", "\"id\":\"TDX\"")), "dcap.tcb_info.field");
  // One level in the other form.
  EXPECT_EQ(refusal(replaced(v2_, "\"sgxtcbcomp01svn\":10,", "\"sgxtcbcomponents\":[],")), "dcap.tcb_info.field");
  const std::string tdx_components = R"(,"tdxtcbcomponents":)";
  const std::size_t at = tdx_.find(tdx_components);
  const std::string components = tdx_.substr(at, tdx_.find("]", at) + 1 - at);
  EXPECT_EQ(refusal(replaced(tdx_, components, "")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(sgx_, R"("pcesvn":11)", R"("pcesvn":11)" + components)), "dcap.tcb_info.field");
  EXPECT_EQ(refusal(replaced(sgx_, R"("tcbType":0)", R"("tcbType":0,"tdxModuleIdentities":[])")),
            "dcap.tcb_info.field");
  // Both forms in one level.
  EXPECT_EQ(refusal(replaced(sgx_, R"("pcesvn":11)", R"("pcesvn":11,"sgxtcbcomp01svn":1)")), "dcap.tcb_info.field");
}

TEST_F(TcbInfoTest, RefusesEmptyAndOverlongLists) {
  const std::size_t at = sgx_.find("\"tcbLevels\":[") + 13;
  const std::string before = sgx_.substr(0, at);
  EXPECT_EQ(refusal(before + "]}"), "dcap.tcb_info.field");
  FakeTcbInfo info = fake_intel().tcb_info(Tee::kTdx);
  info.levels.resize(kMaxLevels, info.levels.back());
  EXPECT_EQ(refusal(to_json(info)), "");
  info.levels.push_back(info.levels.back());
  EXPECT_EQ(refusal(to_json(info)), "dcap.tcb_info.field");
  info = fake_intel().tcb_info(Tee::kTdx);
  info.identities.front().levels.resize(kMaxLevels + 1);
  EXPECT_EQ(refusal(to_json(info)), "dcap.tcb_info.field");
  info.identities.front().levels.clear();
  EXPECT_EQ(refusal(to_json(info)), "dcap.tcb_info.field");
  info = fake_intel().tcb_info(Tee::kTdx);
  info.levels.front().advisories.resize(kMaxAdvisories, "A");
  EXPECT_EQ(refusal(to_json(info)), "");
  info.levels.front().advisories.emplace_back("A");
  EXPECT_EQ(refusal(to_json(info)), "dcap.tcb_info.field");
  info = fake_intel().tcb_info(Tee::kTdx);
  info.identities.clear();
  for (std::size_t i = 0; i < kMaxModules + 1; ++i) {
    auto module = fake_intel().tcb_info(Tee::kTdx).identities.front();
    module.id = "TDX_" + to_hex(ByteArray<1>{{static_cast<std::uint8_t>(i)}});
    info.identities.push_back(module);
  }
  EXPECT_EQ(refusal(to_json(info)), "dcap.tcb_info.field");
  info.identities.pop_back();
  EXPECT_EQ(refusal(to_json(info)), "");
}

TEST_F(TcbInfoTest, RefusesEnvelopesOfAnotherForm) {
  const std::string good(as_text(fake_intel().sign_tcb_info(sgx_)));
  EXPECT_EQ(refusal_of_file(good), "");
  EXPECT_EQ(refusal_of_file(good + " \n"), "");
  EXPECT_EQ(refusal_of_file(good + "x"), "dcap.tcb_info.json");
  EXPECT_EQ(refusal_of_file(""), "dcap.tcb_info.field");
  EXPECT_EQ(refusal_of_file("[]"), "dcap.tcb_info.field");
  EXPECT_EQ(refusal_of_file("{}"), "dcap.tcb_info.field");
  EXPECT_EQ(refusal_of_file("{\"tcbInfo\":[]}"), "dcap.tcb_info.field");
  EXPECT_EQ(refusal_of_file("{\"tcbInfo\":" + sgx_ + "}"), "dcap.tcb_info.field");
  const std::string signature = good.substr(sgx_.size() + 12);
  EXPECT_EQ(refusal_of_file("{" + signature), "dcap.tcb_info.field");
  EXPECT_EQ(refusal_of_file(replaced(good, "\"signature\"", "\"x\":1,\"signature\"")), "dcap.tcb_info.field");
  EXPECT_EQ(refusal_of_file(good.substr(0, good.size() - 3) + "\"}"), "dcap.tcb_info.field");  // one digit less
  EXPECT_EQ(refusal_of_file(std::string(kMaxDocument + 1, ' ')), "dcap.tcb_info.limit");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(refusal_of_file(std::string_view(good).substr(0, size)), "");
  }
  std::string deep = "{\"x\":";
  for (int i = 0; i < 50; ++i) deep += "[";
  EXPECT_EQ(refusal(deep), "dcap.tcb_info.limit");
}

}  // namespace
}  // namespace gateway::attestation::dcap
