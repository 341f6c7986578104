#include "net/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace gateway::net {
namespace {

constexpr int kBatch = 256;
using TimePoint = std::chrono::steady_clock::time_point;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace

struct Source::Record {
  int file_descriptor;
  Callback callback;
  std::uint32_t mask = 0;
  bool registered = false;
  bool alive = true;
};

struct Timer::Record {
  std::function<void()> callback;
  std::optional<TimePoint> due;  // absent: disarmed
  bool alive = true;
  // Where the wake-up stands in the queue; it may be earlier than `due`, never later.
  std::optional<std::multimap<TimePoint, Record*>::iterator> queued;
};

struct Loop::Impl {
  Descriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
  Descriptor wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // under mutex
  std::vector<std::function<void()>> deferred;
  std::multimap<TimePoint, Timer::Record*> queue;
  // Destroyed during a batch, freed after it.
  std::vector<std::unique_ptr<Source::Record>> dead_sources;
  std::vector<std::unique_ptr<Timer::Record>> dead_timers;
  TimePoint now = std::chrono::steady_clock::now();
  bool running = false;

  TimePoint current() const { return running ? now : std::chrono::steady_clock::now(); }

  // Callbacks may own sources and timers: what their destruction adds waits for the next batch.
  void bury() {
    if (dead_sources.empty() && dead_timers.empty()) return;
    const auto sources = std::exchange(dead_sources, {});
    const auto timers = std::exchange(dead_timers, {});
  }

  void enqueue(Timer::Record& timer) { timer.queued = queue.emplace(*timer.due, &timer); }

  void dequeue(Timer::Record& timer) {
    if (!timer.queued) return;
    queue.erase(*timer.queued);
    timer.queued.reset();
  }

  void wake_up() {
    const std::uint64_t one = 1;
    // A full counter wakes the loop as well, so a short or refused write loses nothing.
    [[maybe_unused]] const ssize_t written = ::write(wake.get(), &one, sizeof one);
  }

  int wait_ms() const {
    if (!deferred.empty()) return 0;
    if (queue.empty()) return -1;
    // Measured from the start of the batch, so that a long batch makes the wake-up late by its own length at most.
    if (queue.begin()->first <= now) return 0;
    // Rounded up: waking early would only mean waiting again.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(queue.begin()->first - now).count();
    return static_cast<int>(std::min<std::int64_t>(left, 3'600'000));
  }

  void run_posted() {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake.get(), &count, sizeof count);
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex);
      tasks.swap(posted);
    }
    for (const auto& task : tasks) task();
  }

  void dispatch(const epoll_event& event) {
    if (event.data.ptr == nullptr) return run_posted();
    auto& source = *static_cast<Source::Record*>(event.data.ptr);
    if (!source.alive) return;
    const bool hung_up = (event.events & (EPOLLHUP | EPOLLERR)) != 0;
    source.callback((event.events & EPOLLIN) != 0, (event.events & EPOLLOUT) != 0, hung_up);
    if (hung_up && source.alive && source.mask == 0 && source.registered) {
      ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, source.file_descriptor, nullptr);
      source.registered = false;
    }
  }

  void fire_timers() {
    while (!queue.empty() && queue.begin()->first <= now) {
      Timer::Record& timer = *queue.begin()->second;
      dequeue(timer);
      if (!timer.alive || !timer.due) continue;
      if (*timer.due > now) {
        enqueue(timer);
        continue;
      }
      timer.due.reset();
      timer.callback();
    }
  }

  // What a deferred task defers runs after the next batch, so that tasks cannot starve events.
  void run_deferred() {
    if (deferred.empty()) return;
    std::vector<std::function<void()>> tasks;
    tasks.swap(deferred);
    for (const auto& task : tasks) task();
  }
};

Source::Source(Loop& loop, int file_descriptor, Callback callback)
    : loop_(loop), record_(std::make_unique<Record>(Record{file_descriptor, std::move(callback)})) {}

Source::~Source() {
  if (record_->registered) {
    ::epoll_ctl(loop_.impl_->epoll.get(), EPOLL_CTL_DEL, record_->file_descriptor, nullptr);
  }
  record_->alive = false;
  loop_.impl_->dead_sources.push_back(std::move(record_));
}

void Source::want(bool read, bool write) {
  Record& record = *record_;
  const std::uint32_t mask = (read ? EPOLLIN : 0U) | (write ? EPOLLOUT : 0U);
  if (record.registered && mask == record.mask) return;
  epoll_event event{.events = mask, .data = {.ptr = &record}};
  const int operation = record.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(loop_.impl_->epoll.get(), operation, record.file_descriptor, &event) != 0) die("epoll_ctl");
  record.registered = true;
  record.mask = mask;
}

Timer::Timer(Loop& loop, std::function<void()> callback)
    : loop_(loop), record_(std::make_unique<Record>(Record{std::move(callback), {}, true, {}})) {}

Timer::~Timer() {
  loop_.impl_->dequeue(*record_);
  record_->alive = false;
  loop_.impl_->dead_timers.push_back(std::move(record_));
}

void Timer::arm(std::chrono::milliseconds after) {
  Record& record = *record_;
  record.due = loop_.impl_->current() + std::max(after, std::chrono::milliseconds(1));
  if (record.queued && (*record.queued)->first <= *record.due) return;
  loop_.impl_->dequeue(record);
  loop_.impl_->enqueue(record);
}

// The wake-up stays queued and finds nothing to do: a timer that is armed and disarmed for each request costs nothing.
void Timer::disarm() { record_->due.reset(); }

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  if (!impl_->epoll.valid() || !impl_->wake.valid()) die("epoll_create1");
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (::epoll_ctl(impl_->epoll.get(), EPOLL_CTL_ADD, impl_->wake.get(), &event) != 0) die("epoll_ctl");
}

Loop::~Loop() {
  // Tasks and callbacks may own sources and timers, which need the rest of the loop to unregister themselves.
  impl_->deferred.clear();
  impl_->posted.clear();
  while (!impl_->dead_sources.empty() || !impl_->dead_timers.empty()) impl_->bury();
}

std::unique_ptr<Source> Loop::watch(int file_descriptor, Source::Callback callback) {
  return std::unique_ptr<Source>(new Source(*this, file_descriptor, std::move(callback)));
}

std::unique_ptr<Timer> Loop::timer(std::function<void()> callback) {
  return std::unique_ptr<Timer>(new Timer(*this, std::move(callback)));
}

void Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->posted.push_back(std::move(task));
  }
  impl_->wake_up();
}

void Loop::defer(std::function<void()> task) { impl_->deferred.push_back(std::move(task)); }

void Loop::run() {
  Impl& impl = *impl_;
  std::array<epoll_event, kBatch> events;
  impl.running = true;
  impl.now = std::chrono::steady_clock::now();
  while (!impl.stopping.exchange(false)) {
    const int count = ::epoll_wait(impl.epoll.get(), events.data(), kBatch, impl.wait_ms());
    if (count < 0 && errno != EINTR) die("epoll_wait");
    impl.now = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) impl.dispatch(events[static_cast<std::size_t>(i)]);
    impl.fire_timers();
    impl.run_deferred();
    impl.bury();
  }
  impl.running = false;
}

void Loop::stop() {
  impl_->stopping = true;
  impl_->wake_up();
}

std::chrono::steady_clock::time_point Loop::now() const { return impl_->current(); }

}  // namespace gateway::net
