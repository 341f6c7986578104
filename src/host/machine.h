// One running enclave as its shim drives it, however it runs: a sandbox on local, a virtual machine elsewhere.
//
// What the enclave prints is the host's to read and nobody's to believe.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "image/measure.h"
#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::host {

// What an enclave listens on for its host.
enum class Door : std::uint8_t {
  kIngress,  // of clients
  kEgress,   // ways out, that it asked for (net/egress_link.h)
};

class Machine {
 public:
  struct Events {
    std::function<void(net::Descriptor)> control;  // the control channel, once it stands
    std::function<void(std::string_view)> output;
    std::function<void(const Error&)> failed;    // why it cannot go on; whoever hears it ends it
    std::function<void(int wait_status)> ended;  // once; the machine may be dropped then
  };
  virtual ~Machine() = default;
  virtual void start(net::Loop& loop, Events events) = 0;  // once
  virtual pid_t pid() const = 0;                           // of the enclave's process, as this host numbers it
  virtual Result<net::Descriptor> connect(Door door) = 0;  // without blocking
  virtual void kill() = 0;
  // On a thread of its own, once the image is measured: answers for the device that attests, until it is told to stop.
  virtual void serve_device(const image::Measurements&) {}
  virtual void stop_device() {}
};

// A machine that is one child process of the shim's.
struct MachineProcess {
  pid_t child = 0;
  pid_t init = 0;            // the enclave's first process, as the host numbers it
  net::Descriptor handle;    // a pidfd: readable when the child has ended
  net::Descriptor messages;  // what it prints
};

class ProcessMachine : public Machine {
 public:
  explicit ProcessMachine(MachineProcess process) : process_(std::move(process)) {}
  ~ProcessMachine() override;
  void start(net::Loop& loop, Events events) override;
  pid_t pid() const override { return process_.init; }
  void kill() override;

 protected:
  const Events& events() const { return events_; }

 private:
  void on_message();
  void on_ended();

  MachineProcess process_;
  Events events_;
  std::unique_ptr<net::Source> ended_;
  std::unique_ptr<net::Source> messages_;
};

}  // namespace gateway::host
