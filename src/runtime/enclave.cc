#include "runtime/enclave.h"

#include <sys/resource.h>

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "egress/egress.h"
#include "image/file.h"
#include "runtime/gate.h"
#include "runtime/kms_service.h"
#include "runtime/workload.h"

namespace gateway::runtime {

struct Enclave::Impl {
  explicit Impl(Booted what) : booted(std::move(what)), admission(booted.config.access_key, booted.clock) {}

  Status set_up(attester::Attester& attester, EnclaveChannels channels, const std::string& root);
  Status make_ways_out(attester::Attester& attester, net::Descriptor egress, const std::string& root);
  WaysOutMetrics ways_metrics() const;
  void open_doors(SandboxDoors doors);
  void close_doors();
  void make_workload(const std::string& root);
  Status make_server(net::Descriptor ingress);
  void take_tokens(ByteView file);
  void on_ready();
  void on_fatal(const Error& error);
  void stop(Duration grace);
  void stop_workload();

  // Destroyed from the bottom up: the server before what it asks, everything before the loop.
  Booted booted;
  net::Loop loop;
  std::unique_ptr<Signals> signals;
  std::unique_ptr<ControlLink> control;
  Admission admission;
  LogRing logs;
  std::unique_ptr<EvidenceService> evidence;
  std::unique_ptr<egress::Outlet> outlet;  // with what needs a way out
  std::unique_ptr<egress::Egress> egress;
  std::unique_ptr<KmsService> kms;
  std::unique_ptr<Workload> workload;
  std::unique_ptr<RuntimeGate> gate;
  std::unique_ptr<server::Server> server;
  std::unique_ptr<net::Timer> drain_timer;
  Duration workload_grace{};
  std::chrono::steady_clock::time_point told_of_egress{};
  bool said_ready = false;
  bool stopping = false;
  bool workload_stopping = false;
  std::optional<Error> fatal;
};

Status Enclave::Impl::set_up(attester::Attester& attester, EnclaveChannels channels, const std::string& root) {
  GATEWAY_ASSIGN(signals, Signals::watch(loop, [this] { stop(booted.description.workload.stop_grace); }));
  control = std::make_unique<ControlLink>(
      loop, std::move(channels.control), std::move(channels.events),
      ControlLink::Handlers{.tokens = [this](ByteView file) { take_tokens(file); },
                            .stop = [this](Duration grace) { stop(grace); },
                            .closed = [this] { stop(booted.description.workload.stop_grace); }});
  if (!booted.tokens.empty()) take_tokens(booted.tokens);
  GATEWAY_ASSIGN(evidence, EvidenceService::start(loop, attester, booted.identity));
  GATEWAY_TRY(make_ways_out(attester, std::move(channels.egress), root));
  make_workload(root);
  GATEWAY_TRY(make_server(std::move(channels.ingress)));
  drain_timer = loop.timer([this] { stop_workload(); });
  workload->start();
  return {};
}

void Enclave::Impl::make_workload(const std::string& root) {
  const WorkloadIdentity identity = choose_workload_identity();
  if (!identity.own) log::info("workload.shares_user");
  workload =
      std::make_unique<Workload>(loop, *signals, logs, plan_workload(booted.description, booted.config, identity, root),
                                 Workload::Events{.ready = [this] { on_ready(); },
                                                  .fatal = [this](const Error& error) { on_fatal(error); },
                                                  .stopped = [this] { loop.stop(); },
                                                  .doors = [this](SandboxDoors doors) { open_doors(std::move(doors)); },
                                                  .doors_closed = [this] { close_doors(); }});
}

// Of the measured root file system: whom the runtime's own TLS believes.
Result<std::vector<crypto::Certificate>> read_roots(const std::string& path) {
  constexpr std::size_t kMaxRoots = 1024;
  auto file = image::MappedFile::open(path);
  auto roots = file ? crypto::Certificate::from_pem(as_text(file->view()), kMaxRoots) : std::unexpected(file.error());
  if (roots && !roots->empty()) return roots;
  return fail(ErrorCode::kUnavailable, "runtime.roots", "egress.roots is no file of certificates in the image",
              "name a PEM file that is in the image's root file system");
}

WaysOutMetrics Enclave::Impl::ways_metrics() const {
  return {.egress = egress ? &egress->metrics() : nullptr, .kms = kms ? &kms->metrics() : nullptr};
}

Status Enclave::Impl::make_ways_out(attester::Attester& attester, net::Descriptor door, const std::string& root) {
  const image::Description& description = booted.description;
  GATEWAY_ASSIGN(egress::Policy policy, egress::Policy::make(description.egress));
  if (policy.empty() && !description.kms) return {};
  std::optional<channel::TlsContext> tls;
  if (!description.egress.roots.empty()) {
    GATEWAY_ASSIGN(const auto roots, read_roots(root + std::string(image::kRootfsPath) + description.egress.roots));
    GATEWAY_ASSIGN(tls, channel::TlsContext::service_client(roots, booted.clock));
  }
  outlet = std::make_unique<egress::Outlet>(loop, std::move(door), [this](std::uint16_t count) {
    ByteWriter body;
    body.u16be(count);
    control->send(net::ControlType::kDial, body.bytes());
  });
  // Into the enclave's own log, by name; to the host by number alone: the workload chose the name.
  const auto audit = [this](const Error& why, const std::string& wanted) {
    logs.append(as_bytes("[gateway] " + std::string(why.id()) + " " + wanted + "\n"));
    const auto now = loop.now();
    if (now - told_of_egress < std::chrono::seconds(1))
      return;  // a workload that is refused often says it by the metrics
    told_of_egress = now;
    log::info("egress.not_opened", {{"why", why.id()}});
  };
  egress = std::make_unique<egress::Egress>(
      std::move(policy), egress::Egress::Parts{.loop = loop, .outlet = *outlet, .tls = tls, .audit = audit});
  if (description.kms) {
    GATEWAY_ASSIGN(kms, KmsService::start({.loop = loop,
                                           .attester = attester,
                                           .outlet = *outlet,
                                           .resolver = egress->resolver(),
                                           .tls = *tls,
                                           .clock = booted.clock,
                                           .kms = *description.kms,
                                           .keys_digest = booted.identity.k_digest}));
  }
  return {};
}

void Enclave::Impl::open_doors(SandboxDoors doors) {
  if (egress) {
    egress->open({.proxy = std::move(doors[SandboxDoor::kProxy]),
                  .transparent = std::move(doors[SandboxDoor::kTransparent]),
                  .dns = std::move(doors[SandboxDoor::kDns]),
                  .tun = std::move(doors[SandboxDoor::kTun])});
  }
  if (kms) kms->open(std::move(doors[SandboxDoor::kKms]));
}

void Enclave::Impl::close_doors() {
  if (egress) egress->close();
  if (kms) kms->close();
}

// A connection that cannot be told from the last free descriptor would take it from the workload's requests.
server::ServerLimits within_descriptors(server::ServerLimits limits) {
  constexpr std::size_t kOwn = 128;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return limits;
  const std::size_t reserved = limits.max_in_flight + kOwn;
  const std::size_t room = files.rlim_cur > 2 * reserved ? files.rlim_cur - reserved : files.rlim_cur / 2;
  if (room < limits.max_connections) log::info("runtime.fewer_connections", {{"max_connections", room}});
  limits.max_connections = std::min(limits.max_connections, room);
  return limits;
}

Status Enclave::Impl::make_server(net::Descriptor ingress) {
  gate = std::make_unique<RuntimeGate>(booted.description, booted.config,
                                       RuntimeGate::Parts{.loop = loop,
                                                          .admission = admission,
                                                          .evidence = *evidence,
                                                          .logs = logs,
                                                          .workload_ready = [this] { return workload->ready(); },
                                                          .metrics =
                                                              [this] {
                                                                return write_metrics(
                                                                    server->metrics(), evidence->metrics(),
                                                                    workload->metrics(), admission, ways_metrics());
                                                              }});
  const channel::ServerIdentity& tls = booted.identity.tls;
  GATEWAY_ASSIGN(channel::TlsContext context,
                 channel::TlsContext::server(tls.certificate, tls.key, booted.description.ingress.padding));
  server = std::make_unique<server::Server>(
      loop, std::move(context), std::move(ingress), [this] { return workload->dial(); },
      within_descriptors(booted.config.limits), *gate);
  return {};
}

void Enclave::Impl::take_tokens(ByteView file) {
  if (const Status taken = admission.replace(file, loop.now()); !taken) {
    log::error(taken.error());
    return;
  }
  log::info("tokens.accepted", {{"version", admission.version().value_or(0)},
                                {"tokens", admission.callers().size()},
                                {"not_after", to_rfc3339(admission.not_after())}});
}

void Enclave::Impl::on_ready() {
  if (said_ready) return;
  said_ready = true;
  control->send(net::ControlType::kReady, {});
}

void Enclave::Impl::on_fatal(const Error& error) {
  fatal = error;
  loop.stop();
}

void Enclave::Impl::stop(Duration grace) {
  if (stopping) return;
  stopping = true;
  log::info("runtime.stopping", {{"grace_ms", grace.count()}});
  workload_grace = grace / 4;
  drain_timer->arm(grace - workload_grace);
  server->drain([this] { stop_workload(); });
}

void Enclave::Impl::stop_workload() {
  if (workload_stopping) return;
  workload_stopping = true;
  drain_timer->disarm();
  workload->stop(workload_grace);
}

Enclave::Enclave(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Enclave::~Enclave() = default;

Result<std::unique_ptr<Enclave>> Enclave::start(Booted booted, attester::Attester& attester, EnclaveChannels channels,
                                                const std::string& root) {
  auto impl = std::make_unique<Impl>(std::move(booted));
  GATEWAY_TRY(impl->set_up(attester, std::move(channels), root));
  return std::unique_ptr<Enclave>(new Enclave(std::move(impl)));
}

Status Enclave::run() {
  impl_->loop.run();
  impl_->control->finish();
  if (impl_->fatal) return std::unexpected(*impl_->fatal);
  return {};
}

}  // namespace gateway::runtime
