// The real sandbox around a real program that tries what a hostile one would. Skips, loudly, where user namespaces are
// not allowed: then nothing of this is shown.
#include "runtime/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <set>

#include "net/address.h"
#include "net/loop.h"
#include "runtime/test_parts.h"
#include "runtime/test_tree.h"

namespace gateway::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

bool user_namespaces_work() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!user_namespaces_work()) GTEST_SKIP() << "NOT TESTED: user namespaces are not allowed here";
    signals_ = *Signals::watch(loop_, {});
    timer_ = loop_.timer([this] {
      timed_out_ = true;
      loop_.stop();
    });
    timer_->arm(std::chrono::seconds(20));
  }

  // Runs the program to its end, or until `on_started` stops the loop.
  void run(std::vector<std::string> argv, std::function<void()> on_started = {}) {
    spec_.rootfs = tree_.path("rootfs");
    spec_.argv = std::move(argv);
    spec_.scratch_bytes = 8ULL * 1024 * 1024;
    Sandbox::Events events{.started =
                               [this, on_started](SandboxDoors doors) {
                                 started_ = true;
                                 doors_ = std::move(doors);
                                 if (on_started) on_started();
                               },
                           .failed =
                               [this](const Error& error) {
                                 failure_ = error.message();
                                 loop_.stop();
                               },
                           .exited =
                               [this](int status) {
                                 exit_status_ = status;
                                 loop_.stop();
                               },
                           .output =
                               [this](ByteView bytes) {
                                 output_.append(as_text(bytes));
                                 if (output_ == "linked\n") loop_.stop();
                               }};
    auto sandbox = Sandbox::start(loop_, *signals_, spec_, choose_workload_identity(), std::move(events), program_);
    ASSERT_TRUE(sandbox) << sandbox.error().message();
    sandbox_ = std::move(*sandbox);
    loop_.run();
    EXPECT_FALSE(timed_out_);
  }

  TestTree tree_;
  SandboxProgram program_{.path = GATEWAY_ENCLAVE_PROGRAM};
  net::Loop loop_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<net::Timer> timer_;
  std::unique_ptr<Sandbox> sandbox_;
  SandboxSpec spec_;
  std::string output_;
  std::string failure_;
  std::optional<int> exit_status_;
  bool started_ = false;
  bool timed_out_ = false;
  SandboxDoors doors_;
};

std::set<SandboxDoor> names_of(const SandboxDoors& doors) {
  std::set<SandboxDoor> names;
  for (const auto& [name, descriptor] : doors) {
    if (descriptor.valid()) names.insert(name);
  }
  return names;
}

TEST_F(SandboxTest, HasTheDoorsThatItsSpecificationNamesAndNoOthers) {
  run({"/bin/test_workload", "exit", "0"});
  EXPECT_TRUE(names_of(doors_).empty());
  spec_.egress = spec_.kms = true;
  run({"/bin/test_workload", "exit", "0"});
  EXPECT_EQ(failure_, "");
  EXPECT_EQ(names_of(doors_), (std::set{SandboxDoor::kProxy, SandboxDoor::kDns, SandboxDoor::kKms}));
}

TEST_F(SandboxTest, AHostileWorkloadIsRefusedEverything) {
  const std::string name = "gateway-sandbox-test-" + std::to_string(::getpid());
  const net::Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 8), 0);
  // A descriptor without close-on-exec, as a careless library leaves one: it must not arrive in the workload.
  const net::Descriptor careless(::open("/dev/null", O_RDONLY));

  spec_.env = {{"TEST_NAME", "value"}};
  run({"/bin/test_workload", "probe", name});
  EXPECT_EQ(failure_, "");
  ASSERT_TRUE(exit_status_);
  EXPECT_EQ(*exit_status_, 0) << output_;
  EXPECT_THAT(output_, HasSubstr("probe passed"));
  EXPECT_THAT(output_, Not(HasSubstr("FAIL")));
}

TEST_F(SandboxTest, ReportsHowTheProgramEnded) {
  run({"/bin/test_workload", "exit", "7"});
  EXPECT_TRUE(started_);
  ASSERT_TRUE(exit_status_);
  EXPECT_TRUE(WIFEXITED(*exit_status_));
  EXPECT_EQ(WEXITSTATUS(*exit_status_), 7);
}

TEST_F(SandboxTest, ReportsTheSignalThatEndedIt) {
  run({"/bin/test_workload", "crash"});
  ASSERT_TRUE(exit_status_);
  EXPECT_TRUE(WIFSIGNALED(*exit_status_));
  EXPECT_EQ(WTERMSIG(*exit_status_), SIGABRT);
}

