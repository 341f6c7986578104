#include "host/state_store.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <charconv>
#include <mutex>

namespace gateway::host {
namespace {

constexpr int kSchemaVersion = 2;
constexpr int kBusyTimeoutMs = 5000;
constexpr const char* kSchema = R"(
CREATE TABLE enclaves (
  name TEXT PRIMARY KEY NOT NULL,
  platform TEXT NOT NULL,
  image_key TEXT NOT NULL,
  listen TEXT NOT NULL,
  config BLOB NOT NULL,
  tokens BLOB NOT NULL,
  memory INTEGER NOT NULL,
  cpu_count INTEGER NOT NULL,
  cpus TEXT NOT NULL,
  slot INTEGER NOT NULL,
  desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
  pending INTEGER NOT NULL,
  restarts INTEGER NOT NULL,
  start_timeout_ms INTEGER NOT NULL,
  max_connections INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  traffic TEXT NOT NULL DEFAULT '{}'
) STRICT;
PRAGMA user_version = 2;
)";

// From what an earlier release wrote.
constexpr const char* kFromVersion1 =
    "BEGIN IMMEDIATE; ALTER TABLE enclaves ADD COLUMN traffic TEXT NOT NULL DEFAULT '{}'; PRAGMA user_version = 2; "
    "COMMIT;";

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

std::unexpected<Error> broken(sqlite3* database, std::string_view what) {
  return fail(ErrorCode::kInternal, "host.state.database",
              std::string(what) + ": " + (database == nullptr ? "out of memory" : sqlite3_errmsg(database)),
              "check the free space and the permissions of the state folder");
}

Status execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return broken(database, "a statement failed");
}

Result<Statement> prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) {
    return broken(database, "a statement cannot be prepared");
  }
  return Statement(statement);
}

Result<int> schema_version(sqlite3* database) {
  GATEWAY_ASSIGN(const Statement statement, prepare(database, "PRAGMA user_version"));
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return broken(database, "the schema's version cannot be read");
  return sqlite3_column_int(statement.get(), 0);
}

std::string join(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text.append(text.empty() ? "" : ",").append(std::to_string(number));
  return text;
}

std::vector<int> split(std::string_view text) {
  std::vector<int> numbers;
  while (!text.empty()) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  }
  return numbers;
}

class Binder {
 public:
  explicit Binder(sqlite3_stmt* statement) : statement_(statement) {}
  Binder& text(std::string_view value) {
    sqlite3_bind_text(statement_, ++at_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Binder& blob(ByteView value) {
    // A null pointer would bind NULL; an empty list is an empty blob.
    sqlite3_bind_blob64(statement_, ++at_, value.empty() ? "" : static_cast<const void*>(value.data()), value.size(),
                        SQLITE_TRANSIENT);
    return *this;
  }
  Binder& number(std::int64_t value) {
    sqlite3_bind_int64(statement_, ++at_, value);
    return *this;
  }

 private:
  sqlite3_stmt* statement_;
  int at_ = 0;
};

std::string text_column(sqlite3_stmt* row, int column) {
  const auto* text = sqlite3_column_text(row, column);
  const int size = sqlite3_column_bytes(row, column);
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)};
}

Bytes blob_column(sqlite3_stmt* row, int column) {
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(row, column));
  const int size = sqlite3_column_bytes(row, column);
  return size == 0 ? Bytes() : Bytes(bytes, bytes + size);
}

EnclaveRecord record_from(sqlite3_stmt* row) {
  EnclaveRecord record;
  record.name = text_column(row, 0);
  record.platform = text_column(row, 1);
  record.image_key = text_column(row, 2);
  record.listen = text_column(row, 3);
  record.config = blob_column(row, 4);
  record.tokens = blob_column(row, 5);
  record.memory = static_cast<std::uint64_t>(sqlite3_column_int64(row, 6));
  record.cpu_count = static_cast<std::uint32_t>(sqlite3_column_int64(row, 7));
  record.cpus = split(text_column(row, 8));
  record.slot = static_cast<std::uint32_t>(sqlite3_column_int64(row, 9));
  record.desired = text_column(row, 10) == "running" ? Desired::kRunning : Desired::kStopped;
  record.pending = sqlite3_column_int(row, 11) != 0;
  record.restarts = static_cast<std::uint64_t>(sqlite3_column_int64(row, 12));
  record.start_timeout_ms = sqlite3_column_int64(row, 13);
  record.max_connections = static_cast<std::uint32_t>(sqlite3_column_int64(row, 14));
  record.created_at = Time(std::chrono::milliseconds(sqlite3_column_int64(row, 15)));
  record.traffic = parse_traffic(text_column(row, 16)).value_or(Traffic{});
  return record;
}

}  // namespace

