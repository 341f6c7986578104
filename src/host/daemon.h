// The daemon's decisions: what may start, what is answered, what is found again after a restart. No socket in here.
//
// Input:  requests of whoever may open the control socket; the image as a descriptor.
// Errors: those of store, admission, drivers and shims, and kInvalidArgument host.name_in_use, host.listen;
//         kNotFound host.enclave.unknown; kUnavailable host.platform_unavailable, host.daemon.stopping;
//         kInvalidArgument host.image.missing; kInternal host.enclave.unstoppable
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "host/admission.h"
#include "host/control_api.h"
#include "host/keeper.h"
#include "host/state_store.h"
#include "host/store.h"

namespace gateway::host {

struct DaemonOptions {
  std::string state_folder;
  std::uint64_t memory = 0;  // bytes that enclaves may have together; 0: what the host has
  std::string version;
  // How long past its grace an enclave may take to end before it is killed, and after that before the daemon gives up.
  std::chrono::milliseconds beyond_stop{10'000};
  std::chrono::milliseconds after_kill{5'000};
};

class Daemon {
 public:
  using Drivers = std::map<std::string, std::unique_ptr<Driver>, std::less<>>;
  // Finds what runs already, starts what is missing, removes what is left of unanswered requests.
  static Result<std::unique_ptr<Daemon>> open(DaemonOptions options, Drivers drivers, const Clock& clock);
  ~Daemon();  // enclaves go on

  // One answer line. From any thread; waits as long as the request takes.
  std::string answer(const Request& request, std::optional<net::Descriptor> image);

 private:
  Daemon(DaemonOptions options, Drivers drivers, const Clock& clock, StateStore state, ImageStore images);
  using Answered = Outcome<std::string>;
  Answered on(const VersionRequest& request);
  Answered on(const PsRequest& request);
  Answered on(const InspectRequest& request);
  Answered on(const StopRequest& request);
  Answered on(const EventsRequest& request);
  Answered on(const TokensRequest& request);
  Answered run(const RunRequest& request, std::optional<net::Descriptor> image);

  void recover(std::vector<EnclaveRecord> records);
  void remove_orphans();
  Outcome<Driver*> driver_for(const std::string& platform);
  Outcome<std::shared_ptr<Keeper>> reserve(const RunRequest& request, const StoredImage& image, Driver& driver);
  Outcome<std::string> start_reserved(const std::shared_ptr<Keeper>& keeper);
  Outcome<std::shared_ptr<Keeper>> find(const std::string& name);
  Result<EnclaveRecord> allocate(const RunRequest& request, const StoredImage& image, Driver& driver);  // under mutex_
  std::shared_ptr<Keeper> make_keeper(Driver& driver, EnclaveRecord record);
  void forget(const std::string& name);
  void forget_oldest_stopped();  // under mutex_
  std::string folder_of(const std::string& name) const { return options_.state_folder + "/enclaves/" + name; }

  DaemonOptions options_;
  Drivers drivers_;
  const Clock& clock_;
  StateStore state_;
  ImageStore images_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Keeper>, std::less<>> keepers_;  // under mutex_
};

}  // namespace gateway::host
