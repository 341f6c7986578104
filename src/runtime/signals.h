// The duties of PID 1: every child is reaped, those that others left behind included; SIGTERM and SIGINT ask to stop.
//
// Blocks these signals for the thread that makes it: make it before any other thread, so that all inherit the mask.
// One thread, the loop's.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>

#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::runtime {

class Signals {
 public:
  using OnExit = std::function<void(int wait_status)>;
  // Errors: kInternal runtime.signals
  static Result<std::unique_ptr<Signals>> watch(net::Loop& loop, std::function<void()> on_stop);

  // Called once, when this child ended. At most one callback a child.
  void when_exited(pid_t child, OnExit callback) { children_[child] = std::move(callback); }
  void forget(pid_t child) { children_.erase(child); }

 private:
  Signals() = default;
  void on_readable();
  void reap();

  net::Descriptor descriptor_;
  std::unique_ptr<net::Source> source_;
  std::function<void()> on_stop_;
  std::map<pid_t, OnExit> children_;
};

}  // namespace gateway::runtime
