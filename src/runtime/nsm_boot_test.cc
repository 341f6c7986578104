// Boot against a device that misbehaves: its answers are changed on the way, below the client's own checks.
#include "runtime/nsm_boot.h"

#include <gtest/gtest.h>

#include <chrono>

#include "runtime/test_parts.h"

namespace gateway::runtime {
namespace {

const crypto::Sha384 kConfig = crypto::sha384(as_bytes("config"));

bool mentions(ByteView request, std::string_view word) {
  return as_text(request).find(word) != std::string_view::npos;
}

template <class T>
std::string id(const Result<T>& result) {
  return result ? "accepted" : std::string(result.error().id());
}

struct Boot {
  explicit Boot(TestNsm::Change change = {}, attestation::Platform platform = attestation::Platform::kLocal)
      : device(std::move(change)), nsm(device.device(), platform) {}
  TestNsm device;
  attester::NsmClient nsm;
};

TEST(NsmBoot, BindsTheConfigurationAndLocksEverything) {
  Boot boot;
  const Status bound = bind_configuration(boot.nsm, kConfig);
  ASSERT_TRUE(bound) << bound.error().message();
  const auto own = read_own_evidence(boot.nsm, kConfig);
  ASSERT_TRUE(own) << own.error().message();
  EXPECT_EQ(own->claims.nitro().pcrs.size(), 32U);
  const Duration off = SystemClock().now() - own->clock.now();
  EXPECT_LT(std::chrono::abs(off), std::chrono::seconds(2));
  EXPECT_FALSE(boot.nsm.extend_register(20, kConfig));
}

TEST(NsmBoot, ASecondBindingIsRefused) {
  Boot boot;
  ASSERT_TRUE(bind_configuration(boot.nsm, kConfig));
  EXPECT_EQ(id(bind_configuration(boot.nsm, kConfig)), "runtime.nsm.registers");
}

TEST(NsmBoot, ARegisterThatWasWrittenBeforeIsRefused) {
  Boot boot;
  ASSERT_TRUE(boot.nsm.extend_register(kConfigRegister, as_bytes("another configuration")));
  EXPECT_EQ(id(bind_configuration(boot.nsm, kConfig)), "runtime.nsm.registers");
}

// Says that it locked, and did not.
class LazyDevice final : public attester::NsmDevice {
 public:
  explicit LazyDevice(attester::VirtualNsm& nsm) : nsm_(nsm) {}
  Result<Bytes> transact(ByteView request) override {
    if (mentions(request, "LockPCRs")) return to_bytes(std::string_view("\x68LockPCRs"));
    return nsm_.answer(request);
  }

 private:
  attester::VirtualNsm& nsm_;
};

TEST(NsmBoot, ADeviceThatDoesNotLockIsRefused) {
  TestNsm device;
  attester::NsmClient nsm(std::make_unique<LazyDevice>(device.nsm()), attestation::Platform::kLocal);
  EXPECT_EQ(id(bind_configuration(nsm, kConfig)), "runtime.nsm.registers");
}

TEST(NsmBoot, EvidenceWithoutTheConfigurationIsRefused) {
  Boot boot;
  ASSERT_TRUE(bind_configuration(boot.nsm, kConfig));
  EXPECT_EQ(id(read_own_evidence(boot.nsm, crypto::sha384(as_bytes("other")))), "runtime.nsm.registers");
}

TEST(NsmBoot, AReplayedDocumentIsRefused) {
  Bytes first;
  Boot boot([&first](ByteView request, Bytes answer) {
    if (!mentions(request, "Attestation")) return answer;
    if (first.empty()) first = answer;
    return first;
  });
  ASSERT_TRUE(bind_configuration(boot.nsm, kConfig));
  ASSERT_TRUE(read_own_evidence(boot.nsm, kConfig));
  EXPECT_EQ(id(read_own_evidence(boot.nsm, kConfig)), "runtime.nsm.echo");
}

TEST(NsmBoot, AChangedDocumentIsRefused) {
  Boot boot([](ByteView request, Bytes answer) {
    if (mentions(request, "Attestation")) answer.back() ^= 1;  // the signature's last byte
    return answer;
  });
  ASSERT_TRUE(bind_configuration(boot.nsm, kConfig));
  EXPECT_EQ(id(read_own_evidence(boot.nsm, kConfig)), "nitro.signature");
}

TEST(NsmBoot, ALocalDeviceIsNotNitros) {
  Boot boot({}, attestation::Platform::kNitro);
  ASSERT_TRUE(bind_configuration(boot.nsm, kConfig));
  EXPECT_EQ(id(read_own_evidence(boot.nsm, kConfig)), "nitro.chain.anchor");
}

}  // namespace
}  // namespace gateway::runtime
