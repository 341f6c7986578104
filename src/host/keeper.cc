#include "host/keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

#include "base/log.h"
#include "host/files.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kFirstDelay{1'000};
constexpr milliseconds kLongestDelay{60'000};
// An enclave that was ready this long starts with a clean slate when it ends.
constexpr milliseconds kSettled{60'000};

EnclaveSpec spec_of(const EnclaveRecord& record, const StoredImage& image) {
  EnclaveSpec spec;
  spec.name = record.name;
  spec.platform = record.platform;
  spec.image_file = image.file;
  spec.image_key = image.key;
  spec.tree = image.tree;
  spec.listen = record.listen;
  spec.memory = record.memory;
  spec.cpus = record.cpus;
  spec.slot = record.slot;
  spec.start_timeout = milliseconds(record.start_timeout_ms);
  spec.max_connections = record.max_connections;
  spec.traffic = record.traffic;
  return spec;
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kStarting: return "starting";
    case Phase::kReady: return "ready";
    case Phase::kStopping: return "stopping";
    case Phase::kWaiting: return "restarting";
    case Phase::kStopped: return "stopped";
    case Phase::kFailed: return "failed";
  }
  return "failed";
}

milliseconds restart_delay(unsigned failures_in_a_row) {
  milliseconds delay = kFirstDelay;
  for (unsigned i = 1; i < failures_in_a_row && delay < kLongestDelay; ++i) delay *= 2;
  return std::min(delay, kLongestDelay);
}

Keeper::Keeper(Seams seams, std::string folder, EnclaveRecord record)
    : seams_(std::move(seams)), folder_(std::move(folder)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  view_.phase = record.desired == Desired::kStopped ? Phase::kStopped : Phase::kStarting;
  view_.record = std::move(record);
}

Keeper::~Keeper() {
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

void Keeper::begin(Begin how) {
  {
    const std::lock_guard lock(mutex_);
    view_.phase = Phase::kStarting;
    if (how == Begin::kAdoptToStop) stop_grace_ = milliseconds(0);
  }
  thread_ = std::thread([this, how] { keep(how); });
}

KeeperView Keeper::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

KeeperView Keeper::fresh_view() {
  std::shared_ptr<Instance> instance;
  KeeperView view;
  {
    const std::lock_guard lock(mutex_);
    instance = instance_;
    view = view_;
  }
  if (instance) {
    if (auto status = instance->status()) view.status = *std::move(status);
  }
  return view;
}

KeeperView Keeper::wait_for(const std::function<bool(const KeeperView&)>& done, steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return done(view_); });
  return view_;
}

void Keeper::commit() {
  EnclaveRecord record;
  {
    const std::lock_guard lock(mutex_);
    view_.record.pending = false;
    record = view_.record;
  }
  seams_.remember(record);
}

void Keeper::stop(milliseconds grace) {
  {
    const std::lock_guard lock(mutex_);
    stop_grace_ = grace;
    view_.record.desired = Desired::kStopped;
    if (!view_.over()) view_.phase = Phase::kStopping;
  }
  changed_.notify_all();
  wake();
}

void Keeper::kill() {
  const std::lock_guard lock(mutex_);
  if (instance_) instance_->kill();
}

Status Keeper::push_tokens(ByteView list) {
  std::shared_ptr<Instance> instance;
  EnclaveRecord record;
  {
    const std::lock_guard lock(mutex_);
    instance = instance_;
    view_.record.tokens = to_bytes(list);
    record = view_.record;
  }
  seams_.remember(record);
  // One that is not running reads the list when it starts.
  return instance ? instance->push_tokens(list) : Status();
}

void Keeper::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

bool Keeper::abandoned() const {
  const std::lock_guard lock(mutex_);
  return abandoned_;
}

bool Keeper::stopping() const {
  const std::lock_guard lock(mutex_);
  return stop_grace_.has_value();
}

void Keeper::set_phase(Phase phase) {
  {
    const std::lock_guard lock(mutex_);
    view_.phase = phase;
  }
  changed_.notify_all();
}

void Keeper::fail_with(Reported why) {
  log::warning("host.enclave.failed", {{"name", view().record.name}, {"id", why.id}, {"detail", why.detail}});
  const std::lock_guard lock(mutex_);
  view_.failure = std::move(why);
}

void Keeper::keep(Begin how) {
  for (;;) {
    const auto instance = obtain(how);
    if (instance) follow(instance);
    if (abandoned() || !ended(instance != nullptr) || !wait_before_restart()) return;
    how = Begin::kFresh;
  }
}

