#include "host/state_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "host/test_folder.h"

namespace gateway::host {
namespace {

EnclaveRecord sample(const std::string& name) {
  EnclaveRecord record;
  record.name = name;
  record.platform = "local";
  record.image_key = std::string(64, 'a');
  record.listen = "127.0.0.1:4433";
  record.config = {1, 0, 2};
  record.tokens = {};
  record.memory = 1ULL << 33U;
  record.cpu_count = 2;
  record.cpus = {0, 11};
  record.slot = 3;
  record.restarts = 5;
  record.start_timeout_ms = 120'000;
  record.max_connections = 77;
  record.created_at = Time(std::chrono::milliseconds(1'700'000'000'123));
  return record;
}

TEST(StateStoreTest, RemembersEverythingOverARestart) {
  const TestFolder folder;
  {
    auto store = StateStore::open(folder.file("db"));
    ASSERT_TRUE(store.has_value()) << store.error().message();
    ASSERT_TRUE(store->put(sample("a")).has_value());
    EnclaveRecord second = sample("b");
    second.desired = Desired::kStopped;
    second.pending = false;
    ASSERT_TRUE(store->put(second).has_value());
    ASSERT_TRUE(store->put(sample("c")).has_value());
    ASSERT_TRUE(store->remove("c").has_value());
  }
  const auto store = StateStore::open(folder.file("db"));
  ASSERT_TRUE(store.has_value());
  const auto records = store->all();
  ASSERT_TRUE(records.has_value());
  ASSERT_EQ(records->size(), 2U);
  const EnclaveRecord& first = records->front();
  const EnclaveRecord expected = sample("a");
  EXPECT_EQ(first.name, "a");
  EXPECT_EQ(first.platform, expected.platform);
  EXPECT_EQ(first.image_key, expected.image_key);
  EXPECT_EQ(first.listen, expected.listen);
  EXPECT_EQ(first.config, expected.config);
  EXPECT_EQ(first.tokens, expected.tokens);
  EXPECT_EQ(first.memory, expected.memory);
  EXPECT_EQ(first.cpu_count, expected.cpu_count);
  EXPECT_EQ(first.cpus, expected.cpus);
  EXPECT_EQ(first.slot, expected.slot);
  EXPECT_EQ(first.desired, Desired::kRunning);
  EXPECT_TRUE(first.pending);
  EXPECT_EQ(first.restarts, expected.restarts);
  EXPECT_EQ(first.start_timeout_ms, expected.start_timeout_ms);
  EXPECT_EQ(first.max_connections, expected.max_connections);
  EXPECT_EQ(first.created_at, expected.created_at);
  EXPECT_EQ(records->back().desired, Desired::kStopped);
  EXPECT_FALSE(records->back().pending);
}

// A writer is killed in the middle of its work; what it had been told was stored is there.
TEST(StateStoreTest, LosesNothingThatWasStoredWhenItsWriterIsKilled) {
  const TestFolder folder;
  ASSERT_TRUE(StateStore::open(folder.file("db")).has_value());
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t writer = ::fork();
  ASSERT_GE(writer, 0);
  if (writer == 0) {
    auto store = StateStore::open(folder.file("db"));
    for (int i = 0; store && store->put(sample("e" + std::to_string(i))); ++i) {
      if (::write(ends[1], &i, sizeof i) != sizeof i) break;
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  int last = -1;
  while (last < 20) ASSERT_EQ(::read(ends[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
  ::kill(writer, SIGKILL);
  ::waitpid(writer, nullptr, 0);
  while (::read(ends[0], &last, sizeof last) == static_cast<ssize_t>(sizeof last)) {
  }
  ::close(ends[0]);
  const auto store = StateStore::open(folder.file("db"));
  ASSERT_TRUE(store.has_value()) << store.error().message();
  const auto records = store->all();
  ASSERT_TRUE(records.has_value());
  // One more than was confirmed may have been stored before the kill.
  EXPECT_GE(records->size(), static_cast<std::size_t>(last) + 1);
  EXPECT_LE(records->size(), static_cast<std::size_t>(last) + 2);
}

TEST(StateStoreTest, IsForItsOwnerAlone) {
  const TestFolder folder;
  ASSERT_TRUE(StateStore::open(folder.file("db")).has_value());
  struct stat status{};
  ASSERT_EQ(::stat(folder.file("db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(StateStoreTest, RefusesAStateOfANewerVersion) {
  const TestFolder folder;
  ASSERT_TRUE(StateStore::open(folder.file("db")).has_value());
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(folder.file("db").c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "PRAGMA user_version = 3", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  const auto store = StateStore::open(folder.file("db"));
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().id(), "host.state.version");
}

TEST(StateStoreTest, RefusesAFileThatIsNoDatabase) {
  const TestFolder folder;
  std::ofstream(folder.file("db")) << "this is text, and long enough to be looked at as a header of something else";
  const auto store = StateStore::open(folder.file("db"));
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().id(), "host.state.database");
}

}  // namespace
}  // namespace gateway::host
