// gateway policy and gateway ear as people and scripts meet them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "attestation/testing/fake_vendor.h"
#include "ear.h"
#include "policy.h"
#include "terminal.h"
#include "verify.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using attestation::testing::DocumentFields;
using attestation::testing::fake_local;
using attestation::testing::fake_nitro;
using attestation::testing::kNow;
using attestation::testing::pcr;
using ::testing::HasSubstr;
using ::testing::Not;

struct Ran {
  int status = -1;
  std::string out, err;
  json::object object() const { return json::parse(out).as_object(); }
};

template <class Options>
Ran run(int (*command)(const Options&), const Options& options) {
  Ran ran;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  ran.status = command(options);
  ran.out = ::testing::internal::GetCapturedStdout();
  ran.err = ::testing::internal::GetCapturedStderr();
  return ran;
}

class PolicyCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "gateway-policy-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name + "/";
    fs::create_directory(folder_ + "evidence");
    root_ = write("root.der", as_text(fake_local().root().der()));
    good_ = write("evidence/good.cbor", as_text(fake_local().document()));
    other_ = write("evidence/other.cbor",
                   as_text(fake_local().document([](DocumentFields& fields) { fields.pcrs[1].second = pcr(9); })));
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(folder_ + name, std::ios::binary) << content;
    return folder_ + name;
  }
  std::string read(const std::string& path) const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string entry(std::uint8_t pcr1 = 0xa1, const std::string& more = {}) {
    return "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + to_hex(fake_local().root_sha256()) +
           "\"\nmeasurements = { \"0\" = \"" + to_hex(pcr(0xa0)) + "\", \"1\" = \"" + to_hex(pcr(pcr1)) +
           "\", \"2\" = \"" + to_hex(pcr(0xa2)) + "\" }\n" + more;
  }
  PolicyTestOptions test_options(const std::string& policy, std::vector<std::string> files) const {
    return {.policy = write("new.toml", policy),
            .against = {},
            .evidence = {.files = std::move(files), .collateral = {}, .roots = {root_}, .at = "2026-05-20T12:00:00Z"},
            .json = true};
  }
  PolicyInitOptions init_options(std::vector<std::string> files) const {
    return {.evidence = {.files = std::move(files), .collateral = {}, .roots = {root_}, .at = {}},
            .output = {},
            .insecure_allow_debug = false};
  }

  std::string folder_, root_, good_, other_;
};

TEST_F(PolicyCommand, JudgesAFolderUnderAPolicy) {
  write("evidence/notes.txt", "no evidence");
  write("evidence/empty", "");
  const Ran ran = run(run_policy_test, test_options(entry(), {folder_ + "evidence"}));
  EXPECT_EQ(ran.status, kRefused);
  const json::object object = ran.object();
  const auto& evidence = object.at("evidence").as_array();
  ASSERT_EQ(evidence.size(), 2U);
  EXPECT_EQ(evidence[0].at("file"), json::value(good_));
  EXPECT_EQ(evidence[0].at("platform"), "local");
  EXPECT_EQ(evidence[0].at("new").at("answer"), "affirmed");
  EXPECT_EQ(evidence[0].at("new").at("entry"), 0);
  EXPECT_TRUE(evidence[0].at("old").is_null());
  EXPECT_EQ(evidence[1].at("new").at("answer"), "refused");
  EXPECT_EQ(evidence[1].at("new").at("reason"), "policy.measurement");
  EXPECT_EQ(object.at("summary").at("evidence"), 2);
  EXPECT_EQ(object.at("summary").at("passed_over"), 2);
  EXPECT_EQ(object.at("summary").at("affirmed"), 1);
  EXPECT_EQ(object.at("summary").at("refused"), 1);
  EXPECT_TRUE(object.at("summary").at("changed").is_null());
}

TEST_F(PolicyCommand, ShowsWhatANewPolicyWouldChange) {
  PolicyTestOptions options = test_options(entry(9), {folder_ + "evidence"});
  options.against = write("old.toml", entry());
  const Ran ran = run(run_policy_test, options);
  EXPECT_EQ(ran.status, kRefused);  // good.cbor would be refused that is not
  const json::object object = ran.object();
  EXPECT_EQ(object.at("evidence").at(0).at("old").at("answer"), "affirmed");
  EXPECT_EQ(object.at("evidence").at(0).at("change"), "refused");
  EXPECT_EQ(object.at("evidence").at(1).at("change"), "affirmed");
  EXPECT_EQ(object.at("summary").at("changed"), 2);
}

TEST_F(PolicyCommand, CallsAPolicyThatOnlyAcceptsMoreFine) {
  PolicyTestOptions options = test_options(entry() + entry(9), {folder_ + "evidence"});
  options.against = write("old.toml", entry());
  EXPECT_EQ(run(run_policy_test, options).status, kDone);
  options.against = options.policy;
  EXPECT_EQ(run(run_policy_test, options).object().at("summary").at("changed"), 0);
}

