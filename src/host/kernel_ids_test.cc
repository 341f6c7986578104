#include "host/kernel_ids.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace gateway::host {
namespace {

TEST(KernelIdsTest, FindsTheRangeOfAUserByNameOrNumber) {
  const char* text = "root:1:2\nalice:100000:65536\n1001:200000:10\nalice:5:5\n";
  EXPECT_EQ(find_range(text, "alice", "1000").first, 100'000U);
  EXPECT_EQ(find_range(text, "alice", "1000").count, 65'536U);
  EXPECT_EQ(find_range(text, "bob", "1001").first, 200'000U);
  EXPECT_EQ(find_range(text, "carol", "1002").count, 0U);
}

TEST(KernelIdsTest, IgnoresLinesThatAreBroken) {
  for (const char* text : {"alice", "alice:", "alice:x:5", "alice:5", "alice:5:", "alice:5:x", "alice:0:5",
                           "alice:5:5:5", "alice:4294967290:100", ":5:5", "alicia:5:5", "#alice:5:5"}) {
    EXPECT_EQ(find_range(text, "alice", "1000").count, 0U) << text;
  }
}

TEST(KernelIdsTest, GivesRootARangeThatItsOwnNamespaceHas) {
  EXPECT_EQ(root_range("         0          0 4294967295\n").first, 70'000U);
  EXPECT_EQ(root_range("0 1000 1\n1 100000 65536\n").first, 65'537U - 20'000U);
  EXPECT_EQ(root_range("0 1000 1\n").count, 0U);
  EXPECT_EQ(root_range("0 100000 20000\n").count, 0U);
  EXPECT_EQ(root_range("nonsense").count, 0U);
}

TEST(KernelIdsTest, GivesNoTwoEnclavesOfRootTheSameId) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: only root divides ids among enclaves";
  const auto first = choose_kernel_ids(0);
  const auto second = choose_kernel_ids(1);
  ASSERT_TRUE(first && second);
  const auto all = [](const KernelIds& ids) { return std::array{ids.enclave, ids.workload_uid, ids.spare_uid}; };
  for (const auto a : all(*first)) {
    EXPECT_NE(a, 0U);
    for (const auto b : all(*second)) EXPECT_NE(a, b);
  }
  EXPECT_TRUE(first->separate());
  const auto beyond = choose_kernel_ids(1'000'000);
  ASSERT_FALSE(beyond.has_value());
  EXPECT_EQ(beyond.error().id(), "host.ids.none");
}

TEST(KernelIdsTest, MakesANamespaceWithTheseIds) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "SKIPPED: the thread sanitizer's own thread is in the child, and the kernel wants it to have one";
#endif
  const auto ids = choose_kernel_ids(3);
  if (!ids) GTEST_SKIP() << "SKIPPED: no ids to spare here: " << ids.error().detail();
  const auto space = make_user_namespace(*ids);
  ASSERT_TRUE(space.has_value()) << space.error().message();
  EXPECT_TRUE(space->valid());
}

TEST(KernelIdsTest, SaysWhenIdsCannotBeMapped) {
  if (::geteuid() == 0) GTEST_SKIP() << "SKIPPED: root may map any id";
  const auto space = make_user_namespace({0, 12345, 12345, 12346, 12346});
  ASSERT_FALSE(space.has_value());
  EXPECT_EQ(space.error().id(), "host.ids.namespace");
}

}  // namespace
}  // namespace gateway::host
