#include "runtime/cmdline.h"

#include <gtest/gtest.h>

namespace gateway::runtime {
namespace {

using attestation::Platform;

constexpr std::string_view kMeasured = "reboot=t panic=-1";

std::string judged(std::string_view actual, Platform platform) {
  const Status status = check_cmdline(kMeasured, actual, platform);
  return status ? "same" : std::string(status.error().id());
}

TEST(Cmdline, EqualTextPasses) {
  EXPECT_EQ(judged("reboot=t panic=-1", Platform::kLocal), "same");
  EXPECT_EQ(judged("reboot=t panic=-1\n", Platform::kNitro), "same");
}

TEST(Cmdline, NothingMayDifferOnLocal) {
  for (const std::string_view other : {"", "reboot=t", "reboot=t panic=-1 ", "reboot=t panic=-1 x",
                                       "Xreboot=t panic=-1", "reboot=t panic=-1 virtio_mmio.device=4K@0xd0000000:5"}) {
    EXPECT_EQ(judged(other, Platform::kLocal), "runtime.cmdline_mismatch") << other;
  }
}

TEST(Cmdline, TheHypervisorMayAppendItsDevices) {
  EXPECT_EQ(judged("reboot=t panic=-1 virtio_mmio.device=4K@0xd0000000:5", Platform::kNitro), "same");
  EXPECT_EQ(judged("reboot=t panic=-1 virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4096@0xd0001000:6:1",
                   Platform::kNitro),
            "same");
}

TEST(Cmdline, NothingElseMayBeAppended) {
  for (const std::string_view added :
       {"init=/bin/sh", "virtio_mmio.device=4K@0xd0000000:5 init=/bin/sh",
        "virtio_mmio.device=4K@0xd0000000:5,init=/bin/sh", "virtio_mmio.device=", "virtio_mmio.device=4K@0x:5",
        "virtio_mmio.device=4K@0xd0000000", "virtio_mmio.device=4T@0xd0000000:5",
        "virtio_mmio.device=4K@0xd0000000:5:", "xvirtio_mmio.device=4K@0xd0000000:5"}) {
    EXPECT_EQ(judged(std::string(kMeasured) + " " + std::string(added), Platform::kNitro), "runtime.cmdline_mismatch")
        << added;
  }
  EXPECT_EQ(judged("reboot=t panic=-1virtio_mmio.device=4K@0xd0000000:5", Platform::kNitro),
            "runtime.cmdline_mismatch");
  std::string many(kMeasured);
  for (int i = 0; i < 9; ++i) many += " virtio_mmio.device=4K@0xd0000000:5";
  EXPECT_EQ(judged(many, Platform::kNitro), "runtime.cmdline_mismatch");
}

}  // namespace
}  // namespace gateway::runtime
