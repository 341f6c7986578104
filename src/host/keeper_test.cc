#include "host/keeper.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "host/test_driver.h"
#include "host/test_folder.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class KeeperTest : public testing::Test {
 protected:
  KeeperTest() {
    EnclaveRecord record;
    record.name = "a";
    record.listen = "127.0.0.1:0";
    record.tokens = {1};
    record.pending = false;
    make(record);
  }
  void make(const EnclaveRecord& record) {
    Keeper::Seams seams{.driver = driver_,
                        .find_image = [this](const std::string&) -> Outcome<StoredImage> {
                          if (image_missing_) {
                            return std::unexpected(Reported{ErrorCode::kNotFound, "host.file.missing", "gone", {}});
                          }
                          return StoredImage();
                        },
                        .remember =
                            [this](const EnclaveRecord& changed) {
                              const std::lock_guard lock(mutex_);
                              remembered_.push_back(changed);
                            }};
    keeper_ = std::make_unique<Keeper>(std::move(seams), folder_.path(), record);
  }
  bool reaches(Phase phase) {
    return keeper_
               ->wait_for([&](const KeeperView& view) { return view.phase == phase; },
                          steady_clock::now() + milliseconds(5'000))
               .phase == phase;
  }
  bool starts(int count) {
    for (int i = 0; i < 500 && driver_.starts < count; ++i) ::usleep(10'000);
    return driver_.starts >= count;
  }
  std::vector<EnclaveRecord> remembered() {
    const std::lock_guard lock(mutex_);
    return remembered_;
  }

  TestFolder folder_;
  FakeDriver driver_;
  bool image_missing_ = false;
  std::mutex mutex_;
  std::vector<EnclaveRecord> remembered_;
  std::unique_ptr<Keeper> keeper_;
};

TEST_F(KeeperTest, FollowsAnEnclaveUntilItIsReadyAndKeepsItsPort) {
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(starts(1));
  driver_.shim->say(EnclaveState::kReady, "127.0.0.1:7123");
  ASSERT_TRUE(reaches(Phase::kReady));
  EXPECT_EQ(keeper_->view().record.listen, "127.0.0.1:7123");
  ASSERT_FALSE(remembered().empty());
  EXPECT_EQ(remembered().back().listen, "127.0.0.1:7123");
}

TEST_F(KeeperTest, StartsAgainWhatEndedUnaskedAndSaysWhy) {
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(starts(1));
  driver_.shim->say(EnclaveState::kReady);
  ASSERT_TRUE(reaches(Phase::kReady));
  ShimStatus last;
  last.state = EnclaveState::kFailed;
  last.failure = Reported{ErrorCode::kUnavailable, "host.enclave.ended", "by signal 9", {}};
  driver_.last = last;
  driver_.shim->end();
  ASSERT_TRUE(reaches(Phase::kWaiting));
  EXPECT_EQ(keeper_->view().failure->id, "host.enclave.ended");
  ASSERT_TRUE(starts(2));
  EXPECT_EQ(driver_.last_spec.listen, "127.0.0.1:7000") << "on the same port";
  EXPECT_EQ(keeper_->view().record.restarts, 1U);
  EXPECT_EQ(driver_.cleaned, 1);
}

TEST_F(KeeperTest, SaysWhenAShimEndedWithoutAWord) {
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(starts(1));
  driver_.shim->say(EnclaveState::kReady);
  ASSERT_TRUE(reaches(Phase::kReady));
  driver_.shim->end();
  ASSERT_TRUE(reaches(Phase::kWaiting));
  EXPECT_EQ(keeper_->view().failure->id, "host.shim.ended");
}

TEST_F(KeeperTest, GivesUpAfterTheFirstStartOfAPendingEnclave) {
  EnclaveRecord record = keeper_->view().record;
  record.pending = true;
  make(record);
  driver_.refuse_start = true;
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(reaches(Phase::kFailed));
  EXPECT_EQ(keeper_->view().failure->id, "host.port_in_use");
  EXPECT_EQ(driver_.starts, 1);
}

TEST_F(KeeperTest, KeepsTryingACommittedEnclaveThatCannotStart) {
  driver_.refuse_start = true;
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(reaches(Phase::kWaiting));
  EXPECT_EQ(keeper_->view().failure->id, "host.port_in_use");
  driver_.refuse_start = false;
  ASSERT_TRUE(starts(2));
}

TEST_F(KeeperTest, SaysWhenTheStoredImageIsGone) {
  image_missing_ = true;
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(reaches(Phase::kWaiting));
  EXPECT_EQ(keeper_->view().failure->id, "host.file.missing");
  EXPECT_EQ(driver_.starts, 0);
}

TEST_F(KeeperTest, AdoptsALivingEnclaveInsteadOfStartingASecond) {
  driver_.living = std::make_shared<FakeShim>();
  keeper_->begin(Keeper::Begin::kAdopt);
  driver_.living->say(EnclaveState::kReady);
  ASSERT_TRUE(reaches(Phase::kReady));
  EXPECT_EQ(driver_.starts, 0);
}

TEST_F(KeeperTest, LeavesTheEnclaveAloneWhenItGoes) {
  driver_.living = std::make_shared<FakeShim>();
  keeper_->begin(Keeper::Begin::kAdopt);
  driver_.living->say(EnclaveState::kReady);
  ASSERT_TRUE(reaches(Phase::kReady));
  keeper_.reset();
  EXPECT_FALSE(driver_.living->stop_asked);
  EXPECT_FALSE(driver_.living->killed);
  EXPECT_TRUE(driver_.living->theirs.valid());
}

TEST_F(KeeperTest, StopsAndDoesNotStartAgain) {
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(starts(1));
  driver_.shim->say(EnclaveState::kReady);
  ASSERT_TRUE(reaches(Phase::kReady));
  keeper_->stop(milliseconds(100));
  ASSERT_TRUE(reaches(Phase::kStopped));
  EXPECT_TRUE(driver_.shim->stop_asked);
  EXPECT_EQ(keeper_->view().record.desired, Desired::kStopped);
  EXPECT_FALSE(keeper_->view().failure.has_value());
  ::usleep(50'000);
  EXPECT_EQ(driver_.starts, 1);
}

TEST_F(KeeperTest, StopsWhatWaitsForItsRestart) {
  driver_.refuse_start = true;
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(reaches(Phase::kWaiting));
  keeper_->stop(milliseconds(100));
  ASSERT_TRUE(reaches(Phase::kStopped));
  EXPECT_EQ(driver_.starts, 1);
}

TEST_F(KeeperTest, StopsALivingEnclaveThatShouldNotBe) {
  driver_.living = std::make_shared<FakeShim>();
  keeper_->begin(Keeper::Begin::kAdoptToStop);
  ASSERT_TRUE(reaches(Phase::kStopped));
  EXPECT_TRUE(driver_.living->stop_asked);
  EXPECT_EQ(driver_.starts, 0);
}

TEST_F(KeeperTest, StartsNothingWhereThereIsNothingToStop) {
  keeper_->begin(Keeper::Begin::kAdoptToStop);
  ASSERT_TRUE(reaches(Phase::kStopped));
  EXPECT_EQ(driver_.starts, 0);
}

TEST_F(KeeperTest, PassesNewTokensOnAndRemembersThem) {
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(starts(1));
  driver_.shim->say(EnclaveState::kReady);
  ASSERT_TRUE(reaches(Phase::kReady));
  const Bytes list{9, 9};
  ASSERT_TRUE(keeper_->push_tokens(list).has_value());
  EXPECT_EQ(driver_.shim->tokens, list);
  EXPECT_EQ(remembered().back().tokens, list);
}

TEST_F(KeeperTest, CommitsOnlyWhenItIsTold) {
  EnclaveRecord record = keeper_->view().record;
  record.pending = true;
  make(record);
  keeper_->begin(Keeper::Begin::kFresh);
  ASSERT_TRUE(starts(1));
  driver_.shim->say(EnclaveState::kReady);
  ASSERT_TRUE(reaches(Phase::kReady));
  for (const auto& one : remembered()) EXPECT_TRUE(one.pending);
  keeper_->commit();
  EXPECT_FALSE(remembered().back().pending);
}

TEST(RestartDelayTest, DoublesUpToAMinute) {
  EXPECT_EQ(restart_delay(1), milliseconds(1'000));
  EXPECT_EQ(restart_delay(2), milliseconds(2'000));
  EXPECT_EQ(restart_delay(6), milliseconds(32'000));
  EXPECT_EQ(restart_delay(7), milliseconds(60'000));
  EXPECT_EQ(restart_delay(4'000'000'000U), milliseconds(60'000));
}

}  // namespace
}  // namespace gateway::host
