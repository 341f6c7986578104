#include "host/daemon.h"

#include <sys/resource.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/log.h"
#include "host/enclave_json.h"
#include "host/event_log.h"
#include "host/files.h"
#include "net/address.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeyondStart{15'000};  // the shim gives up first, and says why
constexpr std::size_t kMaxStopped = 64;
constexpr std::size_t kMaxEventsAnswer = 3UZ * 1024 * 1024;
constexpr milliseconds kStartAllowance{60'000};  // beside the workload's own time to become ready

Reported refusal(ErrorCode code, std::string_view id, std::string detail, std::string remedy = {}) {
  return {code, std::string(id), std::move(detail), std::move(remedy)};
}

std::unexpected<Reported> unknown(const std::string& name) {
  return std::unexpected(
      refusal(ErrorCode::kNotFound, "host.enclave.unknown", "no enclave is called " + name, "type: gateway ps --all"));
}

std::uint64_t memory_of(const KeeperView& view) { return view.over() ? 0 : view.record.memory; }

}  // namespace

Daemon::Daemon(DaemonOptions options, Drivers drivers, const Clock& clock, StateStore state, ImageStore images)
    : options_(std::move(options)),
      drivers_(std::move(drivers)),
      clock_(clock),
      state_(std::move(state)),
      images_(std::move(images)) {}

Daemon::~Daemon() = default;

Result<std::unique_ptr<Daemon>> Daemon::open(DaemonOptions options, Drivers drivers, const Clock& clock) {
  GATEWAY_TRY(make_folder(options.state_folder + "/enclaves", 0700));
  GATEWAY_ASSIGN(StateStore state, StateStore::open(options.state_folder + "/gatewayd.db"));
  GATEWAY_ASSIGN(ImageStore images, ImageStore::open(options.state_folder + "/images"));
  GATEWAY_ASSIGN(std::vector<EnclaveRecord> records, state.all());
  std::unique_ptr<Daemon> daemon(
      new Daemon(std::move(options), std::move(drivers), clock, std::move(state), std::move(images)));
  daemon->recover(std::move(records));
  daemon->remove_orphans();
  return daemon;
}

void Daemon::recover(std::vector<EnclaveRecord> records) {
  for (auto& record : records) {
    const auto driver = drivers_.find(record.platform);
    if (driver == drivers_.end()) {
      log::warning("host.enclave.no_driver", {{"name", record.name}, {"platform", record.platform}});
      continue;
    }
    const std::string name = record.name;
    const bool pending = record.pending;
    const bool running = record.desired == Desired::kRunning && !pending;
    auto keeper = make_keeper(*driver->second, std::move(record));
    keeper->begin(running ? Keeper::Begin::kAdopt : Keeper::Begin::kAdoptToStop);
    if (!pending) {
      keepers_.emplace(name, std::move(keeper));
      continue;
    }
    // Its caller never got an answer.
    keeper->wait_for([](const KeeperView& view) { return view.over(); },
                     std::chrono::steady_clock::now() + options_.beyond_stop);
    keeper->kill();
    log::info("host.enclave.undone", {{"name", name}});
    keeper.reset();
    (void)state_.remove(name);
    remove_tree(folder_of(name));
  }
}

// Folders that no row names: of enclaves whose removal was interrupted.
void Daemon::remove_orphans() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.state_folder + "/enclaves", error)) {
    const std::string name = entry.path().filename();
    if (keepers_.contains(name)) continue;
    for (const auto& [platform, driver] : drivers_) {
      if (auto living = driver->adopt(entry.path()); living && *living) (*living)->kill();
      driver->clean_up(name);
    }
    log::info("host.enclave.orphan_removed", {{"name", name}});
    remove_tree(entry.path());
  }
}

std::shared_ptr<Keeper> Daemon::make_keeper(Driver& driver, EnclaveRecord record) {
  Keeper::Seams seams{
      .driver = driver,
      .find_image = [this](const std::string& key) -> Outcome<StoredImage> {
        GATEWAY_ASSIGN_REPORTED(StoredImage image, images_.find(key));
        return image;
      },
      .remember =
          [this](const EnclaveRecord& changed) {
            if (auto stored = state_.put(changed); !stored) log::error(stored.error());
          },
  };
  const std::string folder = folder_of(record.name);
  return std::make_shared<Keeper>(std::move(seams), folder, std::move(record));
}

std::string Daemon::answer(const Request& request, std::optional<net::Descriptor> image) {
  auto answered = std::holds_alternative<RunRequest>(request)
                      ? run(std::get<RunRequest>(request), std::move(image))
                      : std::visit(
                            [this](const auto& one) -> Answered {
                              if constexpr (std::is_same_v<std::decay_t<decltype(one)>, RunRequest>) {
                                return {};
                              } else {
                                return on(one);
                              }
                            },
                            request);
  if (answered) return *std::move(answered);
  log::warning("host.request.refused", {{"id", answered.error().id}, {"detail", answered.error().detail}});
  return encode_refusal(answered.error());
}

