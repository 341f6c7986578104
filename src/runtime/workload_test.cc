#include "runtime/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/test_enclave.h"
#include "runtime/test_parts.h"
#include "runtime/test_tree.h"

namespace gateway::runtime {
namespace {

using ::testing::HasSubstr;

class WorkloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!TestEnclave::possible()) GTEST_SKIP() << "NOT TESTED: user namespaces are not allowed here";
    signals_ = *Signals::watch(loop_, {});
    timer_ = loop_.timer([this] {
      ADD_FAILURE() << "timed out; the workload printed: " << as_text(logs_.text());
      loop_.stop();
    });
    timer_->arm(std::chrono::seconds(20));
  }
  void make(std::vector<std::string> argv) {
    description_.workload.argv = argv;
    EffectiveConfig config{.access_key = crypto::PrivateKey::generate(crypto::KeyType::kP256)->public_key(),
                           .paths = {},
                           .argv = std::move(argv),
                           .env = {},
                           .limits = {}};
    WorkloadPlan plan = plan_workload(description_, config, choose_workload_identity(), tree_.path());
    plan.program.path = GATEWAY_ENCLAVE_PROGRAM;
    workload_ = std::make_unique<Workload>(loop_, *signals_, logs_, std::move(plan),
                                           Workload::Events{.ready =
                                                                [this] {
                                                                  ++ready_;
                                                                  if (on_ready_) on_ready_();
                                                                },
                                                            .fatal =
                                                                [this](const Error& error) {
                                                                  fatal_ = error.message();
                                                                  loop_.stop();
                                                                },
                                                            .stopped =
                                                                [this] {
                                                                  stopped_ = true;
                                                                  loop_.stop();
                                                                }});
    workload_->start();
  }

  TestTree tree_;
  image::Description description_ = test_description();
  net::Loop loop_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<net::Timer> timer_;
  LogRing logs_;
  std::unique_ptr<Workload> workload_;
  std::function<void()> on_ready_;
  int ready_ = 0;
  bool stopped_ = false;
  std::string fatal_;
};

TEST_F(WorkloadTest, BecomesReadyOverItsUnixSocketAndStops) {
  on_ready_ = [this] { workload_->stop(std::chrono::seconds(1)); };
  make({"/bin/test_workload", "serve", "/run/gateway/app.sock"});
  loop_.run();
  EXPECT_EQ(ready_, 1);
  EXPECT_TRUE(stopped_);
  EXPECT_FALSE(workload_->ready());
  EXPECT_EQ(workload_->dial().error().id(), "workload.connect");
}

TEST_F(WorkloadTest, BecomesReadyOverItsLoopback) {
  description_.ingress.socket.clear();
  description_.ingress.port = 9000;
  on_ready_ = [this] { loop_.stop(); };
  make({"/bin/test_workload", "tcp", "9000"});
  loop_.run();
  EXPECT_TRUE(workload_->ready());
}

TEST_F(WorkloadTest, WithoutAPathAnAcceptedConnectionIsReady) {
  description_.workload.readiness.reset();
  on_ready_ = [this] { loop_.stop(); };
  make({"/bin/test_workload", "serve", "/run/gateway/app.sock"});
  loop_.run();
  EXPECT_TRUE(workload_->ready());
}

TEST_F(WorkloadTest, OneThatIgnoresSigtermIsKilledAfterItsGrace) {
  description_.workload.readiness.reset();
  make({"/bin/test_workload", "hang"});
  const auto later = loop_.timer([this] { workload_->stop(std::chrono::milliseconds(100)); });
  later->arm(std::chrono::milliseconds(300));
  loop_.run();
  EXPECT_TRUE(stopped_);
}

TEST_F(WorkloadTest, RestartsWithGrowingPauses) {
  make({"/bin/test_workload", "crash"});
  const auto later = loop_.timer([this] { loop_.stop(); });
  later->arm(std::chrono::milliseconds(1600));  // after 0, 250, 750 ms and what each start takes
  loop_.run();
  EXPECT_GE(workload_->metrics().starts, 2U);
  EXPECT_LE(workload_->metrics().starts, 3U);
  EXPECT_EQ(fatal_, "");
}

TEST_F(WorkloadTest, OneThatIsNotReadyInTimeIsStartedAgain) {
  description_.workload.readiness = image::Readiness{.path = "/healthz", .timeout = std::chrono::milliseconds(200)};
  make({"/bin/test_workload", "hang"});
  const auto later = loop_.timer([this] { loop_.stop(); });
  later->arm(std::chrono::milliseconds(1200));
  loop_.run();
  EXPECT_GE(workload_->metrics().starts, 2U);
  EXPECT_EQ(ready_, 0);
}

TEST_F(WorkloadTest, AnEndWithoutFailureIsFinalUnderOnFailure) {
  make({"/bin/test_workload", "exit", "0"});
  loop_.run();
  EXPECT_THAT(fatal_, HasSubstr("workload.exited"));
  EXPECT_THAT(fatal_, HasSubstr("exit status 0"));
}

TEST_F(WorkloadTest, AFailureIsFinalUnderNever) {
  description_.workload.restart = image::RestartPolicy::kNever;
  make({"/bin/test_workload", "exit", "9"});
  loop_.run();
  EXPECT_THAT(fatal_, HasSubstr("exit status 9"));
}

TEST_F(WorkloadTest, AFailedStepOfIsolationIsFinal) {
  std::filesystem::remove(tree_.path("rootfs/dev"));
  make({"/bin/test_workload", "serve", "/run/gateway/app.sock"});
  loop_.run();
  EXPECT_THAT(fatal_, HasSubstr("workload.devices"));
  EXPECT_EQ(workload_->metrics().starts, 1U);
}

TEST_F(WorkloadTest, WhatItPrintsStaysInTheRing) {
  on_ready_ = [this] { loop_.stop(); };
  make({"/bin/test_workload", "serve", "/run/gateway/app.sock"});
  loop_.run();
  EXPECT_THAT(std::string(as_text(logs_.text())), HasSubstr("probe passed"));
  EXPECT_GT(workload_->metrics().output_bytes, 0U);
}

TEST_F(WorkloadTest, StoppingDuringAPauseEndsAtOnce) {
  make({"/bin/test_workload", "crash"});
  const auto later = loop_.timer([this] { workload_->stop(std::chrono::seconds(5)); });
  later->arm(std::chrono::milliseconds(200));
  loop_.run();
  EXPECT_TRUE(stopped_);
}

}  // namespace
}  // namespace gateway::runtime