// The running enclave, found or started; null when there is none, with the reason in the view.
std::shared_ptr<Instance> Keeper::obtain(Begin how) {
  const EnclaveRecord record = view().record;
  if (how != Begin::kFresh) {
    auto found = seams_.driver.adopt(folder_);
    if (!found) fail_with(Reported::from(found.error()));
    if (!found || *found) {
      if (found) log::info("host.enclave.adopted", {{"name", record.name}});
      return found ? std::shared_ptr<Instance>(*std::move(found)) : nullptr;
    }
  }
  if (stopping()) return nullptr;
  const auto started = [&]() -> Outcome<std::unique_ptr<Instance>> {
    auto image = seams_.find_image(record.image_key);
    if (!image) return std::unexpected(std::move(image).error());
    GATEWAY_TRY_REPORTED(write_file(folder_ + "/" + kConfigFile, record.config, 0600, Durable::kNo));
    GATEWAY_TRY_REPORTED(write_file(folder_ + "/" + kTokensFile, record.tokens, 0600, Durable::kNo));
    return seams_.driver.start(folder_, spec_of(record, *image));
  };
  auto instance = started();
  if (!instance) {
    fail_with(std::move(instance).error());
    return nullptr;
  }
  log::info("host.enclave.started", {{"name", record.name}});
  return *std::move(instance);
}

// Until the shim has ended, or this keeper is abandoned.
void Keeper::follow(const std::shared_ptr<Instance>& instance) {
  {
    const std::lock_guard lock(mutex_);
    instance_ = instance;
    stop_sent_ = false;
  }
  std::array<pollfd, 2> events{pollfd{instance->watch_descriptor(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
  while (!abandoned()) {
    if (stopping() && !stop_sent_) {
      stop_sent_ = true;
      const auto grace = [&] {
        const std::lock_guard lock(mutex_);
        return *stop_grace_;
      }();
      if (!instance->stop(grace)) instance->kill();
    }
    if (::poll(events.data(), events.size(), -1) < 0) continue;
    if ((events[1].revents & POLLIN) != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
    }
    if (events[0].revents == 0) continue;
    const auto status = instance->next_status();
    if (!status) break;
    heard(*status);
  }
  const std::lock_guard lock(mutex_);
  instance_.reset();
}

void Keeper::heard(const ShimStatus& status) {
  std::optional<EnclaveRecord> changed_record;
  {
    const std::lock_guard lock(mutex_);
    view_.status = status;
    if (!status.listen.empty() && status.listen != view_.record.listen) {
      view_.record.listen = status.listen;
      changed_record = view_.record;
    }
    if (status.state == EnclaveState::kReady && view_.phase != Phase::kStopping) {
      if (view_.phase != Phase::kReady) ready_since_ = steady_clock::now();
      view_.phase = Phase::kReady;
    }
    if (status.state == EnclaveState::kStopping) view_.phase = Phase::kStopping;
  }
  if (changed_record) seams_.remember(*changed_record);
  changed_.notify_all();
}

// Takes down what the shim wrote at its end. True when the enclave shall run again.
bool Keeper::ended(bool ran) {
  const std::string name = view().record.name;
  seams_.driver.clean_up(name);
  const auto last = ran ? seams_.driver.last_status(folder_) : std::nullopt;
  const bool wanted_to_stop = stopping();
  if (!wanted_to_stop && last && last->failure) fail_with(*last->failure);
  if (!wanted_to_stop && !view().failure) {
    fail_with({ErrorCode::kUnavailable, "host.shim.ended", "the shim ended without a word; somebody killed it", {}});
  }
  const std::lock_guard lock(mutex_);
  if (last) view_.status = *last;
  view_.status.pid = 0;
  view_.status.enclave_pid = 0;
  if (wanted_to_stop || view_.record.pending) {
    view_.phase = wanted_to_stop ? Phase::kStopped : Phase::kFailed;
    if (wanted_to_stop) view_.failure.reset();
    changed_.notify_all();
    return false;
  }
  const bool settled = ready_since_ != steady_clock::time_point{} && steady_clock::now() - ready_since_ > kSettled;
  failures_in_a_row_ = settled ? 1 : failures_in_a_row_ + 1;
  ready_since_ = {};
  return true;
}

// False when it was stopped or abandoned meanwhile.
bool Keeper::wait_before_restart() {
  set_phase(Phase::kWaiting);
  const auto until = steady_clock::now() + restart_delay(failures_in_a_row_);
  while (!abandoned() && !stopping()) {
    const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now()).count();
    if (left <= 0) break;
    pollfd one{wake_.get(), POLLIN, 0};
    if (::poll(&one, 1, static_cast<int>(left)) > 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
    }
  }
  if (abandoned()) return false;
  if (stopping()) {
    set_phase(Phase::kStopped);
    return false;
  }
  EnclaveRecord record;
  {
    const std::lock_guard lock(mutex_);
    ++view_.record.restarts;
    view_.phase = Phase::kStarting;
    view_.failure.reset();
    record = view_.record;
  }
  seams_.remember(record);
  changed_.notify_all();
  return true;
}

}  // namespace gateway::host
