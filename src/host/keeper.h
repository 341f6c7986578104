// Keeps one enclave as its record wants it: starts or finds it, follows its status, starts it again with back-off when
// it ends unasked, stops it when told. One thread each; destroying a keeper leaves its enclave running.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "host/driver.h"
#include "host/state_store.h"
#include "host/store.h"

namespace gateway::host {

enum class Phase : std::uint8_t { kStarting, kReady, kStopping, kWaiting, kStopped, kFailed };
std::string_view to_string(Phase phase);  // kWaiting: "restarting"

struct KeeperView {
  EnclaveRecord record;
  Phase phase = Phase::kStarting;
  ShimStatus status;                // the newest that was heard
  std::optional<Reported> failure;  // why it last ended unasked
  bool over() const { return phase == Phase::kStopped || phase == Phase::kFailed; }
};

class Keeper {
 public:
  struct Seams {
    Driver& driver;
    std::function<Outcome<StoredImage>(const std::string& key)> find_image;
    std::function<void(const EnclaveRecord&)> remember;  // the record changed
  };
  Keeper(Seams seams, std::string folder, EnclaveRecord record);
  ~Keeper();  // abandons: the enclave goes on
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  enum class Begin : std::uint8_t {
    kFresh,        // start it; when the first start fails that is the end
    kAdopt,        // find it, or start it when it is not there
    kAdoptToStop,  // find it and stop it
  };
  void begin(Begin how);

  KeeperView view() const;
  KeeperView fresh_view();  // asks the shim first
  // Waits until `done` or the deadline; the view then.
  KeeperView wait_for(const std::function<bool(const KeeperView&)>& done,
                      std::chrono::steady_clock::time_point deadline);
  void commit();  // `gateway run` was answered: from now on it is started again when it ends
  void stop(std::chrono::milliseconds grace);
  void kill();
  Status push_tokens(ByteView list);
  const std::string& folder() const { return folder_; }

 private:
  void keep(Begin how);
  std::shared_ptr<Instance> obtain(Begin how);
  void follow(const std::shared_ptr<Instance>& instance);
  void heard(const ShimStatus& status);
  bool ended(bool ran);
  bool wait_before_restart();
  void set_phase(Phase phase);
  void fail_with(Reported why);
  bool abandoned() const;
  bool stopping() const;
  void wake();

  Seams seams_;
  const std::string folder_;
  net::Descriptor wake_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  KeeperView view_;                                      // under mutex_
  std::shared_ptr<Instance> instance_;                   // under mutex_
  std::optional<std::chrono::milliseconds> stop_grace_;  // under mutex_: asked to stop
  bool stop_sent_ = false;
  bool abandoned_ = false;  // under mutex_
  unsigned failures_in_a_row_ = 0;
  std::chrono::steady_clock::time_point ready_since_{};
  std::thread thread_;
};

// 1 s, 2 s, 4 s … at most a minute.
std::chrono::milliseconds restart_delay(unsigned failures_in_a_row);

}  // namespace gateway::host
