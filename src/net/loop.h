// A small epoll loop: readiness, timers, and wake-ups from other threads. One thread owns a loop.
//
// Level-triggered; epoll_ctl is called only when the wanted mask changes. A Source or a Timer may be destroyed inside
// its own callback or another's: events that are already fetched for it are dropped, and the callback object lives
// until the batch is over. A loop outlives its sources and timers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "net/descriptor.h"

namespace gateway::net {

class Loop;

// Watches one descriptor (borrowed). Unregisters itself when destroyed: destroy it before closing the descriptor.
class Source {
 public:
  // hung_up: both directions are shut, or the socket has an error. It is told even when nothing is wanted, but then
  // only once.
  using Callback = std::function<void(bool readable, bool writable, bool hung_up)>;
  ~Source();
  void want(bool read, bool write);  // no system call when nothing changes
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

 private:
  friend class Loop;
  struct Record;
  Source(Loop& loop, int file_descriptor, Callback callback);
  Loop& loop_;
  std::unique_ptr<Record> record_;
};

// Fires once; destroyed or re-armed at will. Resolution 1 ms or coarser. Arming again for a later time costs nothing:
// the old wake-up happens and is put off.
class Timer {
 public:
  ~Timer();
  void arm(std::chrono::milliseconds after);
  void disarm();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  friend class Loop;
  struct Record;
  Timer(Loop& loop, std::function<void()> callback);
  Loop& loop_;
  std::unique_ptr<Record> record_;
};

class Loop {
 public:
  Loop();  // stops the process when the kernel gives no epoll descriptor: nothing can run without
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  std::unique_ptr<Source> watch(int file_descriptor, Source::Callback callback);
  std::unique_ptr<Timer> timer(std::function<void()> callback);
  void post(std::function<void()> task);   // from any thread; runs on the loop's thread
  void defer(std::function<void()> task);  // on the loop's thread, after the current batch of events
  void run();                              // until stop()
  void stop();                             // from any thread; a stop before run() makes run() return at once
  // Monotonic time, read once per batch of events.
  std::chrono::steady_clock::time_point now() const;

 private:
  friend class Source;
  friend class Timer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::net
