// A small epoll loop: readiness, timers, and wake-ups from other threads. One thread owns a loop.
//
// Level-triggered; epoll_ctl is called only when the wanted mask changes. A Source may be destroyed inside its own
// callback or another's: events that are already fetched for it are dropped.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "net/descriptor.h"

namespace gateway::net {

class Loop;

// Watches one descriptor (borrowed). Unregisters itself when destroyed.
class Source {
 public:
  using Callback = std::function<void(bool readable, bool writable, bool hung_up)>;
  ~Source();
  void want(bool read, bool write);  // no system call when nothing changes
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

 private:
  friend class Loop;
  Source(Loop& loop, int file_descriptor, Callback callback);
  Loop& loop_;
  int file_descriptor_;
  std::uint32_t mask_ = 0;
  Callback callback_;
};

// Fires once; destroyed or re-armed at will. Resolution 1 ms or coarser.
class Timer {
 public:
  ~Timer();
  void arm(std::chrono::milliseconds after);
  void disarm();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  friend class Loop;
  Timer(Loop& loop, std::function<void()> callback);
  Loop& loop_;
  std::function<void()> callback_;
  std::uint64_t key_ = 0;
  std::chrono::steady_clock::time_point due_{};
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  std::unique_ptr<Source> watch(int file_descriptor, Source::Callback callback);
  std::unique_ptr<Timer> timer(std::function<void()> callback);
  void post(std::function<void()> task);  // from any thread; runs on the loop's thread
  void defer(std::function<void()> task); // on the loop's thread, after the current batch of events
  void run();                             // until stop()
  void stop();                            // from any thread
  // Monotonic time, read once per batch of events.
  std::chrono::steady_clock::time_point now() const;

 private:
  friend class Source;
  friend class Timer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::net
