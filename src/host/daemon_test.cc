#include "host/daemon.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "codec/json.h"
#include "host/test_driver.h"
#include "host/test_image.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class DaemonTest : public testing::Test {
 protected:
  DaemonTest() : image_(write_image(folder_, "a.eif", {})) { restart(); }
  void restart() {
    daemon_.reset();
    auto driver = std::make_unique<FakeDriver>();
    driver_ = driver.get();
    driver_->on_start = [](FakeShim& shim) { shim.say(EnclaveState::kReady); };
    driver_->living = living_;
    Daemon::Drivers drivers;
    drivers["local"] = std::move(driver);
    auto daemon = Daemon::open({.state_folder = folder_.file("state"),
                                .version = "test",
                                .beyond_stop = milliseconds(200),
                                .after_kill = milliseconds(100)},
                               std::move(drivers), clock_);
    ASSERT_TRUE(daemon.has_value()) << daemon.error().message();
    daemon_ = *std::move(daemon);
  }
  std::string ask(const Request& request, const std::string& image = {}) {
    std::optional<net::Descriptor> file;
    if (!image.empty()) file = net::Descriptor(::open(image.c_str(), O_RDONLY | O_CLOEXEC));
    return daemon_->answer(request, std::move(file));
  }
  static RunRequest run_request(const std::string& name) {
    RunRequest run;
    run.name = name;
    run.config = to_bytes("version = 1\n");
    run.tokens = {1, 2};
    return run;
  }
  static std::string id_of(const std::string& answer) {
    const auto parsed = parse_answer(answer);
    if (!parsed) return "no answer: " + answer;
    return parsed->refusal ? parsed->refusal->id : "accepted";
  }
  static std::string state_of(const std::string& answer) {
    const auto value = codec::parse_json(answer, {});
    return std::string(std::string_view(value->as_object().at("enclave").as_object().at("state").as_string()));
  }
  std::size_t folders() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.file("state/enclaves")))
      ++count;
    return count;
  }

  TestFolder folder_;
  SystemClock clock_;
  std::string image_;
  std::shared_ptr<FakeShim> living_;
  FakeDriver* driver_ = nullptr;
  std::unique_ptr<Daemon> daemon_;
};

TEST_F(DaemonTest, RunsListsInspectsAndStops) {
  EXPECT_EQ(state_of(ask(run_request("a"), image_)), "ready");
  EXPECT_THAT(ask(PsRequest{}), HasSubstr("\"name\":\"a\""));
  EXPECT_EQ(state_of(ask(InspectRequest{"a"})), "ready");
  EXPECT_EQ(state_of(ask(StopRequest{"a", milliseconds(10)})), "stopped");
  EXPECT_EQ(state_of(ask(StopRequest{"a", milliseconds(10)})), "stopped") << "stopping twice is no mistake";
  EXPECT_THAT(ask(VersionRequest{}), HasSubstr("\"version\":\"test\""));
  EXPECT_EQ(id_of(ask(EventsRequest{"a", 0, 10})), "accepted");
}

TEST_F(DaemonTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(id_of(ask(InspectRequest{"x"})), "host.enclave.unknown");
  EXPECT_EQ(id_of(ask(StopRequest{"x", milliseconds(1)})), "host.enclave.unknown");
  EXPECT_EQ(id_of(ask(EventsRequest{"x", 0, 1})), "host.enclave.unknown");
  EXPECT_EQ(id_of(ask(TokensRequest{"x", {}})), "host.enclave.unknown");
}

TEST_F(DaemonTest, RefusesARunThatLacksSomething) {
  EXPECT_EQ(id_of(ask(run_request("a"))), "host.image.missing");
  RunRequest run = run_request("a");
  run.listen = "nowhere";
  EXPECT_EQ(id_of(ask(run, image_)), "host.listen");
  run = run_request("a");
  run.platform = "nitro";
  EXPECT_EQ(id_of(ask(run, image_)), "host.platform_unavailable");
  driver_->able = false;
  EXPECT_EQ(id_of(ask(run_request("a"), image_)), "host.platform_unavailable");
  EXPECT_EQ(folders(), 0U);
}

