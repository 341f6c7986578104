// `gateway verifier serve` as a process, asked with curl: over TLS, through the real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/testing/fake_vendor.h"
#include "harness/json_pointer.h"
#include "harness/process.h"
#include "harness/site.h"

namespace gateway::harness {
namespace {

using testing::HasSubstr;

class VerifierTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto& vendor = attestation::testing::fake_local();
    const SystemClock clock;
    // The vendor of tests lives in its own time; a document of now needs a chain of now.
    vendor_ = std::make_unique<attestation::testing::FakeVendor>(
        attestation::testing::ChainOptions{.now = clock.now(), .names = attestation::testing::Names::kLocal});
    std::string policy =
        "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + to_hex(vendor_->root_sha256()) + "\"\nmeasurements = { ";
    for (const auto& [index, value] : vendor.fields().pcrs) {
      if (index <= 2) policy += "\"" + std::to_string(index) + "\" = \"" + to_hex(value) + "\", ";
    }
    policy.resize(policy.size() - 2);
    write_text(folder_.file("policy.toml"), policy + " }\n");
    ASSERT_EQ(run({.argv = {"/usr/bin/openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                            folder_.file("ear.pem")}})
                  .status,
              0);
    ASSERT_EQ(run({.argv = {"/usr/bin/openssl", "ec", "-in", folder_.file("ear.pem"), "-pubout", "-out",
                            folder_.file("ear.pub")}})
                  .status,
              0);
  }
  std::string serve(const std::string& more = {}) {
    write_text(folder_.file("verifier.toml"), "listen = \"127.0.0.1:0\"\near_key = \"ear.pem\"\n" + more +
                                                  "[[policy]]\nid = \"default\"\nfile = \"policy.toml\"\n");
    server_ = std::make_unique<Program>(
        Launch{.argv = {program("gateway"), "verifier", "serve", "--config", folder_.file("verifier.toml"), "--json"}});
    const auto line = server_->wait_for("\"listen\"");
    EXPECT_TRUE(line) << server_->err();
    return line ? "https://" + json_at(*line, "/listen").value_or("") : "";
  }
  Ended curl(std::vector<std::string> arguments) {
    std::vector<std::string> argv{"/usr/bin/curl", "-sSk", "--max-time", "20"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run({.argv = argv});
  }
  TempFolder folder_;
  std::unique_ptr<attestation::testing::FakeVendor> vendor_;
  std::unique_ptr<Program> server_;
};

TEST_F(VerifierTest, AnswersAChallengeWithAnEarThatVerifies) {
  const std::string url = serve();
  const Ended opened =
      curl({"-X", "POST", url + "/challenge-response/v1/newSession?nonceSize=32", "-D", folder_.file("head")});
  const Bytes nonce = from_base64(json_at(opened.out, "/nonce").value_or("")).value();
  const std::string head = read_text(folder_.file("head"));
  const std::size_t at = head.find("/challenge-response");
  ASSERT_NE(at, std::string::npos) << head;
  const std::string session = url + head.substr(at, head.find('\r', at) - at);
  write_text(folder_.file("document"),
             std::string(as_text(vendor_->document([&](auto& fields) { fields.nonce = nonce; }))));
  const Ended judged = curl({session, "--data-binary", "@" + folder_.file("document")});
  EXPECT_EQ(json_at(judged.out, "/status"), "complete") << judged.both();
  write_text(folder_.file("ear.jwt"), json_at(judged.out, "/result").value_or(""));
  const Ended verified = run({.argv = {program("gateway"), "ear", "verify", folder_.file("ear.jwt"), "--key",
                                       folder_.file("ear.pub"), "--nonce", to_base64url(nonce), "--json"}});
  EXPECT_EQ(verified.status, 0) << verified.both();
  EXPECT_EQ(json_at(verified.out, "/status"), "affirming");
  EXPECT_EQ(curl({"-X", "DELETE", session, "-w", "%{http_code}"}).out, "204");
  EXPECT_THAT(curl({url + "/metrics"}).out,
              HasSubstr("gateway_verifier_verifications_total{platform=\"local\",appraisal=\"affirming\"} 1"));
}

TEST_F(VerifierTest, SurvivesWhatIsNoEvidence) {
  const std::string url = serve();
  write_text(folder_.file("large"), std::string(1'200'000, 'x'));
  EXPECT_THAT(curl({url + "/v1/verify", "--data-binary", "@" + folder_.file("large")}).out,
              HasSubstr("server.body_size"));
  write_text(folder_.file("noise"), std::string(100'000, '\x84'));
  EXPECT_EQ(
      json_at(curl({url + "/v1/verify", "--data-binary", "@" + folder_.file("noise")}).out, "/verification/authentic"),
      "false");
  EXPECT_EQ(json_at(curl({url + "/health"}).out, "/status"), "ok");
  EXPECT_EQ(server_->stop().status, 0);
}

TEST_F(VerifierTest, SaysWhatIsWrongWithItsConfiguration) {
  const auto refused = [&](const std::string& text) {
    write_text(folder_.file("wrong.toml"), text);
    const Ended ended =
        run({.argv = {program("gateway"), "verifier", "serve", "--config", folder_.file("wrong.toml")}});
    return std::to_string(ended.status) + " " + ended.err;
  };
  EXPECT_THAT(refused("listen = \"127.0.0.1:0\"\near_key = \"ear.pem\"\n"), HasSubstr("verifier.config_policy"));
  EXPECT_THAT(refused("listen = \"127.0.0.1:0\"\near_kye = \"x\"\n"), HasSubstr("ear_key"));
  EXPECT_THAT(refused("listen = \"127.0.0.1:0\"\near_key = \"none.pem\"\n[[policy]]\nid = \"a\"\nfile = "
                      "\"policy.toml\"\n"),
              HasSubstr("none.pem"));
}

}  // namespace
}  // namespace gateway::harness
