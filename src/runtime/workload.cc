#include "runtime/workload.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "base/log.h"

namespace gateway::runtime {
namespace {

// A workload that is up at once is seen at once; one that loads for minutes is not asked a hundred times a second.
constexpr Duration kFirstProbePause{5};
constexpr Duration kLongestProbePause{250};
constexpr Duration kFirstRestartPause{250};
constexpr Duration kLongestRestartPause{30'000};
constexpr std::chrono::seconds kSteadyRun{60};  // after such a run the pauses start anew
constexpr std::size_t kMaxHostLine = 1024;

std::string describe(int wait_status) {
  if (WIFEXITED(wait_status)) return "exit status " + std::to_string(WEXITSTATUS(wait_status));
  return "signal " + std::to_string(WTERMSIG(wait_status));
}

// What programs look for in their environment to find a proxy, or AWS's KMS elsewhere; what the image's author says
// about the same comes first. An SDK signs with whatever credentials it has: the runtime signs anew.
void plan_ways_out(const image::Description& description, SandboxSpec& sandbox) {
  const image::EgressDescription& egress = description.egress;
  sandbox.egress = !egress.allow.empty() || !egress.insecure_allow.empty();
  sandbox.transparent = egress.transparent;
  sandbox.tun = egress.tun;
  sandbox.kms = description.kms.has_value();
  if (sandbox.egress) {
    const std::string proxy = "127.0.0.1:" + std::to_string(kProxyPort);
    for (const char* name : {"HTTPS_PROXY", "https_proxy"}) sandbox.env.try_emplace(name, "http://" + proxy);
    for (const char* name : {"ALL_PROXY", "all_proxy"}) sandbox.env.try_emplace(name, "socks5h://" + proxy);
    for (const char* name : {"NO_PROXY", "no_proxy"}) sandbox.env.try_emplace(name, "localhost,127.0.0.1,::1");
  }
  if (sandbox.kms) {
    sandbox.env.try_emplace("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:" + std::to_string(kKmsPort));
    sandbox.env.try_emplace("AWS_REGION", description.kms->region);
    if (!sandbox.env.contains("AWS_ACCESS_KEY_ID")) {
      sandbox.env.try_emplace("AWS_ACCESS_KEY_ID", "signed-by-the-runtime");
      sandbox.env.try_emplace("AWS_SECRET_ACCESS_KEY", "signed-by-the-runtime");
    }
  }
}

}  // namespace

WorkloadPlan plan_workload(const image::Description& description, const EffectiveConfig& config,
                           const WorkloadIdentity& identity, const std::string& root) {
  const image::WorkloadDescription& workload = description.workload;
  WorkloadPlan plan;
  plan.sandbox = {.rootfs = root + std::string(image::kRootfsPath),
                  .argv = config.argv,
                  .env = config.env,
                  .cwd = workload.cwd,
                  .uid = workload.uid,
                  .gid = workload.gid,
                  .scratch_bytes = description.resources.memory / 4};
  plan_ways_out(description, plan.sandbox);
  plan.identity = identity;
  plan.restart = workload.restart;
  if (workload.readiness) {
    plan.readiness_path = workload.readiness->path;
    plan.readiness_timeout = workload.readiness->timeout;
  }
  plan.stop_grace = workload.stop_grace;
  if (!description.ingress.socket.empty()) {
    plan.socket_name = description.ingress.socket.substr(image::kSocketFolder.size());
  }
  plan.port = description.ingress.port;
  plan.insecure_logs_to_host = description.insecure_logs_to_host;
  return plan;
}

Workload::Workload(net::Loop& loop, Signals& signals, LogRing& logs, WorkloadPlan plan, Events events)
    : loop_(loop),
      signals_(signals),
      logs_(logs),
      plan_(std::move(plan)),
      events_(std::move(events)),
      restart_pause_(kFirstRestartPause) {
  probe_ = std::make_unique<ReadinessProbe>(
      loop_, [this] { return dial(); }, plan_.readiness_path, [this](bool ready) { on_probed(ready); });
  probe_timer_ = loop_.timer([this] { probe_->attempt(); });
  ready_timer_ = loop_.timer([this] {
    log::warning("workload.not_ready_in_time", {{"timeout_ms", plan_.readiness_timeout.count()}});
    if (sandbox_) sandbox_->kill();
  });
  restart_timer_ = loop_.timer([this] { start(); });
  kill_timer_ = loop_.timer([this] {
    log::warning("workload.stop_grace_over");
    if (sandbox_) sandbox_->kill();
  });
}

void Workload::start() {
  Sandbox::Events events{.started = [this](SandboxDoors doors) { on_started(std::move(doors)); },
                         .failed = [this](const Error& error) { give_up(error); },
                         .exited = [this](int status) { on_exited(status); },
                         .output = [this](ByteView bytes) { on_output(bytes); }};
  ++metrics_.starts;
  started_at_ = loop_.now();
  auto sandbox = Sandbox::start(loop_, signals_, plan_.sandbox, plan_.identity, std::move(events), plan_.program);
  if (!sandbox) return give_up(sandbox.error());
  sandbox_ = std::move(*sandbox);
}

void Workload::on_started(SandboxDoors doors) {
  if (events_.doors) events_.doors(std::move(doors));
  log::info("workload.started", {{"start", metrics_.starts}});
  probe_pause_ = kFirstProbePause;
  probe_->attempt();
  ready_timer_->arm(plan_.readiness_timeout);
}

void Workload::on_probed(bool ready) {
  if (!sandbox_ || stopping_) return;
  if (!ready) {
    probe_timer_->arm(probe_pause_);
    probe_pause_ = std::min(kLongestProbePause, probe_pause_ * 3 / 2);
    return;
  }
  ready_timer_->disarm();
  metrics_.ready = true;
  const auto took = std::chrono::duration_cast<Duration>(loop_.now() - started_at_);
  log::info("workload.ready", {{"after_ms", took.count()}});
  if (events_.ready) events_.ready();
}

void Workload::on_output(ByteView bytes) {
  metrics_.output_bytes += bytes.size();
  logs_.append(bytes);
  if (!plan_.insecure_logs_to_host) return;
  for (const std::uint8_t byte : bytes) {
    if (byte != '\n' && host_line_.size() < kMaxHostLine) host_line_.push_back(static_cast<char>(byte));
    if (byte != '\n' && host_line_.size() < kMaxHostLine) continue;
    log::info("workload.output", {{"line", host_line_}});
    host_line_.clear();
  }
}

void Workload::on_exited(int wait_status) {
  ++metrics_.exits;
  const bool failed = !WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0;
  log::write(failed && !stopping_ ? log::Level::kWarning : log::Level::kInfo, "workload.exited",
             {{"how", describe(wait_status)}});
  const bool again =
      plan_.restart == image::RestartPolicy::kAlways || (plan_.restart == image::RestartPolicy::kOnFailure && failed);
  end_run([this, again, how = describe(wait_status)] {
    if (stopping_) {
      if (events_.stopped) events_.stopped();
    } else if (again) {
      restart_later();
    } else {
      give_up(Error(ErrorCode::kUnavailable, "workload.exited", "the workload ended with " + how,
                    "read what it printed with `gateway logs` and a token that has the right"));
    }
  });
}

void Workload::restart_later() {
  if (loop_.now() - started_at_ >= kSteadyRun) restart_pause_ = kFirstRestartPause;
  log::info("workload.restarting", {{"after_ms", restart_pause_.count()}});
  restart_timer_->arm(restart_pause_);
  restart_pause_ = std::min(kLongestRestartPause, restart_pause_ * 2);
}

// The sandbox calls from inside itself, so it is put away once its callback has returned.
void Workload::end_run(std::function<void()> then) {
  metrics_.ready = false;
  if (events_.doors_closed) events_.doors_closed();
  probe_->cancel();
  for (net::Timer* timer : {probe_timer_.get(), ready_timer_.get(), kill_timer_.get()}) timer->disarm();
  loop_.defer([ended = std::shared_ptr<Sandbox>(std::move(sandbox_)), next = std::move(then)] { next(); });
}

void Workload::give_up(Error error) {
  end_run([this, error = std::move(error)] {
    if (events_.fatal) events_.fatal(error);
  });
}

void Workload::stop(Duration grace) {
  if (stopping_) {
    if (sandbox_ && grace == Duration::zero()) sandbox_->kill();
    return;
  }
  stopping_ = true;
  metrics_.ready = false;
  restart_timer_->disarm();
  if (!sandbox_) {
    loop_.defer([this] {
      if (events_.stopped) events_.stopped();
    });
    return;
  }
  log::info("workload.stopping", {{"grace_ms", grace.count()}});
  if (grace > Duration::zero()) sandbox_->terminate();
  kill_timer_->arm(grace);
}

Result<net::Descriptor> Workload::dial() const {
  if (!sandbox_) return fail(ErrorCode::kUnavailable, "workload.connect", "the workload does not run");
  if (plan_.socket_name.empty()) return sandbox_->connect_loopback(plan_.port);
  return sandbox_->connect_shared(plan_.socket_name);
}

}  // namespace gateway::runtime
