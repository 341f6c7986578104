// gateway verify as people and scripts meet it: exit status, what is on standard output, what is on standard error.
#include "verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "attestation/testing/fake_vendor.h"
#include "terminal.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using attestation::testing::DocumentFields;
using attestation::testing::fake_local;
using attestation::testing::fake_nitro;
using attestation::testing::pcr;
using ::testing::HasSubstr;

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
  json::object verdict() const { return json::parse(out).as_object(); }
  std::string reason() const {
    const json::value value = verdict().at("reason");
    return value.is_null() ? "" : std::string(value.as_string());
  }
};

class VerifyCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "gateway-verify-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name + "/";
    options_.evidence = write("document", fake_local().document());
    options_.roots = {write("root.der", fake_local().root().der())};
    options_.at = "2026-05-20T12:00:00Z";
    options_.authenticate_only = true;
    options_.json = true;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, ByteView content) const {
    std::ofstream(folder_ + name, std::ios::binary) << as_text(content);
    return folder_ + name;
  }
  std::string write(const std::string& name, const std::string& content) const {
    return write(name, as_bytes(content));
  }
  void use_policy(const std::string& toml) {
    options_.policy = write("policy.toml", toml);
    options_.authenticate_only = false;
  }
  static std::string entry(const std::string& more = {}) {
    return "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + to_hex(fake_local().root_sha256()) +
           "\"\nmeasurements = { \"0\" = \"" + to_hex(pcr(0xa0)) + "\", \"1\" = \"" + to_hex(pcr(0xa1)) +
           "\", \"2\" = \"" + to_hex(pcr(0xa2)) + "\" }\n" + more;
  }
  Outcome run() const {
    Outcome outcome;
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    outcome.status = run_verify(options_);
    outcome.out = ::testing::internal::GetCapturedStdout();
    outcome.err = ::testing::internal::GetCapturedStderr();
    return outcome;
  }

  std::string folder_;
  VerifyOptions options_;
};

TEST_F(VerifyCommand, SaysThatAGenuineDocumentIsAuthentic) {
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, kDone);
  EXPECT_EQ(outcome.verdict().at("authentic"), true);
  EXPECT_EQ(outcome.verdict().at("platform"), "local");
  EXPECT_EQ(outcome.verdict().at("appraisal"), "none");
  EXPECT_EQ(outcome.reason(), "");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 1);  // one object and nothing else
}

TEST_F(VerifyCommand, AffirmsWhatThePolicyAccepts) {
  use_policy(entry());
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, kDone);
  EXPECT_EQ(outcome.verdict().at("appraisal"), "affirming");
  options_.roots.clear();  // the policy's hash finds the root in the document
  EXPECT_EQ(run().status, kDone);
}

TEST_F(VerifyCommand, RefusesWhatThePolicyDoesNotAccept) {
  use_policy(entry());
  options_.evidence =
      write("other", fake_local().document([](DocumentFields& fields) { fields.pcrs[1].second = pcr(9); }));
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, kRefused);
  EXPECT_EQ(outcome.verdict().at("authentic"), true);
  EXPECT_EQ(outcome.verdict().at("appraisal"), "contraindicated");
  EXPECT_EQ(outcome.reason(), "policy.measurement");
  EXPECT_THAT(outcome.err, HasSubstr("policy.measurement"));
  EXPECT_THAT(outcome.err, HasSubstr("what to do"));
}

TEST_F(VerifyCommand, RefusesByAnEmptyPolicy) {
  use_policy("");
  EXPECT_EQ(run().status, kRefused);
  EXPECT_EQ(run().reason(), "policy.empty");
}

TEST_F(VerifyCommand, IsUndecidedAboutAConfigurationThatADocumentDoesNotShow) {
  use_policy(entry("config = \"sha384:" + std::string(96, '0') + "\"\n"));
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, kUndecided);
  EXPECT_EQ(outcome.verdict().at("authentic"), true);
  EXPECT_EQ(outcome.reason(), "policy.config_unknown");
}

