// One run of the workload: the sandbox seen from the runtime.
//
// start() clones into fresh user, pid, mount, ipc, uts, network and (where the kernel has them) cgroup namespaces and
// executes this binary anew there (sandbox_init.h). Destroying a Sandbox kills whatever still runs in it.
// One thread, the loop's. Errors: kUnavailable workload.* (sandbox_spec.h), workload.clone, workload.start_timeout
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/descriptor.h"
#include "net/loop.h"
#include "runtime/identity_map.h"
#include "runtime/sandbox_link.h"
#include "runtime/sandbox_spec.h"
#include "runtime/signals.h"

namespace gateway::runtime {

// The binary that knows kSandboxArgument: this one, as the child can still name it.
struct SandboxProgram {
  std::string path = "/proc/self/exe";
  std::chrono::milliseconds start_timeout{10'000};  // from clone to an isolated workload
};

using SandboxDoors = std::map<SandboxDoor, net::Descriptor>;

class Sandbox {
 public:
  struct Events {
    // Isolated, and the program executed. The doors are the runtime's, inside the sandbox's network namespace.
    std::function<void(SandboxDoors)> started;
    std::function<void(const Error&)> failed;     // a step of isolation failed; nothing of it runs
    std::function<void(int wait_status)> exited;  // the program ended
    std::function<void(ByteView)> output;         // what it printed
  };
  static Result<std::unique_ptr<Sandbox>> start(net::Loop& loop, Signals& signals, const SandboxSpec& spec,
                                                const WorkloadIdentity& identity, Events events,
                                                const SandboxProgram& program = {});
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  void terminate();  // SIGTERM to the program
  void kill();       // the whole pid namespace
  // A socket that is connecting to the one at `name` of the workload's /run/gateway. No link is followed: the folder is
  // the workload's, and a link in it would be walked in the runtime's own tree. Errors: kUnavailable workload.connect
  Result<net::Descriptor> connect_shared(const std::string& name) const;
  // A socket that is connecting to 127.0.0.1:port inside the sandbox. A short round trip with our own process there.
  Result<net::Descriptor> connect_loopback(std::uint16_t port);
  pid_t pid() const { return pid_; }

 private:
  Sandbox(net::Loop& loop, Signals& signals, Events events);
  void watch(std::chrono::milliseconds start_timeout);
  void on_link();
  void on_report(ReceivedReport received);
  void on_output();
  void on_reaped(int wait_status);
  void fail_with(Error error);

  net::Loop& loop_;
  Signals& signals_;
  Events events_;
  pid_t pid_ = -1;
  SandboxSpec spec_;
  WorkloadIdentity identity_;
  net::Descriptor link_;
  net::Descriptor output_;
  net::Descriptor shared_;
  SandboxDoors doors_;
  std::unique_ptr<net::Source> link_source_;
  std::unique_ptr<net::Source> output_source_;
  std::unique_ptr<net::Timer> start_timer_;
  std::chrono::steady_clock::time_point silent_until_{};  // it did not answer: not asked again before
  bool started_ = false;
  bool reported_failure_ = false;
  std::optional<int> exit_status_;
};

}  // namespace gateway::runtime