Outcome<Driver*> Daemon::driver_for(const std::string& platform) {
  const auto found = drivers_.find(platform);
  if (found != drivers_.end()) return found->second.get();
  const bool hardware = platform == "snp" || platform == "tdx" || platform == "sgx";
  std::string missing = "`" + printable(platform).substr(0, 16) + "` is no platform";
  if (hardware) missing = "this release judges evidence of " + platform + ", but cannot start enclaves there yet";
  if (platform == "qemu") missing = "this gatewayd knows no QEMU: its file names none (qemu = …)";
  return std::unexpected(refusal(ErrorCode::kUnavailable, "host.platform_unavailable", std::move(missing),
                                 "use --platform local or nitro"));
}

Outcome<std::shared_ptr<Keeper>> Daemon::find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = keepers_.find(name);
  if (found == keepers_.end()) return unknown(name);
  return found->second;
}

Daemon::Answered Daemon::run(const RunRequest& request, std::optional<net::Descriptor> image) {
  if (!image) {
    return std::unexpected(refusal(ErrorCode::kInvalidArgument, "host.image.missing", "the request carries no image"));
  }
  auto driver = driver_for(request.platform);
  if (!driver) return std::unexpected(std::move(driver).error());
  GATEWAY_TRY_REPORTED((*driver)->check());
  if (auto address = net::Address::parse_host_port(request.listen); !address) {
    return std::unexpected(refusal(ErrorCode::kInvalidArgument, "host.listen", address.error().detail(),
                                   "write --listen as HOST:PORT, for example 127.0.0.1:8443"));
  }
  GATEWAY_ASSIGN_REPORTED(const StoredImage stored, images_.add(image->get()));
  auto keeper = reserve(request, stored, **driver);
  if (!keeper) return std::unexpected(std::move(keeper).error());
  auto answered = start_reserved(*keeper);
  if (!answered) forget(request.name);
  return answered;
}

// Takes the name, the memory and the processors, all or none.
Outcome<std::shared_ptr<Keeper>> Daemon::reserve(const RunRequest& request, const StoredImage& image, Driver& driver) {
  const std::lock_guard lock(mutex_);
  if (const auto found = keepers_.find(request.name); found != keepers_.end()) {
    if (!found->second->view().over()) {
      return std::unexpected(refusal(ErrorCode::kInvalidArgument, "host.name_in_use",
                                     "an enclave called " + request.name + " is there already",
                                     "choose another --name, or type: gateway stop " + request.name));
    }
    keepers_.erase(found);
  }
  GATEWAY_ASSIGN_REPORTED(EnclaveRecord record, allocate(request, image, driver));
  const std::string folder = folder_of(request.name);
  remove_tree(folder);
  GATEWAY_TRY_REPORTED(make_folder(folder, 0700));
  GATEWAY_TRY_REPORTED(state_.put(record));
  auto keeper = make_keeper(driver, std::move(record));
  keeper->begin(Keeper::Begin::kFresh);
  keepers_.emplace(request.name, keeper);
  forget_oldest_stopped();
  return keeper;
}

namespace {

// Each connection takes two descriptors of the shim's; a promise that the host cannot keep is none.
Status check_connections(std::uint32_t wanted) {
  constexpr rlim_t kOwn = 256;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max == RLIM_INFINITY) return {};
  const rlim_t room = files.rlim_max > kOwn ? (files.rlim_max - kOwn) / 2 : 0;
  if (wanted <= room) return {};
  return fail(ErrorCode::kUnavailable, "host.connections",
              "the enclave wants " + std::to_string(wanted) + " connections, and this host has descriptors for " +
                  std::to_string(room),
              "ask for fewer with --connections, or give gatewayd more: ulimit -Hn, LimitNOFILE= of its unit");
}

}  // namespace

Result<EnclaveRecord> Daemon::allocate(const RunRequest& request, const StoredImage& image, Driver& driver) {
  std::vector<Allocation> running;
  std::set<std::uint32_t> slots;
  for (const auto& [name, keeper] : keepers_) {
    const KeeperView view = keeper->view();
    slots.insert(view.record.slot);
    const auto of = drivers_.find(view.record.platform);
    const bool shares = of != drivers_.end() && of->second->pool() == driver.pool();
    if (!view.over() && shares) running.push_back({memory_of(view), view.record.cpus});
  }
  HostCapacity host = driver.capacity();
  if (options_.memory != 0) host.memory_total = std::min(host.memory_total, options_.memory);
  const auto& description = image.description;
  EnclaveRecord record;
  GATEWAY_ASSIGN(record.cpus, admit(host, running,
                                    {.memory = description.resources.memory,
                                     .cpus = description.resources.cpus,
                                     .enclaves_per_cpu = driver.enclaves_per_cpu()}));
  record.name = request.name;
  record.platform = request.platform;
  record.image_key = image.key;
  record.listen = request.listen;
  record.config = request.config;
  record.tokens = request.tokens;
  record.memory = description.resources.memory;
  record.cpu_count = description.resources.cpus;
  while (slots.contains(record.slot)) ++record.slot;
  const auto& readiness = description.workload.readiness;
  record.start_timeout_ms = (kStartAllowance + (readiness ? readiness->timeout : Duration(0))).count();
  // Connections wait in the enclave's own backlog beyond its limit; the forwarder allows as many again.
  record.max_connections = std::min<std::uint32_t>(2 * description.limits.max_connections + 64, 1'000'000);
  record.traffic = request.traffic;
  if (request.traffic.connections != 0) record.max_connections = request.traffic.connections;
  GATEWAY_TRY(check_connections(record.max_connections));
  record.created_at = clock_.now();
  return record;
}

