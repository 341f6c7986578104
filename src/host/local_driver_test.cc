#include "host/local_driver.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "host/status_server.h"
#include "host/test_folder.h"
#include "host/unix_socket.h"

namespace gateway::host {
namespace {

EnclaveSpec sample_spec() {
  EnclaveSpec spec;
  spec.name = "driver-test";
  spec.memory = 1ULL << 30U;
  spec.listen = "127.0.0.1:0";
  return spec;
}

class LocalDriverTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto driver = make_local_driver({.shim = "/bin/true", .root_folder = folder_.file("root")});
    if (const auto able = driver->check(); !able) {
      GTEST_SKIP() << "SKIPPED: platform local cannot run here: " << able.error().message();
    }
    ASSERT_TRUE(make_folder(enclave(), 0700).has_value());
  }
  std::string enclave() const { return folder_.file("enclave"); }
  std::string start_with(const std::string& shim) const {
    const auto driver = make_local_driver({.shim = shim, .root_folder = folder_.file("root")});
    const auto started = driver->start(enclave(), sample_spec());
    return started ? "started" : started.error().id;
  }
  // A shim of the test's own words: a script that writes to its report, descriptor 3.
  std::string script(const std::string& body) const {
    const std::string path = folder_.file("shim.sh");
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    ::chmod(path.c_str(), 0755);
    return path;
  }
  TestFolder folder_;
};

TEST_F(LocalDriverTest, SaysWhenTheShimIsMissing) { EXPECT_EQ(start_with("/no/such/shim"), "host.shim.program"); }

TEST_F(LocalDriverTest, SaysWhenTheShimSaysNothing) { EXPECT_EQ(start_with("/bin/true"), "host.shim.silent"); }

TEST_F(LocalDriverTest, PassesTheShimsRefusalOn) {
  EXPECT_EQ(start_with(script("echo '{\"ok\":false,\"error\":{\"code\":\"unavailable\",\"id\":\"host.port_in_use\","
                              "\"detail\":\"taken\",\"remedy\":\"\"}}' >&3")),
            "host.port_in_use");
}

TEST_F(LocalDriverTest, RefusesAShimThatSpeaksAnotherLanguage) {
  EXPECT_EQ(start_with(script("echo hello >&3")), "host.answer.syntax");
}

TEST_F(LocalDriverTest, ReportsTheLastWordsOfAShimThatEndedBeforeItWasAsked) {
  ShimStatus last;
  last.state = EnclaveState::kFailed;
  last.failure = Reported{ErrorCode::kPolicyRejected, "runtime.cmdline_mismatch", "why", {}};
  ASSERT_TRUE(write_file(folder_.file("last"), as_bytes(encode_status(last)), 0600).has_value());
  // Still alive when the driver looks for it, and gone a moment later.
  EXPECT_EQ(start_with(script("echo '{\"ok\":true}' >&3; exec 3>&-; (exec 9>>" + enclave() + "/" + kLockFile +
                              "; flock -x 9; touch " + folder_.file("held") + "; sleep 0.3; cp " +
                              folder_.file("last") + " " + enclave() + "/" + kExitFile + ") & while [ ! -e " +
                              folder_.file("held") + " ]; do :; done")),
            "runtime.cmdline_mismatch");
}

TEST_F(LocalDriverTest, SaysWhenAShimIsGoneWithoutAWord) {
  EXPECT_EQ(start_with(script("echo '{\"ok\":true}' >&3")), "host.socket.connect");
}

