// connect, live verify, logs, token, config and release as people and scripts meet them: exit status, files, output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "channel/tokens.h"
#include "client/release.h"
#include "client/testing/fake_enclave.h"
#include "config.h"
#include "connect.h"
#include "image/eif.h"
#include "image/measure.h"
#include "logs.h"
#include "release.h"
#include "terminal.h"
#include "token.h"
#include "verify.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using client::testing::FakeEnclave;
using client::testing::ServerSide;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Ran {
  int status = -1;
  std::string out;
  std::string err;
  json::object object() const { return json::parse(out).as_object(); }
};

template <class Options>
Ran run(int (*command)(const Options&), const Options& options) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Ran ran;
  ran.status = command(options);
  ran.out = ::testing::internal::GetCapturedStdout();
  ran.err = ::testing::internal::GetCapturedStderr();
  return ran;
}

template <class Options, class Action>
Options with(Action action) {
  Options options;
  options.action = action;
  return options;
}

class ClientCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "gateway-client-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name + "/";
    ::setenv("GATEWAY_STATE", (folder_ + "state").c_str(), 1);
    ::setenv("GATEWAY_SOCKET", (folder_ + "nobody.sock").c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("GATEWAY_STATE");
    ::unsetenv("GATEWAY_SOCKET");
    fs::remove_all(folder_);
  }

  std::string path(const std::string& name) const { return folder_ + name; }
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  unsigned mode(const std::string& name) const {
    struct stat status{};
    return ::stat(path(name).c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
  }
  // A new access key and its configuration.
  void make_config() const {
    auto options = with<ConfigOptions>(ConfigAction::kNew);
    options.access_key_out = path("access.key");
    options.output = path("config.toml");
    ASSERT_EQ(run(run_config, options).status, 0);
  }
  TokenOptions token(TokenAction action) const {
    auto options = with<TokenOptions>(action);
    options.list = path("tokens.cbor");
    options.key = path("access.key");
    return options;
  }
  void make_list() const {
    make_config();
    auto options = with<TokenOptions>(TokenAction::kSign);
    options.key = path("access.key");
    options.output = path("tokens.cbor");
    ASSERT_EQ(run(run_token, options).status, 0);
  }
  std::string policy_for(const FakeEnclave& enclave, std::uint8_t spoil = 0) const {
    const auto entry = enclave.policy().accept.at(0);
    std::string text = "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + to_hex(*entry.root_sha256) + "\"\n";
    for (const auto& [index, value] : entry.measurements) {
      Bytes wanted = value;
      wanted[0] = static_cast<std::uint8_t>(wanted[0] ^ spoil);
      text += (index ? ", \"" : "measurements = { \"") + std::to_string(index) + "\" = \"" + to_hex(wanted) + "\"";
    }
    return write("policy.toml", text + " }\nconfig = \"sha384:" + to_hex(*entry.config) + "\"\n");
  }

  std::string folder_;
};

// --- config
// -----------------------------------------------------------------------------------------------------------

TEST_F(ClientCommands, ConfigMakesAKeyThatOnlyItsOwnerReads) {
  make_config();
  EXPECT_EQ(mode("access.key"), 0600U);
  auto options = with<ConfigOptions>(ConfigAction::kDigest);
  options.file = path("config.toml");
  const Ran digest = run(run_config, options);
  EXPECT_EQ(digest.status, 0);
  EXPECT_EQ(digest.out, "sha384:" + to_hex(crypto::sha384(as_bytes(read("config.toml")))) + "\n");
  options.action = ConfigAction::kCheck;
  options.json = true;
  EXPECT_EQ(run(run_config, options).object().at("signed"), false);
}

TEST_F(ClientCommands, ConfigReplacesNoKey) {
  write("access.key", "precious");
  auto options = with<ConfigOptions>(ConfigAction::kNew);
  options.access_key_out = path("access.key");
  const Ran ran = run(run_config, options);
  EXPECT_EQ(ran.status, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("file.exists"));
  EXPECT_EQ(read("access.key"), "precious");
}

TEST_F(ClientCommands, ConfigNeedsExactlyOneKey) {
  const Ran ran = run(run_config, with<ConfigOptions>(ConfigAction::kNew));
  EXPECT_EQ(ran.status, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("config.usage"));
}

TEST_F(ClientCommands, ConfigSignatureHoldsUntilTheConfigurationChanges) {
  make_config();
  auto options = with<ConfigOptions>(ConfigAction::kSign);
  options.file = path("config.toml");
  options.key = path("access.key");
  ASSERT_EQ(run(run_config, options).status, 0);
  options.action = ConfigAction::kCheck;
  options.signature = path("config.toml.sig");
  EXPECT_EQ(run(run_config, options).status, 0);
  write("config.toml", read("config.toml") + "# another line\n");
  const Ran changed = run(run_config, options);
  EXPECT_EQ(changed.status, kRefused);
  EXPECT_THAT(changed.err, HasSubstr("config.signature"));
}