Daemon::Answered Daemon::start_reserved(const std::shared_ptr<Keeper>& keeper) {
  const milliseconds patience = milliseconds(keeper->view().record.start_timeout_ms) + kBeyondStart;
  const KeeperView view = keeper->wait_for(
      [](const KeeperView& now) { return now.phase == Phase::kReady || now.phase == Phase::kStopping || now.over(); },
      std::chrono::steady_clock::now() + patience);
  if (view.phase == Phase::kReady) {
    keeper->commit();
    log::info("host.enclave.ready", {{"name", view.record.name}, {"listen", view.status.listen}});
    return encode_enclave(view, Detail::kFull);
  }
  if (view.failure) return std::unexpected(*view.failure);
  return std::unexpected(refusal(ErrorCode::kUnavailable, "host.enclave.ended", "it was stopped before it was ready"));
}

// Nothing half-made remains: not the process, not the row, not the folder.
void Daemon::forget(const std::string& name) {
  std::shared_ptr<Keeper> keeper;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = keepers_.find(name); found != keepers_.end()) keeper = found->second;
  }
  if (keeper) {
    keeper->kill();
    keeper->wait_for([](const KeeperView& view) { return view.over(); },
                     std::chrono::steady_clock::now() + options_.after_kill);
  }
  const std::lock_guard lock(mutex_);
  keepers_.erase(name);
  (void)state_.remove(name);
  remove_tree(folder_of(name));
}

void Daemon::forget_oldest_stopped() {
  std::vector<std::pair<Time, std::string>> stopped;
  for (const auto& [name, keeper] : keepers_) {
    const KeeperView view = keeper->view();
    if (view.over()) stopped.emplace_back(view.record.created_at, name);
  }
  std::ranges::sort(stopped);
  for (std::size_t i = 0; i + kMaxStopped < stopped.size(); ++i) {
    const std::string& name = stopped[i].second;
    keepers_.erase(name);
    (void)state_.remove(name);
    remove_tree(folder_of(name));
  }
}

Daemon::Answered Daemon::on(const VersionRequest&) {
  return encode_version(options_.version, options_.state_folder, ::getpid());
}

Daemon::Answered Daemon::on(const PsRequest&) {
  std::vector<std::shared_ptr<Keeper>> keepers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, keeper] : keepers_) keepers.push_back(keeper);
  }
  std::vector<KeeperView> views;
  for (const auto& keeper : keepers) views.push_back(keeper->fresh_view());
  return encode_enclaves(views);
}

Daemon::Answered Daemon::on(const InspectRequest& request) {
  auto keeper = find(request.name);
  if (!keeper) return std::unexpected(std::move(keeper).error());
  return encode_enclave((*keeper)->fresh_view(), Detail::kFull);
}

Daemon::Answered Daemon::on(const StopRequest& request) {
  auto found = find(request.name);
  if (!found) return std::unexpected(std::move(found).error());
  Keeper& keeper = **found;
  keeper.stop(request.grace);
  GATEWAY_TRY_REPORTED(state_.put(keeper.view().record));
  const auto over = [](const KeeperView& view) { return view.over(); };
  KeeperView view = keeper.wait_for(over, std::chrono::steady_clock::now() + request.grace + options_.beyond_stop);
  if (!view.over()) {
    keeper.kill();
    view = keeper.wait_for(over, std::chrono::steady_clock::now() + options_.after_kill);
  }
  if (!view.over()) {
    return std::unexpected(refusal(ErrorCode::kInternal, "host.enclave.unstoppable",
                                   "the enclave did not end, not even when it was killed", "type: gateway ps"));
  }
  log::info("host.enclave.stopped", {{"name", request.name}});
  return encode_enclave(view, Detail::kShort);
}

Daemon::Answered Daemon::on(const EventsRequest& request) {
  auto keeper = find(request.name);
  if (!keeper) return std::unexpected(std::move(keeper).error());
  const auto lines = read_events((*keeper)->folder(), request.after, request.limit);
  return encode_events(lines, kMaxEventsAnswer, (*keeper)->view().phase);
}

Daemon::Answered Daemon::on(const TokensRequest& request) {
  auto keeper = find(request.name);
  if (!keeper) return std::unexpected(std::move(keeper).error());
  GATEWAY_TRY_REPORTED((*keeper)->push_tokens(request.list));
  return encode_enclave((*keeper)->view(), Detail::kShort);
}

}  // namespace gateway::host
