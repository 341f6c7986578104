// Boot against a device that misbehaves: its answers are changed on the way, below the client's own checks.
#include "runtime/nsm_boot.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "codec/cbor.h"
#include "runtime/test_parts.h"

namespace gateway::runtime {
namespace {

const crypto::Sha384 kConfig = crypto::sha384(as_bytes("config"));

bool mentions(ByteView request, std::string_view word) { return as_text(request).find(word) != std::string_view::npos; }

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

BootTime slow_clock() {
  static BootTime at{};
  return at += std::chrono::seconds(6);
}

TEST(NsmBoot, ADeviceThatTakesLongGivesNoTime) {
  Boot boot;
  ASSERT_TRUE(bind_configuration(boot.nsm, kConfig));
  EXPECT_EQ(id(read_own_evidence(boot.nsm, kConfig, slow_clock)), "runtime.nsm.slow");
}

TEST(NsmBoot, ADeviceOfAnotherHashIsRefused) {
  Boot boot([](ByteView, Bytes answer) {
    const std::size_t at = as_text(answer).find("SHA384");
    if (at != std::string_view::npos) answer[at + 3] = '5';
    return answer;
  });
  EXPECT_EQ(id(bind_configuration(boot.nsm, kConfig)), "nsm.response.value");
}

TEST(NsmBoot, ANitroDocumentIsNotLocals) {
  const char* vectors = std::getenv("GATEWAY_VECTORS");
  if (vectors == nullptr) GTEST_SKIP() << "NOT TESTED: GATEWAY_VECTORS names no folder";
  std::ifstream file(std::string(vectors) + "/nitro/2024-11-30_nitro-validator_ok_69d51f98.cbor", std::ios::binary);
  const std::string document((std::istreambuf_iterator<char>(file)), {});
  ASSERT_FALSE(document.empty());
  codec::CborWriter writer;
  writer.map(1).text("Attestation").map(1).text("document").bytes(as_bytes(document));
  Boot boot([answer = std::move(writer).take()](ByteView request, Bytes own) {
    return mentions(request, "Attestation") ? answer : own;
  });
  ASSERT_TRUE(bind_configuration(boot.nsm, kConfig));
  EXPECT_EQ(id(read_own_evidence(boot.nsm, kConfig)), "runtime.nsm.platform");
}

TEST(NsmBoot, ALocalDeviceIsNotNitros) {
  Boot boot({}, attestation::Platform::kNitro);
  ASSERT_TRUE(bind_configuration(boot.nsm, kConfig));
  EXPECT_EQ(id(read_own_evidence(boot.nsm, kConfig)), "nitro.chain.anchor");
}

}  // namespace
}  // namespace gateway::runtime