TEST_F(ClientCommands, ConfigIsSignedByItsOwnKeyAlone) {
  make_config();
  fs::rename(path("access.key"), path("other.key"));
  fs::remove(path("config.toml"));
  make_config();
  auto options = with<ConfigOptions>(ConfigAction::kSign);
  options.file = path("config.toml");
  options.key = path("other.key");
  const Ran ran = run(run_config, options);
  EXPECT_EQ(ran.status, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("config.key"));
  options.key = path("config.toml");
  EXPECT_THAT(run(run_config, options).err, HasSubstr("key.file"));
}

// --- token
// ------------------------------------------------------------------------------------------------------------

TEST_F(ClientCommands, TokenListsGrowByVersions) {
  make_list();
  TokenOptions add = token(TokenAction::kAdd);
  add.id = "alice";
  add.output = path("alice.token");
  add.rights = {"call", "logs"};
  add.requests_per_minute = 60;
  ASSERT_EQ(run(run_token, add).status, 0);
  EXPECT_EQ(mode("alice.token"), 0600U);
  TokenOptions list = token(TokenAction::kList);
  list.json = true;
  json::object shown = run(run_token, list).object();
  EXPECT_EQ(shown.at("version"), 2);
  const json::object& entry = shown.at("tokens").as_array().at(0).as_object();
  EXPECT_EQ(entry.at("id"), "alice");
  EXPECT_EQ(entry.at("sha256"), json::value(to_hex(channel::token_digest(as_bytes(read("alice.token"))))));
  EXPECT_EQ(entry.at("rights"), json::value(json::array{"call", "logs"}));
  ASSERT_EQ(run(run_token, token(TokenAction::kRenew)).status, 0);
  TokenOptions remove = token(TokenAction::kRemove);
  remove.id = "alice";
  ASSERT_EQ(run(run_token, remove).status, 0);
  shown = run(run_token, list).object();
  EXPECT_EQ(shown.at("version"), 4);
  EXPECT_TRUE(shown.at("tokens").as_array().empty());
}

TEST_F(ClientCommands, TokenMistakesAreNamed) {
  make_list();
  TokenOptions add = token(TokenAction::kAdd);
  add.id = "alice";
  add.output = path("alice.token");
  ASSERT_EQ(run(run_token, add).status, 0);
  EXPECT_THAT(run(run_token, add).err, HasSubstr("token.exists"));
  add.id = "not a name";
  add.output = path("never.token");
  EXPECT_THAT(run(run_token, add).err, HasSubstr("tokens.list"));
  EXPECT_FALSE(fs::exists(path("never.token"))) << "no token is handed out for a list that cannot be";
  TokenOptions remove = token(TokenAction::kRemove);
  remove.id = "bob";
  EXPECT_THAT(run(run_token, remove).err, HasSubstr("token.not_found"));
  TokenOptions forever = token(TokenAction::kRenew);
  forever.life = "25h";
  EXPECT_THAT(run(run_token, forever).err, HasSubstr("token.usage"));
  EXPECT_THAT(run(run_token, with<TokenOptions>(TokenAction::kList)).err, HasSubstr("token.usage"));
  add.id = "carol";
  add.token_file = write("short", "abc\n");
  EXPECT_THAT(run(run_token, add).err, HasSubstr("token.file"));
}

TEST_F(ClientCommands, TokenIsPrintedAloneWhenNoFileIsNamed) {
  const Ran ran = run(run_token, with<TokenOptions>(TokenAction::kNew));
  EXPECT_THAT(ran.out, StartsWith("gwt_"));
  EXPECT_EQ(ran.err, "");
}

TEST_F(ClientCommands, TokenPushIsUndecidedWithoutADaemon) {
  make_list();
  TokenOptions push = token(TokenAction::kPush);
  push.name = "assistant";
  const Ran ran = run(run_token, push);
  EXPECT_EQ(ran.status, kUndecided);
  EXPECT_THAT(ran.err, HasSubstr("daemon.unreachable"));
}

// --- release
// ----------------------------------------------------------------------------------------------------------