TEST_F(VerifyCommand, RefusesAChainUnderAnUnknownRoot) {
  options_.roots.clear();
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, kRefused);
  EXPECT_EQ(outcome.verdict().at("authentic"), false);
  EXPECT_EQ(outcome.verdict().at("platform"), "local");
  EXPECT_EQ(outcome.reason(), "nitro.chain.anchor");
}

TEST_F(VerifyCommand, RefusesEverythingMalformedWithAReason) {
  const Bytes document = fake_local().document();
  Bytes trailing = document;
  trailing.push_back(0);
  const std::vector<std::pair<Bytes, std::string>> inputs{
      {{}, "nitro.document.empty"},
      {to_bytes("hello"), "evidence.unrecognised"},
      {to_bytes(ByteView(document).first(document.size() - 1)), "nitro.document.structure"},
      {trailing, "nitro.document.trailing"},
      {Bytes(40'000, 0x84), "nitro.document.size"},
      {Bytes(70'000, 0x84), "evidence.size"}};
  for (const auto& [input, reason] : inputs) {
    options_.evidence = write("bad", input);
    const Outcome outcome = run();
    EXPECT_EQ(outcome.status, kRefused) << reason;
    EXPECT_EQ(outcome.verdict().at("authentic"), false) << reason;
    EXPECT_EQ(outcome.reason(), reason);
  }
}

// One quote format serves two platforms: only after authentication is it clear which.
TEST_F(VerifyCommand, RefusesGenuineEvidenceOfAnotherPlatformThanWasNamed) {
  const char* const folder = std::getenv("GATEWAY_VECTORS");
  if (folder == nullptr) GTEST_SKIP() << "GATEWAY_VECTORS is not set: NO REAL QUOTE IS JUDGED";
  options_.evidence = std::string(folder) + "/tdx/quotes/tdx1.0_v4_00806f050000_go-tdx-guest_00b2526a.bin";
  options_.at = "2025-01-01T00:00:00Z";
  options_.platform = "tdx";
  EXPECT_EQ(run().status, kDone);
  options_.platform = "sgx";
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, kRefused);
  EXPECT_EQ(outcome.reason(), "evidence.platform");
}

TEST_F(VerifyCommand, ReplaysAnEventLogAgainstTheRegistersOfItsQuote) {
  const char* const folder = std::getenv("GATEWAY_VECTORS");
  if (folder == nullptr) GTEST_SKIP() << "GATEWAY_VECTORS is not set: NO REAL EVENT LOG IS REPLAYED";
  const std::string vectors(folder);
  options_.evidence = vectors + "/tdx/quotes/tdx1.0_v4_00806f050000_go-tdx-guest_00b2526a.bin";
  options_.at = "2025-01-01T00:00:00Z";
  options_.event_log = vectors + "/tdx/ccel/cos-113_ccel_data.dat";
  EXPECT_EQ(run().status, kDone);
  options_.event_log = vectors + "/tdx/ccel/dstack_ccel.bin";
  const Outcome other = run();
  EXPECT_EQ(other.status, kRefused);
  EXPECT_EQ(other.reason(), "tdx.ccel.rtmr");
  options_.event_log = options_.evidence;
  EXPECT_EQ(run().status, kRefused);
  options_.event_log = folder_ + "none";
  EXPECT_EQ(run().status, kUndecided);
}

TEST_F(VerifyCommand, ReadsNoMoreOfAnEndlessFileThanItNeeds) {
  options_.evidence = "/dev/zero";
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, kRefused);
  EXPECT_EQ(outcome.reason(), "evidence.file_size");
}

TEST_F(VerifyCommand, JudgesAtTheTimeGiven) {
  options_.at = "2026-05-20T16:00:00+01:00";  // 15:00 UTC, three seconds after the leaf's end
  EXPECT_EQ(run().reason(), "nitro.chain.validity");
  EXPECT_EQ(run().status, kRefused);
  options_.at = "2026-05-20T15:59:57+01:00";
  EXPECT_EQ(run().status, kDone);
  options_.at.reset();  // now: long after, or long before
  EXPECT_EQ(run().reason(), "nitro.chain.validity");
}

TEST_F(VerifyCommand, ComparesNonceAndReportData) {
  options_.nonce = std::string(64, '2');
  options_.report_data = std::string(64, '1');
  EXPECT_EQ(run().status, kDone);
  options_.nonce = std::string(64, '3');
  Outcome outcome = run();
  EXPECT_EQ(outcome.status, kRefused);
  EXPECT_EQ(outcome.verdict().at("authentic"), true);
  EXPECT_EQ(outcome.reason(), "evidence.nonce");
  options_.nonce.reset();
  options_.report_data = "";
  EXPECT_EQ(run().reason(), "evidence.report_data");
}

TEST_F(VerifyCommand, HoldsEvidenceToThePlatformNamed) {
  options_.platform = "nitro";
  EXPECT_EQ(run().reason(), "nitro.chain.anchor");
  options_.platform = "local";
  EXPECT_EQ(run().status, kDone);
  options_.platform = "snp";
  EXPECT_THAT(run().reason(), ::testing::StartsWith("snp."));
}

TEST_F(VerifyCommand, ReadsCollateralAndIgnoresWhatDoesNotApply) {
  fs::create_directories(folder_ + "collateral/deep");
  write("collateral/deep/crl.pem", std::string("no CRL"));
  write("collateral/root.der", fake_nitro().root().der());
  fs::create_directory_symlink(folder_ + "collateral", folder_ + "collateral/loop");
  options_.collateral = {folder_ + "collateral", folder_ + "root.der"};
  EXPECT_EQ(run().status, kDone);
}

TEST_F(VerifyCommand, RefusesToReadWholeTreesAsCollateral) {
  for (int i = 0; i <= 1000; ++i) write("file" + std::to_string(i), std::string());
  options_.collateral = {folder_};
  EXPECT_EQ(run().status, kRefused);
  EXPECT_THAT(run().err, HasSubstr("file.too_many"));
}

TEST_F(VerifyCommand, TakesARootAsPemToo) {
  options_.roots = {write("root.pem", fake_local().root().to_pem())};
  EXPECT_EQ(run().status, kDone);
}

TEST_F(VerifyCommand, CallsAMissingFileUndecided) {
  const std::string missing = folder_ + "missing";
  for (const auto& change :
       std::vector<std::function<void(VerifyOptions&)>>{[&](VerifyOptions& options) { options.evidence = missing; },
                                                        [&](VerifyOptions& options) { options.roots = {missing}; },
                                                        [&](VerifyOptions& options) { options.collateral = {missing}; },
                                                        [&](VerifyOptions& options) {
                                                          options.policy = missing;
                                                          options.authenticate_only = false;
                                                        }}) {
    const VerifyOptions before = options_;
    change(options_);
    const Outcome outcome = run();
    EXPECT_EQ(outcome.status, kUndecided);
    EXPECT_TRUE(outcome.verdict().at("authentic").is_null());
    EXPECT_EQ(outcome.reason(), "file.not_found");
    options_ = before;
  }
}

TEST_F(VerifyCommand, CallsAFolderInPlaceOfAFileUndecided) {
  options_.evidence = folder_;
  EXPECT_EQ(run().status, kUndecided);
  EXPECT_EQ(run().reason(), "file.unreadable");
}

TEST_F(VerifyCommand, SaysWhenItIsUsedWrongly) {
  const auto wrong = [&](const std::function<void(VerifyOptions&)>& change) {
    const VerifyOptions before = options_;
    change(options_);
    const Outcome outcome = run();
    options_ = before;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err, "");
    return outcome.status;
  };
  const std::string key = write("key.pem", std::string("no key"));
  EXPECT_EQ(wrong([](VerifyOptions& options) { options.authenticate_only = false; }), kUsage);
  EXPECT_EQ(wrong([&](VerifyOptions& options) { options.policy = write("p", entry()); }), kUsage);
  EXPECT_EQ(wrong([](VerifyOptions& options) { options.at = "yesterday"; }), kUsage);
  EXPECT_EQ(wrong([](VerifyOptions& options) { options.nonce = "xyz"; }), kUsage);
  EXPECT_EQ(wrong([](VerifyOptions& options) { options.nonce = std::string(4096, '0'); }), kUsage);
  EXPECT_EQ(wrong([](VerifyOptions& options) { options.report_data = "0"; }), kUsage);
  EXPECT_EQ(wrong([](VerifyOptions& options) { options.platform = "qemu"; }), kUsage);
  EXPECT_EQ(wrong([&](VerifyOptions& options) { options.roots = {key}; }), kUsage);
  EXPECT_EQ(wrong([](VerifyOptions& options) { options.ear = true; }), kUsage);
  EXPECT_EQ(wrong([&](VerifyOptions& options) {
              options.json = false;
              options.ear = true;
            }),
            kUsage);
  EXPECT_EQ(wrong([&](VerifyOptions& options) { options.ear_key = key; }), kUsage);
  EXPECT_EQ(wrong([&](VerifyOptions& options) {
              options.json = false;
              options.ear = true;
              options.ear_key = key;
            }),
            kUsage);
}

TEST_F(VerifyCommand, NamesARootThatIsNoCertificate) {
  options_.roots = {write("key.pem", std::string("no certificate"))};
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("verify.root"));
}

TEST_F(VerifyCommand, CallsABrokenPolicyAUsageErrorAndPointsAtIt) {
  use_policy(entry("regoins = [\"eu-central-1\"]\n"));
  Outcome outcome = run();
  EXPECT_EQ(outcome.status, kUsage);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("policy.toml:5"));
  use_policy("[[accept\n");
  EXPECT_EQ(run().status, kUsage);
  use_policy("[[accept]]\nplatform = \"tdx\"\n");
  outcome = run();
  EXPECT_EQ(outcome.status, kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("policy.measurements_missing"));
}

