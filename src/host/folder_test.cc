// What the host keeps in files: small files, locks, event logs, the daemon's configuration, the sandbox's arguments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <fstream>

#include "host/cgroup.h"
#include "host/daemon_config.h"
#include "host/enclave_spec.h"
#include "host/event_log.h"
#include "host/sandbox.h"
#include "host/test_folder.h"

namespace gateway::host {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class FixedClock final : public Clock {
 public:
  Time now() const override { return Time(std::chrono::milliseconds(1'700'000'000'000)); }
};

TEST(FilesTest, WritesWholeFilesWithTheModeAsked) {
  const TestFolder folder;
  ASSERT_TRUE(write_file(folder.file("f"), as_bytes("first"), 0600).has_value());
  ASSERT_TRUE(write_file(folder.file("f"), as_bytes("second"), 0640).has_value());
  EXPECT_EQ(as_text(*read_file(folder.file("f"), 100)), "second");
  struct stat status{};
  ASSERT_EQ(::stat(folder.file("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
  EXPECT_FALSE(std::filesystem::exists(folder.file("f.new")));
}

TEST(FilesTest, RefusesWhatItCannotReadAsAFile) {
  const TestFolder folder;
  EXPECT_EQ(read_file(folder.file("absent"), 10).error().id(), "host.file.missing");
  EXPECT_EQ(read_file(folder.path(), 10).error().id(), "host.file.read");
  std::ofstream(folder.file("large")) << "eleven bytes";
  EXPECT_EQ(read_file(folder.file("large"), 11).error().id(), "host.file.size");
  ASSERT_EQ(::mkfifo(folder.file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_file(folder.file("fifo"), 10).error().id(), "host.file.read");
  std::filesystem::create_symlink(folder.file("large"), folder.file("link"));
  EXPECT_EQ(read_file(folder.file("link"), 100).error().id(), "host.file.read") << "links are not followed";
}

TEST(FilesTest, RefusesAsItsOwnWhatOthersCouldHaveWritten) {
  const TestFolder folder;
  ASSERT_TRUE(write_file(folder.file("own"), as_bytes("x"), 0600));
  EXPECT_TRUE(read_file(folder.file("own"), 10, WrittenBy::kThisUser));
  for (const mode_t mode : {0620U, 0602U}) {
    ASSERT_EQ(::chmod(folder.file("own").c_str(), mode), 0);
    EXPECT_EQ(read_file(folder.file("own"), 10, WrittenBy::kThisUser).error().id(), "host.file.owner");
    EXPECT_TRUE(read_file(folder.file("own"), 10));
  }
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chmod(folder.file("own").c_str(), 0600), 0);
  ASSERT_EQ(::chown(folder.file("own").c_str(), 65'534, 65'534), 0);
  EXPECT_EQ(read_file(folder.file("own"), 10, WrittenBy::kThisUser).error().id(), "host.file.owner");
}

TEST(FilesTest, RefusesToWriteWhereItCannot) {
  EXPECT_EQ(write_file("/proc/none/f", {}, 0600).error().id(), "host.file.write");
  EXPECT_EQ(make_folder("/proc/none", 0700).error().id(), "host.file.write");
}

TEST(FilesTest, LocksOnceAtATime) {
  const TestFolder folder;
  EXPECT_FALSE(is_locked(folder.file("lock")));
  {
    const auto held = lock_file(folder.file("lock"));
    ASSERT_TRUE(held.has_value());
    EXPECT_TRUE(is_locked(folder.file("lock")));
    EXPECT_EQ(lock_file(folder.file("lock")).error().id(), "host.file.locked");
  }
  EXPECT_FALSE(is_locked(folder.file("lock")));
  EXPECT_TRUE(lock_file(folder.file("lock")).has_value());
}

TEST(FilesTest, RemovesTreesWithReadOnlyFoldersAndFollowsNoLink) {
  const TestFolder folder;
  std::filesystem::create_directories(folder.file("tree/sub"));
  std::ofstream(folder.file("outside")) << "stays";
  std::filesystem::create_symlink(folder.path(), folder.file("tree/link"));
  std::ofstream(folder.file("tree/sub/f")) << "x";
  ::chmod(folder.file("tree/sub").c_str(), 0500);
  remove_tree(folder.file("tree"));
  EXPECT_FALSE(std::filesystem::exists(folder.file("tree")));
  EXPECT_TRUE(std::filesystem::exists(folder.file("outside")));
}

TEST(EventLogTest, NumbersEventsOnOverRestarts) {
  const TestFolder folder;
  const FixedClock clock;
  {
    auto log = EventLog::open(folder.path(), clock);
    ASSERT_TRUE(log.has_value());
    log->host({{"event", "a.b"}});
    ASSERT_TRUE(log->enclave(R"({"event":"c.d","n":1})").has_value());
  }
  auto log = EventLog::open(folder.path(), clock);
  log->host({{"event", "e.f"}});
  const auto events = read_events(folder.path(), 0, 100);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[1], R"({"seq":2,"time":"2023-11-14T22:13:20Z","source":"enclave","event":{"event":"c.d","n":1}})");
  EXPECT_THAT(events[2], HasSubstr("\"seq\":3"));
  EXPECT_EQ(read_events(folder.path(), 2, 100).size(), 1U);
  EXPECT_EQ(read_events(folder.path(), 0, 2).size(), 2U);
}

TEST(EventLogTest, RemembersHowTheWorkloadEnded) {
  const TestFolder folder;
  const FixedClock clock;
  auto log = EventLog::open(folder.path(), clock);
  EXPECT_EQ(log->ends_of_workload(), "");
  ASSERT_TRUE(log->enclave(R"({"event":"workload.exited","how":"exit status 1"})"));
  EXPECT_EQ(log->ends_of_workload(), "its workload ended with exit status 1");
  ASSERT_TRUE(log->enclave(R"({"event":"workload.output","line":"no such \u001b[31mmodule"})"));
  ASSERT_TRUE(log->enclave(R"({"event":"workload.exited","how":7})"));
  ASSERT_TRUE(log->enclave(R"({"event":"workload.exited","how":"signal 9"})"));
  EXPECT_EQ(log->ends_of_workload(),
            "its workload ended 3 times, the last time with signal 9, and had printed: no such ?[31mmodule");
}

TEST(EventLogTest, RefusesWhatAnEnclaveMayNotWrite) {
  const TestFolder folder;
  const FixedClock clock;
  auto log = EventLog::open(folder.path(), clock);
  for (const std::string& line :
       {std::string("text"), std::string("[]"), std::string("{}\n{}"), std::string(kMaxEvent + 1, ' ')}) {
    const auto written = log->enclave(line);
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().id(), "host.events.line");
  }
  EXPECT_TRUE(read_events(folder.path(), 0, 10).empty());
}

TEST(EventLogTest, StaysBoundedHoweverMuchIsSaid) {
  const TestFolder folder;
  const FixedClock clock;
  auto log = EventLog::open(folder.path(), clock);
  const std::string event = R"({"event":")" + std::string(10'000, 'x') + "\"}";
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(log->enclave(event).has_value());
  EXPECT_LE(std::filesystem::file_size(folder.file(kEventsFile)), kMaxEventsFile);
  EXPECT_LE(std::filesystem::file_size(folder.file(kOlderEventsFile)), kMaxEventsFile);
  const auto events = read_events(folder.path(), 0, 1000);
  ASSERT_FALSE(events.empty());
  EXPECT_THAT(events.back(), HasSubstr("\"seq\":400,"));
}

TEST(EventLogTest, LeavesOutLinesThatAreNoneOfOurs) {
  const TestFolder folder;
  std::ofstream(folder.file(kEventsFile)) << "garbage\n{\"seq\":0}\n{\"seq\":5,\"event\":{}}\n\n{\"seq\":6,\"ev";
  EXPECT_EQ(read_events(folder.path(), 0, 10), std::vector<std::string>{"{\"seq\":5,\"event\":{}}"});
}

TEST(EventLogTest, SaysWhenItsFolderIsGone) {
  const FixedClock clock;
  EXPECT_EQ(EventLog::open("/no/such/folder", clock).error().id(), "host.events.open");
}

TEST(DaemonConfigTest, ReadsEveryKey) {
  const auto config = parse_daemon_config(
      "state_dir = \"/s\"\nsocket = \"/r/s\"\ngroup = \"gateway\"\nqemu = \"/q\"\n[limits]\nmemory = "
      "\"12GiB\"\nenclaves_per_cpu = 2\n"
      "[log]\nlevel = \"debug\"\nformat = \"json\"\n",
      "f");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_EQ(config->state_dir, "/s");
  EXPECT_EQ(config->socket, "/r/s");
  EXPECT_EQ(config->group, "gateway");
  EXPECT_EQ(config->qemu, "/q");
  EXPECT_EQ(config->memory, 12ULL << 30U);
  EXPECT_EQ(config->enclaves_per_cpu, 2U);
  EXPECT_EQ(config->log_level, log::Level::kDebug);
  EXPECT_EQ(config->log_format, log::Format::kJson);
  EXPECT_TRUE(parse_daemon_config("", "f").has_value());
}

TEST(DaemonConfigTest, RefusesWhatItDoesNotKnow) {
  const auto id = [](std::string_view text) {
    const auto config = parse_daemon_config(text, "f");
    return config ? std::string("accepted") : std::string(config.error().id());
  };
  EXPECT_EQ(id("state = \"/s\""), "toml.unknown_key");
  EXPECT_EQ(id("[limits]\nmem = 1"), "toml.unknown_key");
  EXPECT_EQ(id("[log]\ncolour = 1"), "toml.unknown_key");
  EXPECT_EQ(id("state_dir = \"relative\""), "toml.bad_value");
  EXPECT_EQ(id("qemu = \"relative\""), "toml.bad_value");
  EXPECT_EQ(id("socket = \"relative\""), "toml.bad_value");
  EXPECT_EQ(id("[limits]\nmemory = \"many\""), "toml.bad_value");
  EXPECT_EQ(id("[limits]\nmemory = \"0\""), "toml.bad_value");
  EXPECT_EQ(id("[limits]\nenclaves_per_cpu = 0"), "toml.bad_value");
  EXPECT_EQ(id("[limits]\nenclaves_per_cpu = 2000"), "toml.bad_value");
  EXPECT_EQ(id("[log]\nlevel = \"loud\""), "toml.bad_value");
  EXPECT_EQ(id("[log]\nformat = \"xml\""), "toml.bad_value");
}

TEST(DaemonConfigTest, ReadsSizes) {
  EXPECT_EQ(parse_bytes("7"), 7U);
  EXPECT_EQ(parse_bytes("2KiB"), 2048U);
  EXPECT_EQ(parse_bytes("1TiB"), 1ULL << 40U);
  for (const char* text : {"", "KiB", "1GB", "1 GiB", "-1", "99999999999TiB", "1.5GiB"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(SandboxTest, TakesEveryPrivilegeAndSharesNothing) {
  SandboxSpec spec;
  spec.bwrap = "/usr/bin/bwrap";
  spec.memory = 4ULL << 30U;
  const auto arguments = sandbox_arguments(spec, "/tree", {.info = 6});
  for (const char* flag : {"--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
                           "--unshare-cgroup-try", "--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"}) {
    EXPECT_THAT(arguments, Contains(flag));
  }
  EXPECT_THAT(arguments, Not(Contains("--bind")));
  EXPECT_THAT(arguments, Not(Contains("--share-net")));
  EXPECT_THAT(arguments, Not(Contains("--cap-add")));
  EXPECT_THAT(arguments, Contains("1073741824")) << "temporary file systems are bounded";
  const auto drop = std::find(arguments.begin(), arguments.end(), "--cap-drop");
  ASSERT_NE(drop, arguments.end());
  EXPECT_EQ(*(drop + 1), "ALL");
}

TEST(SandboxTest, KeepsThreeCapabilitiesWhereTheWorkloadHasIdsOfItsOwn) {
  const auto arguments = sandbox_arguments({.bwrap = "b", .tree = {}, .cpus = {}, .ids = {}, .cgroup = {}}, "/tree",
                                           {.info = 6, .user_namespace = 8});
  EXPECT_THAT(arguments, Not(Contains("--unshare-user")));
  EXPECT_EQ(std::count(arguments.begin(), arguments.end(), "--cap-add"), 3);
}

TEST(SandboxTest, SaysWhenBubblewrapIsMissing) {
  const std::array places{"/no/such/bwrap", "/"};
  const auto found = find_bwrap(places);
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().id(), "host.sandbox.bwrap");
}

TEST(CgroupTest, ClaimsNoLimitWhereNoGroupCanBeMade) {
  for (const auto version : {CgroupParent::Version::kV1, CgroupParent::Version::kV2}) {
    const auto made = make_cgroup({version, "/proc/no-such-folder"}, "a", 1);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().id(), "host.cgroup.none");
  }
  const TestFolder folder;  // a folder that is no control group takes no limit
  const auto made = make_cgroup({CgroupParent::Version::kV2, folder.path()}, "a", 1);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().id(), "host.cgroup.none");
  EXPECT_FALSE(std::filesystem::exists(folder.file("enclave-a")));
}

TEST(CgroupTest, CountsWhatTheKernelEndedForWantOfMemory) {
  const TestFolder folder;
  EXPECT_EQ(out_of_memory_kills(folder.path()), 0U);
  std::ofstream(folder.file("memory.oom_control")) << "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
  EXPECT_EQ(out_of_memory_kills(folder.path()), 2U);
  std::ofstream(folder.file("memory.events")) << "low 0\noom 1\noom_kill 3\noom_group_kill 0\n";
  EXPECT_EQ(out_of_memory_kills(folder.path()), 3U);
}

TEST(SandboxTest, SaysWhyItDidNotStart) {
  const TestFolder folder;  // an empty tree: there is no /init, not even a /proc to mount on
  const auto bwrap = find_bwrap();
  if (!bwrap) GTEST_SKIP() << "SKIPPED: bubblewrap is not installed";
  SandboxSpec spec;
  spec.bwrap = *bwrap;
  spec.tree = folder.path();
  spec.control = spec.nsm = spec.ingress = spec.egress = 0;
  const auto started = start_sandbox(spec);
  if (started) {
    // bwrap had told its child's pid before it failed: the end tells the rest.
    std::string said(512, '\0');
    const ssize_t got = ::read(started->messages.get(), said.data(), said.size());
    EXPECT_GT(got, 0);
    return;
  }
  EXPECT_EQ(started.error().id(), "host.sandbox.start");
  EXPECT_THAT(started.error().detail(), HasSubstr("bwrap"));
}

}  // namespace
}  // namespace gateway::host