class ReleaseCommand : public ClientCommands {
 protected:
  void SetUp() override {
    ClientCommands::SetUp();
    make_config();  // its access key serves as the maintainer's
    write_release("old.release", "1.0.0", "1.0.0");
    write_release("new.release", "1.2.0", "1.1.0");
    options_.file = path("new.release");
    options_.key = path("access.key");
    options_.root = "sha256:" + std::string(64, 'a');
    options_.config = "sha384:" + std::string(96, 'b');
  }
  void write_release(const std::string& name, const char* version, const char* floor) const {
    const auto key = crypto::PrivateKey::from_pem(Secret(as_bytes(read("access.key"))));
    client::Release release;
    release.name = "assistant";
    release.version = *client::ReleaseVersion::parse(version);
    release.floor = *client::ReleaseVersion::parse(floor);
    release.source_commit = Bytes(20, 7);
    release.measurements.push_back({.platform = attestation::Platform::kLocal,
                                    .registers = {{0U, Bytes(48, 1)}, {1U, Bytes(48, 2)}, {2U, Bytes(48, 3)}}});
    write(name, as_text(*client::sign_release(release, *key)));
  }
  ReleaseOptions options_ = with<ReleaseOptions>(ReleaseAction::kVerify);
};

TEST_F(ReleaseCommand, PrintsAPolicyThatCanBeUsed) {
  const Ran ran = run(run_release, options_);
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto policy = attestation::Policy::parse(ran.out, "printed");
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_EQ(policy->accept.at(0).measurements.at(1), Bytes(48, 2));
  EXPECT_TRUE(policy->accept.at(0).config);
}

TEST_F(ReleaseCommand, RefusesWhatANewerReleaseWithdrew) {
  options_.file = path("old.release");
  EXPECT_EQ(run(run_release, options_).status, 0);
  options_.newest = path("new.release");
  const Ran ran = run(run_release, options_);
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_THAT(ran.err, HasSubstr("release.floor"));
}

TEST_F(ReleaseCommand, NamesWhatIsMissingForAPolicy) {
  options_.root.clear();
  EXPECT_THAT(run(run_release, options_).err, HasSubstr("release.usage"));
  options_.root = "sha256:12";
  EXPECT_THAT(run(run_release, options_).err, HasSubstr("release.usage"));
}

TEST_F(ReleaseCommand, SignsWhatItMeasured) {
  const Bytes ramdisk(100, 9);
  image::EifParts parts;
  parts.cmdline = "reboot=t";
  parts.ramdisks = {ramdisk};
  ASSERT_TRUE(image::write_eif(parts, path("image.eif")));
  auto sign = with<ReleaseOptions>(ReleaseAction::kSign);
  sign.file = path("image.eif");
  sign.key = path("access.key");
  sign.name = "assistant";
  sign.version = "2.0.0";
  sign.commit = std::string(40, 'c');
  sign.output = path("signed.release");
  sign.json = true;
  const Ran ran = run(run_release, sign);
  ASSERT_EQ(ran.status, 0) << ran.err;
  const json::object measured = ran.object().at("measurements").as_object();
  EXPECT_FALSE(measured.contains("nitro")) << "an image without a kernel boots on local alone";
  EXPECT_EQ(measured.at("local").as_object().at("0"),
            json::value(to_hex(image::measure(*image::Eif::open(path("image.eif")))->pcr0)));
  options_.file = path("signed.release");
  EXPECT_EQ(run(run_release, options_).status, 0);
  sign.floor = "2.0.1";
  EXPECT_THAT(run(run_release, sign).err, HasSubstr("release.contents"));
}

TEST_F(ReleaseCommand, ShowSaysThatItChecksNothing) {
  options_.action = ReleaseAction::kShow;
  options_.json = true;
  EXPECT_EQ(run(run_release, options_).object().at("verified"), false);
}

// --- connect, verify, logs
// --------------------------------------------------------------------------------------------

TEST_F(ClientCommands, ConnectKeepsItsPortClosedWhenTheEnclaveIsAnother) {
  FakeEnclave enclave;
  ConnectOptions options;
  options.endpoint = enclave.endpoint();
  options.policy = policy_for(enclave, 1);
  options.json = true;
  const Ran ran = run(run_connect, options);
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_THAT(ran.err, HasSubstr("policy.measurement"));
  EXPECT_THAT(ran.err, HasSubstr("what to do"));
  EXPECT_TRUE(ran.object().at("listen").is_null());
  EXPECT_EQ(ran.object().at("verification").as_object().at("reason"), "policy.measurement");
}

TEST_F(ClientCommands, ConnectNeedsToKnowWhatIsAccepted) {
  ConnectOptions options;
  options.endpoint = "127.0.0.1:1";
  const Ran ran = run(run_connect, options);
  EXPECT_EQ(ran.status, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("connect.usage"));
}

TEST_F(ClientCommands, ConnectIsUndecidedWhenNobodyListens) {
  FakeEnclave enclave;
  ConnectOptions options;
  options.endpoint = "127.0.0.1:1";
  options.policy = policy_for(enclave);
  options.json = true;
  const Ran ran = run(run_connect, options);
  EXPECT_EQ(ran.status, kUndecided);
  EXPECT_TRUE(ran.object().at("verification").as_object().at("authentic").is_null());
}