struct StateStore::Impl {
  Database database;
  mutable std::mutex mutex;
};

StateStore::StateStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StateStore::StateStore(StateStore&&) noexcept = default;
StateStore::~StateStore() = default;

Result<StateStore> StateStore::open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  sqlite3* opened = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW;
  const mode_t before = ::umask(0077);
  const int status = sqlite3_open_v2(path.c_str(), &opened, flags, nullptr);
  impl->database.reset(opened);
  const auto prepared = [&]() -> Status {
    if (status != SQLITE_OK) return broken(opened, "the database " + path + " cannot be opened");
    sqlite3_busy_timeout(opened, kBusyTimeoutMs);
    GATEWAY_TRY(execute(opened, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"));
    GATEWAY_ASSIGN(const int version, schema_version(opened));
    if (version == 0) return execute(opened, (std::string("BEGIN IMMEDIATE;") + kSchema + "COMMIT;").c_str());
    if (version == 1) return execute(opened, kFromVersion1);
    if (version == kSchemaVersion) return {};
    return fail(ErrorCode::kUnsupported, "host.state.version",
                "the state in " + path + " has version " + std::to_string(version) + ", this daemon knows " +
                    std::to_string(kSchemaVersion),
                "start the newer gatewayd that wrote it, or choose another state folder");
  }();
  ::umask(before);
  GATEWAY_TRY(prepared);
  ::chmod(path.c_str(), 0600);
  return StateStore(std::move(impl));
}

Result<std::vector<EnclaveRecord>> StateStore::all() const {
  const std::lock_guard lock(impl_->mutex);
  GATEWAY_ASSIGN(
      const Statement statement,
      prepare(
          impl_->database.get(),
          "SELECT name, platform, image_key, listen, config, tokens, memory, cpu_count, cpus, slot, desired, "
          "pending, restarts, start_timeout_ms, max_connections, created_at_ms, traffic FROM enclaves ORDER BY name"));
  std::vector<EnclaveRecord> records;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(statement.get())) == SQLITE_ROW) records.push_back(record_from(statement.get()));
  if (step != SQLITE_DONE) return broken(impl_->database.get(), "the state cannot be read");
  return records;
}

Status StateStore::put(const EnclaveRecord& record) {
  const std::lock_guard lock(impl_->mutex);
  GATEWAY_ASSIGN(const Statement statement,
                 prepare(impl_->database.get(),
                         "INSERT OR REPLACE INTO enclaves (name, platform, image_key, listen, config, tokens, memory, "
                         "cpu_count, cpus, slot, desired, pending, restarts, start_timeout_ms, max_connections, "
                         "created_at_ms, traffic) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  Binder(statement.get())
      .text(record.name)
      .text(record.platform)
      .text(record.image_key)
      .text(record.listen)
      .blob(record.config)
      .blob(record.tokens)
      .number(static_cast<std::int64_t>(record.memory))
      .number(record.cpu_count)
      .text(join(record.cpus))
      .number(record.slot)
      .text(record.desired == Desired::kRunning ? "running" : "stopped")
      .number(record.pending ? 1 : 0)
      .number(static_cast<std::int64_t>(record.restarts))
      .number(record.start_timeout_ms)
      .number(record.max_connections)
      .number(record.created_at.time_since_epoch().count())
      .text(encode_traffic(record.traffic));
  if (sqlite3_step(statement.get()) == SQLITE_DONE) return {};
  return broken(impl_->database.get(), "the state cannot be written");
}

Status StateStore::remove(const std::string& name) {
  const std::lock_guard lock(impl_->mutex);
  GATEWAY_ASSIGN(const Statement statement, prepare(impl_->database.get(), "DELETE FROM enclaves WHERE name = ?"));
  Binder(statement.get()).text(name);
  if (sqlite3_step(statement.get()) == SQLITE_DONE) return {};
  return broken(impl_->database.get(), "the state cannot be written");
}

}  // namespace gateway::host