TEST_F(PolicyCommand, TellsARefusalForAnotherReason) {
  PolicyTestOptions options = test_options("", {good_});
  options.against = write("old.toml", entry(9));
  const Ran ran = run(run_policy_test, options);
  EXPECT_EQ(ran.object().at("evidence").at(0).at("change"), "reason");
  EXPECT_EQ(ran.status, kDone);
}

TEST_F(PolicyCommand, KeepsUndecidedApart) {
  const std::string config = "config = \"sha384:" + std::string(96, '0') + "\"\n";
  PolicyTestOptions options = test_options(entry(0xa1, config), {good_});
  EXPECT_EQ(run(run_policy_test, options).status, kUndecided);
  options.against = write("old.toml", entry());
  const Ran ran = run(run_policy_test, options);
  EXPECT_EQ(ran.status, kUndecided);
  EXPECT_EQ(ran.object().at("evidence").at(0).at("change"), "undecided");
}

TEST_F(PolicyCommand, PrintsATableForPeople) {
  PolicyTestOptions options = test_options(entry(9), {folder_ + "evidence"});
  options.against = write("old.toml", entry());
  options.json = false;
  const Ran ran = run(run_policy_test, options);
  EXPECT_THAT(ran.out, HasSubstr("before"));
  EXPECT_THAT(ran.out, HasSubstr("good.cbor"));
  EXPECT_THAT(ran.out, HasSubstr("refused (policy.measurement)"));
  EXPECT_THAT(ran.out, HasSubstr("2 judged: 1 affirmed, 0 warned, 0 undecided, 1 refused; 2 would change"));
}

TEST_F(PolicyCommand, JudgesEachPieceWhenItWasRecorded) {
  PolicyTestOptions options = test_options(entry(), {good_});
  options.evidence.at.reset();  // now: the document's certificates are of another time
  EXPECT_NE(run(run_policy_test, options).status, kDone);
  options.evidence.at = "recorded";
  EXPECT_EQ(run(run_policy_test, options).status, kDone);
  options.evidence.at = "yesterday";
  const Ran ran = run(run_policy_test, options);
  EXPECT_EQ(ran.status, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("policy.usage"));
}

TEST_F(PolicyCommand, SaysWhichFileIsMissingOrBroken) {
  EXPECT_EQ(run(run_policy_test, test_options(entry(), {folder_ + "missing"})).status, kUndecided);
  EXPECT_EQ(run(run_policy_test, test_options("[[accept\n", {good_})).status, kUsage);
  write("notes.txt", "no evidence");
  fs::create_directory(folder_ + "empty");
  const Ran none = run(run_policy_test, test_options(entry(), {folder_ + "empty"}));
  EXPECT_EQ(none.status, kUndecided);
  EXPECT_THAT(none.err, HasSubstr("policy.no_evidence"));
  const Ran named = run(run_policy_test, test_options(entry(), {folder_ + "notes.txt"}));
  EXPECT_EQ(named.object().at("evidence").at(0).at("new").at("reason"), "evidence.unrecognised");
}

TEST_F(PolicyCommand, DraftsAPolicyThatAcceptsItsEvidence) {
  PolicyInitOptions options = init_options({good_, other_});
  options.output = folder_ + "draft.toml";
  const Ran ran = run(run_policy_init, options);
  ASSERT_EQ(ran.status, kDone) << ran.err;
  EXPECT_EQ(ran.out, "");
  const std::string text = read(folder_ + "draft.toml");
  EXPECT_THAT(text, HasSubstr("# Drafted from evidence"));
  PolicyTestOptions test = test_options(text, {folder_ + "evidence"});
  test.evidence.roots.clear();
  EXPECT_EQ(run(run_policy_test, test).status, kDone);
  EXPECT_EQ(run(run_policy_init, options).status, kUsage);  // it does not replace a file
}

TEST_F(PolicyCommand, PrintsTheDraftWithoutAFile) {
  const Ran ran = run(run_policy_init, init_options({folder_ + "evidence"}));
  EXPECT_EQ(ran.status, kDone);
  const auto policy = attestation::Policy::parse(ran.out, "draft");
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_EQ(policy->accept.size(), 2U);
}

TEST_F(PolicyCommand, DraftsNothingFromEvidenceThatIsNotAuthentic) {
  PolicyInitOptions options = init_options({good_});
  options.evidence.roots.clear();
  const Ran ran = run(run_policy_init, options);
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("nitro.chain.anchor"));
}

TEST_F(PolicyCommand, DraftsNothingFromNothing) {
  write("notes/readme", "");
  fs::create_directory(folder_ + "notes");
  write("notes/readme", "no evidence");
  const Ran ran = run(run_policy_init, init_options({folder_ + "notes"}));
  EXPECT_EQ(ran.status, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("policy.draft_empty"));
}

