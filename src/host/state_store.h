// The daemon's memory: which enclaves are wanted, and what was allocated to them. SQLite, one file.
//
// Write-ahead log with synchronous=FULL: what was answered survives kill -9 and a power cut. A row is `pending` from
// before its shim starts until `gateway run` was answered; a pending row that a restarted daemon finds belongs to a
// caller who never got an answer, so it is undone.
// Threads: one object may be used from several; calls are serialised.
// Errors: kInternal host.state.database; kUnsupported host.state.version
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "host/traffic.h"

namespace gateway::host {

enum class Desired : std::uint8_t { kRunning, kStopped };

struct EnclaveRecord {
  std::string name;
  std::string platform;
  std::string image_key;
  std::string listen;  // as allocated: the port stays over restarts
  Bytes config;
  Bytes tokens;  // the newest list that was handed over
  std::uint64_t memory = 0;
  std::uint32_t cpu_count = 0;
  std::vector<int> cpus;
  std::uint32_t slot = 0;  // EnclaveSpec::slot
  Desired desired = Desired::kRunning;
  bool pending = true;
  std::uint64_t restarts = 0;
  std::int64_t start_timeout_ms = 0;
  std::uint32_t max_connections = 0;
  Traffic traffic;
  Time created_at{};
};

class StateStore {
 public:
  static Result<StateStore> open(const std::string& path);
  StateStore(StateStore&&) noexcept;
  ~StateStore();

  Result<std::vector<EnclaveRecord>> all() const;
  Status put(const EnclaveRecord& record);  // inserts or replaces
  Status remove(const std::string& name);

 private:
  struct Impl;
  explicit StateStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::host
