// The image as an enclave of its own kernel: boot, registers, private conversation, and what refuses it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "harness/json_pointer.h"
#include "harness/site.h"

namespace gateway::harness {
namespace {

using ::testing::HasSubstr;

constexpr Milliseconds kBootTime{120'000};
// Emulation finds no clock to calibrate against: without these two a boot hangs.
constexpr const char* kCmdline = "reboot=t panic=-1 console=ttyS0 quiet tsc_early_khz=2000000 lpj=4000000";

std::string qemu_folder() {
  const char* folder = std::getenv("GATEWAY_QEMU");
  return folder == nullptr ? "" : folder;
}

// One host for all: building an image with a kernel takes a moment, and booting it some more.
class Qemu : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (qemu_folder().empty()) return;
    site_ = new Site();
    site_->start_daemon("qemu = \"" + qemu_folder() + "\"\n");
  }
  static void TearDownTestSuite() {
    delete site_;
    site_ = nullptr;
  }
  void SetUp() override {
    if (site_ != nullptr) return;
    std::cerr << "SKIPPED: GATEWAY_QEMU names no QEMU; ./dev qemu-nitro builds one\n";
    GTEST_SKIP() << "GATEWAY_QEMU is not set";
  }

  static std::string build(const std::string& name, const std::string& runtime) {
    return site_->build_echo({.name = name, .kernel = "debian", .cmdline = kCmdline, .runtime = runtime});
  }
  static Ended boot(const std::string& image, const std::string& name) {
    return run(site_->launch({"run", image, "--name", name, "--platform", "qemu", "--json"}), kBootTime);
  }
  // The client that goes on past an unsigned document.
  static Launch unsigned_client(std::vector<std::string> arguments) {
    Launch launch = site_->launch(std::move(arguments));
    launch.argv.front() = program("gateway_unsigned");
    return launch;
  }

  static Site* site_;
};
Site* Qemu::site_ = nullptr;

TEST_F(Qemu, TheShippedRuntimeDoesNotStartOnADeviceThatSignsNothing) {
  const std::string image = build("shipped", "gateway-enclave");
  const Ended started = boot(image, "shipped");
  EXPECT_EQ(started.status, 1) << started.both();
  EXPECT_THAT(started.both(), HasSubstr("nitro.unsigned"));
}

TEST_F(Qemu, BootsAttestsAndAnswersInPrivate) {
  const std::string image = build("unsigned", "gateway_enclave_unsigned");
  const Ended inspected = site_->gateway({"inspect", image, "--json"});
  ASSERT_EQ(inspected.status, 0) << inspected.both();
  const Ended started = boot(image, "unsigned");
  ASSERT_EQ(started.status, 0) << started.both();
  const std::string listen = json_at(started.out, "/listen").value();
  PolicyEntry entry;
  entry.platform = "nitro";
  entry.config = json_at(started.out, "/config").value();
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string index = std::to_string(i);
    entry.measurements[i] = json_at(inspected.out, "/pcrs/" + index).value();
    EXPECT_EQ(json_at(started.out, "/measurements/" + index), entry.measurements[i]);
  }
  const std::string policy = site_->write_policy("unsigned-policy.toml", entry);

  // Every shipped verifier refuses it.
  const Ended refused = site_->gateway({"verify", listen, "--policy", policy, "--json"});
  EXPECT_EQ(refused.status, 1) << refused.both();
  EXPECT_EQ(json_at(refused.out, "/authentic"), "false");
  EXPECT_EQ(json_at(refused.out, "/reason"), "nitro.unsigned");

  // The registers that the device has are those that the builder wrote down, and 16 holds the configuration.
  const Ended verified = run(unsigned_client({"verify", listen, "--policy", policy, "--json"}));
  ASSERT_EQ(verified.status, 0) << verified.both();
  EXPECT_EQ(json_at(verified.out, "/appraisal"), "affirming");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(json_at(verified.out, "/claims/pcrs/" + std::to_string(i)), entry.measurements[i]);
  }
  EXPECT_TRUE(json_at(verified.out, "/claims/pcrs/16").has_value());

  std::string token = read_text(json_at(started.out, "/token_file").value());
  while (!token.empty() && token.back() == '\n') token.pop_back();
  Program proxy(unsigned_client({"connect", listen, "--policy", policy, "--listen", "127.0.0.1:0"}));
  const auto line = proxy.wait_for("http://127.0.0.1:", Milliseconds(30'000));
  ASSERT_TRUE(line) << proxy.out() << proxy.err();
  const std::string endpoint = line->substr(line->find("127.0.0.1:"));
  const std::string url = "http://" + endpoint.substr(0, endpoint.find_first_not_of("0123456789.:")) + "/echo";
  const Ended answer = run({.argv = {"/usr/bin/curl", "-sS", "--max-time", "30", "-H", "Authorization: Bearer " + token,
                                     "-d", "hello from outside", url}},
                           Milliseconds(40'000));
  EXPECT_EQ(answer.status, 0) << answer.both();
  EXPECT_THAT(answer.out, HasSubstr("hello from outside"));

  const Ended stopped = site_->gateway({"stop", "unsigned"}, Milliseconds(60'000));
  EXPECT_EQ(stopped.status, 0) << stopped.both();
}

}  // namespace
}  // namespace gateway::harness