TEST_F(VerifyCommand, ListsTheChecksForPeople) {
  options_.json = false;
  use_policy(entry());
  const Outcome good = run();
  EXPECT_EQ(good.status, kDone);
  EXPECT_THAT(good.out, HasSubstr("  ok         nitro.signature"));
  EXPECT_THAT(good.out, HasSubstr("accepted: affirming"));
  EXPECT_EQ(good.err, "");
  options_.nonce = "00";
  const Outcome bad = run();
  EXPECT_EQ(bad.status, kRefused);
  EXPECT_THAT(bad.out, HasSubstr("  REFUSED    evidence.nonce"));
  EXPECT_THAT(bad.out, HasSubstr("expected"));
  EXPECT_THAT(bad.out, HasSubstr("what to do"));
  EXPECT_THAT(bad.out, HasSubstr("refused: evidence.nonce"));
}

TEST_F(VerifyCommand, SignsAnEar) {
  const auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  options_.json = false;
  options_.ear = true;
  options_.ear_key = write("key.pem", key.to_pem().value().reveal());
  use_policy(entry());
  const Outcome good = run();
  EXPECT_EQ(good.status, kDone);
  std::string token = good.out;
  ASSERT_EQ(token.back(), '\n');
  token.pop_back();
  const std::size_t dot = token.rfind('.');
  const auto signature = from_base64url(token.substr(dot + 1)).value();
  EXPECT_TRUE(key.public_key().verify(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw,
                                      as_bytes(token.substr(0, dot)), signature));
  options_.nonce = "00";
  const Outcome bad = run();
  EXPECT_EQ(bad.status, kRefused);  // and still a token, which says so
  EXPECT_EQ(std::ranges::count(bad.out, '.'), 2);
}

TEST_F(VerifyCommand, ReadsStandardInput) {
  const int saved = ::dup(STDIN_FILENO);
  std::FILE* const file = std::fopen(options_.evidence.c_str(), "rb");
  ASSERT_NE(file, nullptr);
  ASSERT_GE(::dup2(::fileno(file), STDIN_FILENO), 0);
  options_.evidence = "-";
  EXPECT_EQ(run().status, kDone);
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  std::fclose(file);
}

}  // namespace
}  // namespace gateway::cli
