#include "host/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kGiB = 1ULL << 30U;

HostCapacity host(std::uint64_t total = 16 * kGiB, std::uint64_t available = 12 * kGiB) {
  return {.memory_total = total, .memory_available = available, .cpus = {0, 1, 2, 3}};
}

std::string refusal(const Result<std::vector<int>>& admitted) {
  if (admitted) return "admitted";
  EXPECT_EQ(admitted.error().id(), "host.no_room");
  return admitted.error().detail();
}

TEST(AdmissionTest, TakesTheLeastUsedProcessors) {
  const std::vector<Allocation> running{{kGiB, {0, 1}}, {kGiB, {0}}};
  const auto cpus = admit(host(), running, {.memory = kGiB, .cpus = 2, .enclaves_per_cpu = 4});
  ASSERT_TRUE(cpus.has_value());
  EXPECT_THAT(*cpus, ElementsAre(2, 3));
  const auto three = admit(host(), running, {.memory = kGiB, .cpus = 3, .enclaves_per_cpu = 4});
  EXPECT_THAT(*three, ElementsAre(1, 2, 3));
}

TEST(AdmissionTest, IgnoresProcessorsThatTheHostLost) {
  const auto cpus = admit(host(), {{kGiB, {17}}}, {.memory = kGiB, .cpus = 1, .enclaves_per_cpu = 1});
  EXPECT_THAT(*cpus, ElementsAre(0));
}

TEST(AdmissionTest, RefusesMoreMemoryThanIsLeftToPromise) {
  const std::vector<Allocation> running{{8 * kGiB, {0}}, {6 * kGiB, {1}}};
  EXPECT_THAT(refusal(admit(host(), running, {.memory = 2 * kGiB, .cpus = 1, .enclaves_per_cpu = 4})),
              testing::AllOf(HasSubstr("declares 2 GiB"), HasSubstr("14 GiB are promised to 2 running")));
  EXPECT_TRUE(admit(host(), running, {.memory = kGiB, .cpus = 1, .enclaves_per_cpu = 4}).has_value());
}

TEST(AdmissionTest, RefusesMoreMemoryThanIsAvailable) {
  EXPECT_THAT(refusal(admit(host(16 * kGiB, kGiB), {}, {.memory = 2 * kGiB, .cpus = 1, .enclaves_per_cpu = 1})),
              HasSubstr("1 GiB are available"));
}

TEST(AdmissionTest, CannotBeTrickedByAnOverflow) {
  refusal(admit(host(), {{UINT64_MAX, {}}}, {.memory = 2, .cpus = 1, .enclaves_per_cpu = 1}));
  refusal(admit(host(), {{kGiB, {}}}, {.memory = UINT64_MAX, .cpus = 1, .enclaves_per_cpu = 1}));
}

TEST(AdmissionTest, RefusesMoreProcessorsThanTheHostHas) {
  EXPECT_THAT(refusal(admit(host(), {}, {.memory = kGiB, .cpus = 5, .enclaves_per_cpu = 9})),
              HasSubstr("declares 5 processors; this host has 4"));
}

TEST(AdmissionTest, RefusesProcessorsThatAreTaken) {
  const std::vector<Allocation> running{{kGiB, {0, 1, 2}}};
  EXPECT_TRUE(admit(host(), running, {.memory = kGiB, .cpus = 1, .enclaves_per_cpu = 1}).has_value());
  EXPECT_THAT(refusal(admit(host(), running, {.memory = kGiB, .cpus = 2, .enclaves_per_cpu = 1})),
              HasSubstr("serves at most 1 enclaves"));
  EXPECT_TRUE(admit(host(), running, {.memory = kGiB, .cpus = 2, .enclaves_per_cpu = 2}).has_value());
}

TEST(AdmissionTest, ReadsThisHost) {
  const auto here = read_host_capacity();
  EXPECT_GT(here.memory_total, 0U);
  EXPECT_GT(here.memory_available, 0U);
  EXPECT_FALSE(here.cpus.empty());
}

TEST(AdmissionTest, SpellsSizes) {
  EXPECT_EQ(human_bytes(512), "0 KiB");
  EXPECT_EQ(human_bytes(256ULL << 20U), "256 MiB");
  EXPECT_EQ(human_bytes(kGiB), "1 GiB");
  EXPECT_EQ(human_bytes(kGiB * 3 / 2), "1.5 GiB");
  EXPECT_EQ(human_bytes(23 * kGiB + kGiB / 2), "23 GiB");
}

}  // namespace
}  // namespace gateway::host
