// Supervises the workload: starts it in its sandbox, waits until it is ready, restarts it with growing pauses, stops
// it.
//
// A step of isolation that fails is fatal: there is no attempt with less of it. What the program prints goes to the
// ring inside; to the host only where the measured image says so. One thread, the loop's.
// Errors: those of sandbox.h; kUnavailable workload.exited (ended, and its restart policy says to leave it)
#pragma once

#include <functional>
#include <memory>

#include "image/description.h"
#include "runtime/config.h"
#include "runtime/log_ring.h"
#include "runtime/metrics.h"
#include "runtime/readiness_probe.h"
#include "runtime/sandbox.h"

namespace gateway::runtime {

struct WorkloadPlan {
  SandboxSpec sandbox;
  WorkloadIdentity identity;
  image::RestartPolicy restart = image::RestartPolicy::kOnFailure;
  std::string readiness_path;  // empty: ready when its socket accepts
  Duration readiness_timeout{60'000};
  Duration stop_grace{10'000};
  std::string socket_name;  // below /run/gateway; empty: `port`
  std::uint16_t port = 0;
  bool insecure_logs_to_host = false;
  SandboxProgram program;
};

// `root`: the folder that the ramdisks unpacked to.
WorkloadPlan plan_workload(const image::Description& description, const EffectiveConfig& config,
                           const WorkloadIdentity& identity, const std::string& root);

class Workload {
 public:
  struct Events {
    std::function<void()> ready;                // each time
    std::function<void(const Error&)> fatal;    // the enclave cannot go on
    std::function<void()> stopped;              // after stop()
    std::function<void(SandboxDoors)> doors{};  // of a run that has just started
    std::function<void()> doors_closed{};       // that run is over
  };
  Workload(net::Loop& loop, Signals& signals, LogRing& logs, WorkloadPlan plan, Events events);

  void start();
  // SIGTERM, then after `grace` SIGKILL to everything in its pid namespace.
  void stop(Duration grace);
  bool ready() const { return metrics_.ready; }
  Result<net::Descriptor> dial() const;  // Errors: kUnavailable workload.connect, net.connect
  const WorkloadMetrics& metrics() const { return metrics_; }

 private:
  void on_started(SandboxDoors doors);
  void on_probed(bool ready);
  void on_exited(int wait_status);
  void on_output(ByteView bytes);
  void restart_later();
  void end_run(std::function<void()> then);
  void give_up(Error error);

  net::Loop& loop_;
  Signals& signals_;
  LogRing& logs_;
  WorkloadPlan plan_;
  Events events_;
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<ReadinessProbe> probe_;
  std::unique_ptr<net::Timer> probe_timer_;  // the next attempt
  std::unique_ptr<net::Timer> ready_timer_;  // not ready in time
  std::unique_ptr<net::Timer> restart_timer_;
  std::unique_ptr<net::Timer> kill_timer_;
  std::chrono::steady_clock::time_point started_at_{};
  Duration probe_pause_{};
  Duration restart_pause_{};
  bool stopping_ = false;
  std::string host_line_;  // with insecure_logs_to_host: the part of a line
  WorkloadMetrics metrics_;
};

}  // namespace gateway::runtime
