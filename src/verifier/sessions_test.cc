#include "verifier/sessions.h"

#include <gtest/gtest.h>

namespace gateway::verifier {
namespace {

constexpr Time kNow{std::chrono::milliseconds(1'700'000'000'000)};

RandomBytes counting() {
  return [next = std::uint8_t{0}](std::size_t size) mutable { return Bytes(size, ++next); };
}

TEST(Sessions, AreFoundByTheirIdUntilTheyExpire) {
  SessionStore store(10, std::chrono::seconds(60), counting());
  const auto made = store.make(Bytes(32, 7), 3, kNow);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->id, std::string(32, '0').replace(0, 32, "01010101010101010101010101010101"));
  const auto found = store.find(made->id, kNow + std::chrono::seconds(59));
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->nonce, Bytes(32, 7));
  EXPECT_EQ((*found)->policy, 3U);
  EXPECT_EQ(store.find(made->id, kNow + std::chrono::seconds(60)).error().id(), "verifier.session");
  EXPECT_EQ(store.find("00", kNow).error().id(), "verifier.session");
}

TEST(Sessions, TakeOnePieceOfEvidence) {
  SessionStore store(10, std::chrono::seconds(60), counting());
  const std::string id = store.make(Bytes(8, 1), 0, kNow)->id;
  (*store.find_waiting(id, kNow))->result = "ear";
  EXPECT_EQ(store.find_waiting(id, kNow).error().id(), "verifier.session_used");
  EXPECT_EQ((*store.find(id, kNow))->result, "ear");
}

TEST(Sessions, AreBoundedAndMakeRoomByTime) {
  SessionStore store(2, std::chrono::seconds(60), counting());
  const std::string first = store.make(Bytes(8, 1), 0, kNow)->id;
  ASSERT_TRUE(store.make(Bytes(8, 1), 0, kNow + std::chrono::seconds(1)));
  EXPECT_EQ(store.make(Bytes(8, 1), 0, kNow + std::chrono::seconds(2)).error().id(), "verifier.sessions");
  store.remove(first);
  EXPECT_EQ(store.size(kNow + std::chrono::seconds(2)), 1U);
  EXPECT_FALSE(store.make(Bytes(8, 1), 0, kNow + std::chrono::seconds(3))) << "deleting earns no room at once";
  EXPECT_TRUE(store.make(Bytes(8, 1), 0, kNow + std::chrono::seconds(60)));
  EXPECT_EQ(store.size(kNow + std::chrono::seconds(200)), 0U);
}

}  // namespace
}  // namespace gateway::verifier