TEST_F(SandboxTest, AProgramThatIgnoresSigtermIsKilled) {
  run({"/bin/test_workload", "hang"}, [this] {
    sandbox_->terminate();
    sandbox_->kill();
  });
  EXPECT_TRUE(exit_status_);
}

TEST_F(SandboxTest, SigtermReachesTheProgram) {
  std::unique_ptr<net::Timer> later;
  run({"/bin/test_workload", "tcp", "9000"}, [this] { sandbox_->terminate(); });
  ASSERT_TRUE(exit_status_);
  EXPECT_TRUE(WIFSIGNALED(*exit_status_));
  EXPECT_EQ(WTERMSIG(*exit_status_), SIGTERM);
}

TEST_F(SandboxTest, AMissingProgramIsReportedById) {
  run({"/bin/no-such-program"});
  EXPECT_FALSE(started_);
  EXPECT_THAT(failure_, HasSubstr("workload.exec"));
}

TEST_F(SandboxTest, AMissingFolderIsReportedById) {
  spec_.cwd = "/nowhere";
  run({"/bin/test_workload", "exit", "0"});
  EXPECT_THAT(failure_, HasSubstr("workload.cwd"));
}

TEST_F(SandboxTest, ARootWithoutMountPointsIsReportedById) {
  std::filesystem::remove(tree_.path("rootfs/proc"));
  run({"/bin/test_workload", "exit", "0"});
  EXPECT_THAT(failure_, HasSubstr("workload.proc"));
}

TEST_F(SandboxTest, ALinkInPlaceOfAMountPointIsNotFollowed) {
  std::filesystem::remove(tree_.path("rootfs/tmp"));
  std::filesystem::create_symlink("/etc", tree_.path("rootfs/tmp"));
  run({"/bin/test_workload", "exit", "0"});
  EXPECT_THAT(failure_, HasSubstr("workload.scratch"));
}

TEST_F(SandboxTest, AMissingRootIsReportedById) {
  std::filesystem::remove_all(tree_.path("rootfs"));
  run({"/bin/test_workload", "exit", "0"});
  EXPECT_THAT(failure_, HasSubstr("workload.root"));
}

TEST_F(SandboxTest, AFirstProcessThatSaysNothingIsKilled) {
  program_ = {.path = TEST_WORKLOAD, .start_timeout = std::chrono::milliseconds(100)};
  run({"/bin/test_workload"});
  EXPECT_THAT(failure_, HasSubstr("workload.start_timeout"));
}

TEST_F(SandboxTest, AFirstProcessThatEndsWithoutAReportIsNoticed) {
  program_.path = "/bin/true";
  run({"/bin/test_workload"});
  EXPECT_THAT(failure_, HasSubstr("workload.clone"));
}

TEST_F(SandboxTest, WithoutDescriptorsNothingIsCloned) {
  const NoMoreDescriptors none;
  const auto sandbox = Sandbox::start(loop_, *signals_, spec_, choose_workload_identity(), {}, program_);
  ASSERT_FALSE(sandbox);
  EXPECT_EQ(sandbox.error().id(), "workload.clone");
  EXPECT_EQ(Signals::watch(loop_, {}).error().id(), "runtime.signals");
}

TEST_F(SandboxTest, ALinkInPlaceOfASocketIsNotFollowed) {
  const std::string path = tree_.path("runtime.sock");  // a socket that only the runtime's tree has
  const auto listener = net::listen_on({.kind = net::Address::Kind::kUnix, .host = path});
  ASSERT_TRUE(listener);
  run({"/bin/test_workload", "link", path});
  for (const char* name : {"app.sock", "folder", "missing", "../gateway/app.sock", "../../etc", "/etc"}) {
    const auto connection = sandbox_->connect_shared(name);
    ASSERT_FALSE(connection) << name;
    EXPECT_EQ(connection.error().id(), "workload.connect") << name;
  }
}

TEST_F(SandboxTest, TheRuntimeReachesTheWorkloadsLoopback) {
  std::unique_ptr<net::Timer> later = loop_.timer([this] { loop_.stop(); });
  run({"/bin/test_workload", "tcp", "9000"}, [&later] { later->arm(std::chrono::milliseconds(100)); });
  auto connection = sandbox_->connect_loopback(9000);
  ASSERT_TRUE(connection) << connection.error().message();
  EXPECT_TRUE(connection->valid());
}

}  // namespace
}  // namespace gateway::runtime