TEST_F(PolicyCommand, AcceptsDebugModeOnlyWhereItIsAskedFor) {
  const std::string debug = write("debug.cbor", as_text(fake_local().document([](DocumentFields& fields) {
                                    for (const std::size_t index : {0UZ, 1UZ, 2UZ}) fields.pcrs[index].second = pcr(0);
                                  })));
  PolicyInitOptions options = init_options({debug});
  const Ran refused = run(run_policy_init, options);
  EXPECT_EQ(refused.status, kRefused);
  EXPECT_THAT(refused.err, HasSubstr("policy.draft_debug"));
  options.insecure_allow_debug = true;
  EXPECT_EQ(run(run_policy_init, options).status, kDone);
}

class EarCommand : public PolicyCommand {
 protected:
  void SetUp() override {
    PolicyCommand::SetUp();
    const auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
    private_key_ = write("ear.pem", as_text(key.to_pem().value().reveal()));
    options_.key = write("ear.pub", key.public_key().to_pem().value());
    options_.json = true;
  }
  std::string token(const std::string& policy) const {
    VerifyOptions options;
    options.evidence = good_;
    options.policy = write("policy.toml", policy);
    options.at = "2026-05-20T12:00:00Z";
    options.ear = true;
    options.ear_key = private_key_;
    return run(run_verify, options).out;
  }

  std::string private_key_;
  EarVerifyOptions options_;
};

TEST_F(EarCommand, VerifiesWhatVerifySigned) {
  options_.token = write("good.jwt", token(entry()));
  const Ran ran = run(run_ear_verify, options_);
  EXPECT_EQ(ran.status, kDone) << ran.err;
  EXPECT_EQ(ran.object().at("authentic"), true);
  EXPECT_EQ(ran.object().at("status"), "affirming");
  EXPECT_EQ(ran.object().at("verifier").at("developer"), "Gateway");
  EXPECT_EQ(ran.object().at("submods").at("local").at("status"), "affirming");
  EXPECT_EQ(ran.object().at("submods").at("local").at("vector").at("executables"), 3);
  EXPECT_TRUE(ran.object().at("claims").is_object());
  options_.key = private_key_;  // the public half of a private key will do
  EXPECT_EQ(run(run_ear_verify, options_).status, kDone);
}

TEST_F(EarCommand, TakesTheTokenItselfToo) {
  options_.token = token(entry());
  EXPECT_EQ(run(run_ear_verify, options_).status, kDone);
  options_.json = false;
  const Ran ran = run(run_ear_verify, options_);
  EXPECT_THAT(ran.out, HasSubstr("the verifier's word: affirming"));
  EXPECT_THAT(ran.out, HasSubstr("executables"));
}

TEST_F(EarCommand, AnswersAsTheVerifierDid) {
  options_.token = token(entry(9));
  const Ran ran = run(run_ear_verify, options_);
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_EQ(ran.object().at("authentic"), true);
  EXPECT_EQ(ran.object().at("status"), "contraindicated");
}

TEST_F(EarCommand, RefusesTokensOfOthersAndOldOnes) {
  options_.token = token(entry());
  options_.at = "2999-01-01T00:00:00Z";
  Ran ran = run(run_ear_verify, options_);
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_EQ(ran.object().at("reason"), "ear.age");
  options_.max_age = "400000d";
  EXPECT_EQ(run(run_ear_verify, options_).status, kDone);
  options_.at.reset();
  options_.nonce = "another";
  EXPECT_EQ(run(run_ear_verify, options_).object().at("reason"), "ear.nonce");
  options_.nonce.reset();
  const auto other = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  options_.key = write("other.pub", other.public_key().to_pem().value());
  ran = run(run_ear_verify, options_);
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_EQ(ran.object().at("authentic"), false);
  EXPECT_EQ(ran.object().at("reason"), "ear.signature");
}

TEST_F(EarCommand, TellsUsageFromWhatIsMissing) {
  options_.token = folder_ + "missing.jwt";
  const Ran missing = run(run_ear_verify, options_);
  EXPECT_EQ(missing.status, kUndecided);
  EXPECT_TRUE(missing.object().at("authentic").is_null());
  options_.token = token(entry());
  options_.max_age = "soon";
  const Ran usage = run(run_ear_verify, options_);
  EXPECT_EQ(usage.status, kUsage);
  EXPECT_EQ(usage.out, "");
  EXPECT_THAT(usage.err, HasSubstr("ear.usage"));
  options_.max_age.reset();
  options_.at = "later";
  EXPECT_EQ(run(run_ear_verify, options_).status, kUsage);
}

}  // namespace
}  // namespace gateway::cli
