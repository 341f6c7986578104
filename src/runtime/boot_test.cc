// Boot's steps in this process: the tree, the frames and the device of a test, one of them wrong at a time.
#include "runtime/boot.h"

#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "net/control.h"
#include "runtime/test_parts.h"
#include "runtime/test_tree.h"

namespace gateway::runtime {
namespace {

using net::ControlType;

class BootTest : public ::testing::Test {
 protected:
  BootTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    host_ = net::Descriptor(ends[0]);
    enclave_ = net::Descriptor(ends[1]);
    tree_.write("gateway/cmdline", "panic=-1");
    tree_.write("gateway/image.json", *image::encode_description(test_description()));
    frames_ = {{ControlType::kCmdline, "panic=-1"}, {ControlType::kConfig, config_}, {ControlType::kTokens, "list"}};
  }
  Result<Booted> booted(TestNsm::Change change = {}) {
    for (const auto& [type, body] : frames_) EXPECT_TRUE(net::write_control(host_.get(), type, as_bytes(body)));
    ::shutdown(host_.get(), SHUT_WR);
    TestNsm device(std::move(change));
    attester::NsmClient nsm(device.device(), attestation::Platform::kLocal);
    return boot({.platform = attestation::Platform::kLocal, .root = tree_.path(), .control = enclave_.get()}, nsm);
  }
  std::string refused(TestNsm::Change change = {}) {
    const auto result = booted(std::move(change));
    return result ? "booted" : std::string(result.error().id());
  }

  TestTree tree_;
  net::Descriptor host_, enclave_;
  std::string config_ =
      channel::make_default_config(crypto::PrivateKey::generate(crypto::KeyType::kP256)->public_key());
  std::vector<std::pair<ControlType, std::string>> frames_;
};

TEST_F(BootTest, ABootBindsTheConfigurationToItsKeys) {
  const auto result = booted();
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->config_digest, channel::deployment_digest(as_bytes(config_)));
  EXPECT_EQ(attestation::parse_keys(result->identity.k)->config_digest, result->config_digest);
  EXPECT_EQ(as_text(result->tokens), "list");
  EXPECT_EQ(result->description.name, "test");
}

TEST_F(BootTest, FramesOutOfOrderAreRefused) {
  std::swap(frames_[0], frames_[1]);
  EXPECT_EQ(refused(), "control.order");
}

TEST_F(BootTest, AMissingConfigurationIsRefused) {
  frames_.erase(frames_.begin() + 1);
  EXPECT_EQ(refused(), "control.order");
}

TEST_F(BootTest, AHostThatClosesTheChannelIsRefused) {
  frames_.resize(1);
  EXPECT_EQ(refused(), "control.closed");
}

TEST_F(BootTest, AnotherCommandLineIsRefused) {
  frames_[0].second = "panic=-1 init=/bin/sh";
  EXPECT_EQ(refused(), "runtime.cmdline_mismatch");
}

TEST_F(BootTest, ATreeWithoutACommandLineIsRefused) {
  std::filesystem::remove(tree_.path("gateway/cmdline"));
  EXPECT_EQ(refused(), "runtime.tree");
}

TEST_F(BootTest, ATreeWithoutADescriptionIsRefused) {
  std::filesystem::remove(tree_.path("gateway/image.json"));
  EXPECT_EQ(refused(), "runtime.tree");
}

TEST_F(BootTest, ALinkInPlaceOfTheDescriptionIsRefused) {
  std::filesystem::rename(tree_.path("gateway/image.json"), tree_.path("gateway/other.json"));
  std::filesystem::create_symlink("other.json", tree_.path("gateway/image.json"));
  EXPECT_EQ(refused(), "runtime.tree");
}

TEST_F(BootTest, ABrokenDescriptionIsRefused) {
  tree_.write("gateway/image.json", "{");
  EXPECT_EQ(refused(), "image.description.syntax");
}

TEST_F(BootTest, AWideningConfigurationIsRefused) {
  frames_[1].second += "[workload]\nargs = [\"--slots\"]\n";
  EXPECT_EQ(refused(), "config.widens");
}

TEST_F(BootTest, ADeviceWithoutEntropyIsRefused) {
  EXPECT_EQ(refused([](ByteView request, Bytes answer) {
              if (as_text(request).find("GetRandom") == std::string_view::npos) return answer;
              // {"GetRandom": {"random": 4 bytes}}
              return to_bytes(
                  std::string_view("\xa1\x69GetRandom\xa1\x66random\x44"
                                   "abcd"));
            }),
            "runtime.random");
}

TEST_F(BootTest, ADeviceThatWasUsedBeforeIsRefused) {
  EXPECT_EQ(refused([](ByteView request, Bytes answer) {
              const std::string_view text = as_text(request);
              if (text.find("DescribePCR") == std::string_view::npos) return answer;
              for (auto& byte : answer) {
                if (byte == 0) byte = 1;  // a register that is not zero any more
              }
              return answer;
            }),
            "runtime.nsm.registers");
}

// In a child whose kernel refuses one call: the exit status tells the id.
int hardened_without(const char* call) {
  const pid_t child = ::fork();
  if (child == 0) {
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(call), 0);
    if (seccomp_load(filter) != 0) ::_exit(3);
    const Status hardened = harden_process();
    ::_exit(hardened ? 0 : hardened.error().id() == "runtime.harden" ? 1 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Harden, AStepThatFailsIsReported) {
  EXPECT_EQ(hardened_without("reboot"), 0);
  EXPECT_EQ(hardened_without("prctl"), 1);
  EXPECT_EQ(hardened_without("prlimit64"), 1);
}

}  // namespace
}  // namespace gateway::runtime