TEST_F(DaemonTest, UndoesARunThatFailsAndFreesItsName) {
  driver_->refuse_start = true;
  EXPECT_EQ(id_of(ask(run_request("a"), image_)), "host.port_in_use");
  EXPECT_EQ(folders(), 0U);
  EXPECT_EQ(id_of(ask(InspectRequest{"a"})), "host.enclave.unknown");
  driver_->refuse_start = false;
  EXPECT_EQ(id_of(ask(run_request("a"), image_)), "accepted");
  EXPECT_EQ(id_of(ask(run_request("a"), image_)), "host.name_in_use");
}

TEST_F(DaemonTest, SaysWhenAnEnclaveCannotBeStopped) {
  driver_->on_start = [](FakeShim& shim) {
    shim.immortal = true;
    shim.say(EnclaveState::kReady);
  };
  ASSERT_EQ(id_of(ask(run_request("a"), image_)), "accepted");
  EXPECT_EQ(id_of(ask(StopRequest{"a", milliseconds(1)})), "host.enclave.unstoppable");
  EXPECT_TRUE(driver_->shim->killed);
  driver_->shim->end();
}

TEST_F(DaemonTest, RemembersWhatWasHandedOver) {
  ASSERT_EQ(id_of(ask(run_request("a"), image_)), "accepted");
  ASSERT_EQ(id_of(ask(TokensRequest{"a", {9}})), "accepted");
  EXPECT_EQ(driver_->shim->tokens, Bytes{9});
  living_ = driver_->shim;
  restart();
  living_->say(EnclaveState::kReady);
  for (int i = 0; i < 200 && state_of(ask(InspectRequest{"a"})) != "ready"; ++i) ::usleep(10'000);
  EXPECT_EQ(state_of(ask(InspectRequest{"a"})), "ready");
  EXPECT_EQ(driver_->starts, 0) << "it was found, not started";
  const auto stored = StateStore::open(folder_.file("state/gatewayd.db"));
  const auto records = stored->all();
  ASSERT_EQ(records->size(), 1U);
  EXPECT_EQ(records->front().tokens, Bytes{9});
  EXPECT_FALSE(records->front().pending);
}

TEST_F(DaemonTest, UndoesWhatNobodyWasToldOf) {
  ASSERT_EQ(id_of(ask(run_request("a"), image_)), "accepted");
  const std::shared_ptr<FakeShim> shim = driver_->shim;
  daemon_.reset();
  {
    auto stored = StateStore::open(folder_.file("state/gatewayd.db"));
    EnclaveRecord record = stored->all()->front();
    record.pending = true;
    ASSERT_TRUE(stored->put(record).has_value());
  }
  living_ = shim;
  restart();
  EXPECT_TRUE(shim->stop_asked);
  EXPECT_EQ(id_of(ask(InspectRequest{"a"})), "host.enclave.unknown");
  EXPECT_EQ(folders(), 0U);
}

TEST_F(DaemonTest, RemovesFoldersThatNoRowNames) {
  std::filesystem::create_directories(folder_.file("state/enclaves/orphan"));
  restart();
  EXPECT_EQ(folders(), 0U);
}

TEST_F(DaemonTest, ForgetsTheOldestOfTheStopped) {
  for (int i = 0; i < 66; ++i) {
    const std::string name = "e" + std::to_string(i);
    ASSERT_EQ(id_of(ask(run_request(name), image_)), "accepted");
    ASSERT_EQ(id_of(ask(StopRequest{name, milliseconds(1)})), "accepted");
  }
  EXPECT_LE(folders(), 65U);
  EXPECT_EQ(id_of(ask(InspectRequest{"e0"})), "host.enclave.unknown");
  EXPECT_EQ(id_of(ask(InspectRequest{"e65"})), "accepted");
}

}  // namespace
}  // namespace gateway::host