TEST_F(LocalDriverTest, WritesTheSpecificationForTheShimAlone) {
  start_with("/bin/true");
  struct stat status{};
  ASSERT_EQ(::stat((enclave() + "/" + kSpecFile).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const auto text = read_file(enclave() + "/" + kSpecFile, 1UZ << 16U);
  ASSERT_TRUE(text.has_value());
  const auto spec = parse_spec(as_text(*text));
  ASSERT_TRUE(spec.has_value()) << spec.error().message();
  EXPECT_EQ(spec->root_folder, folder_.file("root"));
  EXPECT_EQ(spec->cgroup.empty(), !spec->cgroup_note.empty()) << "a limit, or the reason why there is none";
}

// A status socket and a lock, as a living shim has them.
class LivingShim {
 public:
  explicit LivingShim(const std::string& folder, bool answers_well)
      : opened_(*open_folder(folder)), lock_(*lock_file(folder + "/" + kLockFile)) {
    if (answers_well) {
      server_ = std::make_unique<StatusServer>(
          loop_, *listen_in_folder(opened_.get(), kStatusSocket, 0600, 8),
          StatusServer::Events{.status = [this] { return status; },
                               .tokens = [this](ByteView list) { tokens = to_bytes(list); },
                               .stop = [](auto) {}});
    } else {
      listener_ = *listen_in_folder(opened_.get(), kStatusSocket, 0600, 8);
      source_ = loop_.watch(listener_.get(), [this](bool, bool, bool) {
        LineSocket caller(net::Descriptor(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
        (void)caller.read_line(1000, after(std::chrono::milliseconds(1000)));
        (void)caller.write_line(R"({"ok":false})", after(std::chrono::milliseconds(1000)));
      });
      source_->want(true, false);
    }
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~LivingShim() {
    loop_.stop();
    thread_.join();
    server_.reset();
    source_.reset();
  }
  ShimStatus status;
  Bytes tokens;

 private:
  net::Descriptor opened_;
  net::Descriptor lock_;
  net::Loop loop_;
  std::unique_ptr<StatusServer> server_;
  net::Descriptor listener_;
  std::unique_ptr<net::Source> source_;
  std::thread thread_;
};

TEST_F(LocalDriverTest, AdoptsALivingShimAndTalksToIt) {
  LivingShim shim(enclave(), true);
  const auto driver = make_local_driver({.shim = "/bin/true", .root_folder = folder_.file("root")});
  const auto instance = driver->adopt(enclave());
  ASSERT_TRUE(instance.has_value() && *instance != nullptr);
  EXPECT_EQ((*instance)->next_status()->state, EnclaveState::kStarting);
  const Bytes list{1, 2, 3};
  EXPECT_TRUE((*instance)->push_tokens(list).has_value());
  EXPECT_EQ(shim.tokens, list);
  EXPECT_TRUE((*instance)->stop(std::chrono::milliseconds(1)).has_value());
  EXPECT_TRUE((*instance)->status().has_value());
}

TEST_F(LocalDriverTest, FindsNothingWhereNoShimLives) {
  const auto driver = make_local_driver({.shim = "/bin/true", .root_folder = folder_.file("root")});
  const auto instance = driver->adopt(enclave());
  ASSERT_TRUE(instance.has_value());
  EXPECT_EQ(*instance, nullptr);
  EXPECT_FALSE(driver->last_status(enclave()).has_value());
}

TEST_F(LocalDriverTest, SaysWhenAShimRefuses) {
  LivingShim shim(enclave(), false);
  const auto driver = make_local_driver({.shim = "/bin/true", .root_folder = folder_.file("root")});
  const auto instance = driver->adopt(enclave());
  ASSERT_TRUE(instance.has_value() && *instance != nullptr);
  const auto pushed = (*instance)->push_tokens({});
  ASSERT_FALSE(pushed.has_value());
  EXPECT_EQ(pushed.error().id(), "host.shim.refused");
}

TEST_F(LocalDriverTest, ReadsTheLastWordsOfAShim) {
  const auto driver = make_local_driver({.shim = "/bin/true", .root_folder = folder_.file("root")});
  ShimStatus last;
  last.state = EnclaveState::kFailed;
  last.failure = Reported{ErrorCode::kUnavailable, "host.enclave.ended", "why", {}};
  ASSERT_TRUE(write_file(enclave() + "/" + kExitFile, as_bytes(encode_status(last)), 0600).has_value());
  EXPECT_EQ(driver->last_status(enclave())->failure->id, "host.enclave.ended");
  ASSERT_TRUE(write_file(enclave() + "/" + kExitFile, as_bytes("{}"), 0600).has_value());
  EXPECT_FALSE(driver->last_status(enclave()).has_value());
}

}  // namespace
}  // namespace gateway::host
