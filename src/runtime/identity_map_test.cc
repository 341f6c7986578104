#include "runtime/identity_map.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace gateway::runtime {
namespace {

TEST(IdentityMap, OneMappedIdLeavesNoSecond) {
  EXPECT_EQ(second_id("      1000      54321          1\n", 1000), 0U);
  EXPECT_EQ(second_id("", 0), 0U);
}

TEST(IdentityMap, AWholeMapGivesThePreferredId) {
  EXPECT_EQ(second_id("         0          0 4294967295\n", 0), 100'000U);
}

TEST(IdentityMap, TheHighestIdThatIsNeitherOwnNorRoot) {
  EXPECT_EQ(second_id("0 54321 1\n1 100000 500\n", 0), 500U);
  EXPECT_EQ(second_id("0 54321 1\n1 100000 500\n", 500), 499U);
  EXPECT_EQ(second_id("0 54321 1\n", 7), 0U);
}

TEST(IdentityMap, AProcessThatIsGoneIsReportedById) {
  const Status written = write_identity_maps(0x7fffffff, 1000, 1000, choose_workload_identity());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().id(), "workload.identity");
}

}  // namespace
}  // namespace gateway::runtime
