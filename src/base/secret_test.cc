#include "base/secret.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <ostream>

namespace {

// What a block of memory held when it was given back: the only place from which a wipe that the optimiser dropped can
// be seen. The operators below replace the program's own.
struct Watch {
  const void* block = nullptr;
  std::uint8_t last[64] = {};
  std::size_t size = 0;
  bool freed = false;
};
Watch watch;

void give_back(void* block) noexcept {
  if (block != nullptr && block == watch.block) {
    std::memcpy(watch.last, block, watch.size);
    watch.freed = true;
    watch.block = nullptr;
  }
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* block) noexcept { give_back(block); }
void operator delete[](void* block) noexcept { give_back(block); }
void operator delete(void* block, std::size_t) noexcept { give_back(block); }
void operator delete[](void* block, std::size_t) noexcept { give_back(block); }

namespace gateway {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(std::is_nothrow_move_assignable_v<Secret>);
static_assert(!std::equality_comparable<Secret>);
static_assert(!Printable<Secret> && Printable<int>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<Secret, ByteView>);
static_assert(!std::is_convertible_v<ByteView, Secret>);  // a secret is made on purpose, never by passing bytes

Bytes key() { return {0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x11, 0x22, 0x33}; }

void start_watching(const void* block, std::size_t size) {
  watch = Watch{};
  watch.block = block;
  watch.size = size;
}

std::span<const std::uint8_t> last_content() { return {watch.last, watch.size}; }

TEST(Secret, HoldsBytesThatAreReachedByNameAlone) {
  Secret secret{ByteView(key())};
  EXPECT_EQ(secret.size(), 8U);
  EXPECT_TRUE(equal(secret.reveal(), key()));
  secret.reveal_mutable()[0] = 1;
  EXPECT_EQ(secret.reveal()[0], 1);
  EXPECT_TRUE(Secret().empty());
  EXPECT_THAT(Secret(4).reveal(), Each(0));
}

TEST(Secret, IsWipedBeforeItsMemoryIsGivenBack) {
  {
    const Secret secret{ByteView(key())};
    start_watching(secret.reveal().data(), secret.size());
  }
  ASSERT_TRUE(watch.freed);
  EXPECT_THAT(last_content(), Each(0));
}

TEST(Secret, IsWipedWhenAnotherIsAssigned) {
  Secret secret{ByteView(key())};
  start_watching(secret.reveal().data(), secret.size());
  secret = Secret(as_bytes("other"));
  ASSERT_TRUE(watch.freed);
  EXPECT_THAT(last_content(), Each(0));
  EXPECT_EQ(as_text(secret.reveal()), "other");
}

TEST(Secret, LeavesNothingBehindWhenMoved) {
  Secret from{ByteView(key())};
  const std::uint8_t* const block = from.reveal().data();
  const Secret to = std::move(from);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(from.reveal().data(), nullptr);
  EXPECT_EQ(to.reveal().data(), block);  // the bytes did not move, so there is no copy to wipe
}

TEST(Secret, SurvivesAssignmentToItself) {
  Secret secret{ByteView(key())};
  Secret& same = secret;
  secret = std::move(same);
  EXPECT_TRUE(equal(secret.reveal(), key()));
}

TEST(Secret, TakesBytesAndWipesTheirSource) {
  Bytes source = key();
  start_watching(source.data(), source.size());
  const Secret secret = Secret::take(std::move(source));
  ASSERT_TRUE(watch.freed);
  EXPECT_THAT(last_content(), Each(0));
  EXPECT_TRUE(equal(secret.reveal(), key()));
}

TEST(Secret, ClonesIntoMemoryOfItsOwn) {
  const Secret secret{ByteView(key())};
  const Secret clone = secret.clone();
  EXPECT_NE(secret.reveal().data(), clone.reveal().data());
  EXPECT_TRUE(equal(secret.reveal(), clone.reveal()));
}

// The control of the experiment: without a wipe, the watch sees the bytes.
TEST(Watch, SeesWhatIsNotWiped) {
  {
    const Bytes plain = key();
    start_watching(plain.data(), plain.size());
  }
  ASSERT_TRUE(watch.freed);
  EXPECT_THAT(last_content(), ElementsAre(0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x11, 0x22, 0x33));
}

TEST(Wipe, OverwritesASpanAndAcceptsAnEmptyOne) {
  Bytes bytes = key();
  wipe(bytes);
  EXPECT_THAT(bytes, Each(0));
  wipe({});
}

}  // namespace
}  // namespace gateway