TEST_F(ClientCommands, VerifyJudgesALiveEndpoint) {
  FakeEnclave enclave;
  VerifyOptions options;
  options.evidence = enclave.endpoint();
  options.policy = policy_for(enclave);
  options.json = true;
  const Ran good = run(run_verify, options);
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(good.object().at("appraisal"), "affirming");
  options.policy = policy_for(enclave, 1);
  const Ran bad = run(run_verify, options);
  EXPECT_EQ(bad.status, kRefused);
  EXPECT_EQ(bad.object().at("authentic"), true);
  EXPECT_EQ(bad.object().at("reason"), "policy.measurement");
}

TEST_F(ClientCommands, VerifyChoosesTheNonceOfALiveEndpointItself) {
  VerifyOptions options;
  options.evidence = "127.0.0.1:1";
  options.authenticate_only = true;
  EXPECT_THAT(run(run_verify, options).err, HasSubstr("verify.live_usage"));
  FakeEnclave enclave;
  options.authenticate_only = false;
  options.policy = policy_for(enclave);
  options.nonce = "00";
  EXPECT_THAT(run(run_verify, options).err, HasSubstr("verify.live_usage"));
}

TEST_F(ClientCommands, ConnectLooksAtItsLocalPortBeforeItAsksAnybody) {
  FakeEnclave enclave;
  ConnectOptions options;
  options.endpoint = "127.0.0.1:1";  // where nobody answers
  options.policy = policy_for(enclave);
  options.listen = "0.0.0.0:0";
  EXPECT_THAT(run(run_connect, options).err, HasSubstr("client.listen.not_loopback"));
}

TEST_F(ClientCommands, VerifySaysThatAMistypedFileIsNone) {
  VerifyOptions options;
  options.evidence = "quot";
  options.authenticate_only = true;
  const Ran ran = run(run_verify, options);
  EXPECT_EQ(ran.status, kUndecided);
  EXPECT_THAT(ran.err, HasSubstr("verify.no_such_evidence"));
  EXPECT_THAT(ran.err, HasSubstr("no file quot"));
  FakeEnclave enclave;
  options.evidence = "quot.bin";
  options.authenticate_only = false;
  options.policy = policy_for(enclave);
  EXPECT_THAT(run(run_verify, options).err, HasSubstr("verify.no_such_evidence"));
}

TEST_F(ClientCommands, VerifyIsUndecidedAboutAnEnclaveThatNobodyKnows) {
  FakeEnclave enclave;
  VerifyOptions options;
  options.evidence = "assistant";
  options.policy = policy_for(enclave);
  options.json = true;
  const Ran ran = run(run_verify, options);
  EXPECT_EQ(ran.status, kUndecided);
  EXPECT_EQ(ran.object().at("reason"), "daemon.unreachable");
}

class LogsCommand : public ClientCommands {
 protected:
  Ran logs(const std::string& answer) {
    FakeEnclave::Knobs knobs;
    knobs.serve = [&](ServerSide& side, const ServerSide::Seen& seen) {
      seen_ = seen.head;
      return side.write(answer);
    };
    FakeEnclave enclave(std::move(knobs));
    LogsOptions options;
    options.name = "assistant";
    if (with_policy_) options.policy = policy_for(enclave);
    options.token_file = write("token", "gwt_0123456789abcdef");
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Ran ran;
    ran.status = run_logs_attested(options, enclave.endpoint(), path("deployment"));
    ran.out = ::testing::internal::GetCapturedStdout();
    ran.err = ::testing::internal::GetCapturedStderr();
    return ran;
  }
  bool with_policy_ = true;
  std::string seen_;
};

TEST_F(LogsCommand, PrintsLinesThatCannotSteerATerminal) {
  const Ran ran = logs("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\none\n\x1b[31mtwo\n!");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "one\n?[31mtwo\n!\n");
  EXPECT_THAT(seen_, HasSubstr("Authorization: Bearer gwt_0123456789abcdef\r\n"));
}

TEST_F(LogsCommand, SaysThatTheTokenLacksTheRight) {
  const Ran ran = logs("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(ran.status, kRefused);
  EXPECT_THAT(ran.err, HasSubstr("logs.token_refused"));
}

TEST_F(LogsCommand, SaysWhatElseWasAnswered) {
  EXPECT_THAT(logs("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n").err, HasSubstr("logs.answer"));
}

TEST_F(LogsCommand, NeedsWhatRunWroteOrAPolicy) {
  with_policy_ = false;
  fs::create_directory(path("deployment"));
  write("deployment/run.json", "{}");
  EXPECT_THAT(logs("").err, HasSubstr("logs.record"));
}

}  // namespace
}  // namespace gateway::cli
