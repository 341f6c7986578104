#include "host/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <thread>

#include "base/log.h"
#include "crypto/random.h"
#include "host/cgroup.h"
#include "host/control_api.h"
#include "host/control_link.h"
#include "host/egress.h"
#include "host/forwarder.h"
#include "host/shim_parts.h"
#include "host/status_server.h"
#include "host/store.h"
#include "host/unix_socket.h"
#include "image/measure.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeyondGrace{5'000};        // after the enclave's own grace, it is killed
constexpr milliseconds kLostTime{3'000};           // between the end of the control channel and that of the enclave
constexpr milliseconds kTerminationGrace{10'000};  // on SIGTERM
constexpr milliseconds kDrainTime{2'000};          // for answers that clients have not fetched yet
constexpr milliseconds kDrainStep{20};
constexpr std::size_t kMaxMessages = 4096;  // last words kept
constexpr std::size_t kMaxLoggedMessages = 256UZ * 1024;

class Shim {
 public:
  Shim(ShimParts parts, const Clock& clock) : parts_(std::move(parts)), clock_(clock), status_(parts_.status) {}

  int run() {
    start_links();
    if (const Status started = start_egress(); !started) fail_with(Reported::from(started.error()));
    start_forwarding();
    start_watching();
    start_device();
    say("shim.started", {{"pid", status_.pid}, {"enclave_pid", status_.enclave_pid}, {"listen", status_.listen}});
    loop_.run();
    write_last_status(parts_.folder.get(), status_);
    parts_.machine->stop_device();
    device_thread_.join();
    parts_.machine.reset();  // before the loop that it is on
    return status_.state == EnclaveState::kStopped ? 0 : 1;
  }

  const ShimStatus& status() const { return status_; }

 private:
  void start_control(net::Descriptor channel) {
    control_ = std::make_unique<ControlLink>(
        loop_, std::move(channel),
        ControlLink::Events{.event = [this](std::string_view json) { (void)parts_.events.enclave(json); },
                            .ready = [this] { on_ready(); },
                            .dial = [this](std::uint16_t count) { egress_->dial(count); },
                            .fatal = [this](std::string_view id, std::string_view detail) { on_fatal(id, detail); },
                            .closed = [this](std::optional<Error> why) { on_control_closed(std::move(why)); }});
    // A kernel of its own tells the enclave what it was started with.
    if (parts_.spec.platform == "local") {
      control_->send(net::ControlType::kCmdline, as_bytes(parts_.image.cmdline()));
    }
    control_->send(net::ControlType::kConfig, parts_.config);
    control_->send(net::ControlType::kTokens, parts_.tokens);
  }

  void start_links() {
    status_server_ =
        std::make_unique<StatusServer>(loop_, std::move(parts_.status_socket),
                                       StatusServer::Events{.status = [this] { return current_status(); },
                                                            .tokens = [this](ByteView list) { take_tokens(list); },
                                                            .stop = [this](milliseconds grace) { stop(grace); }});
  }

  void start_forwarding() {
    ForwarderLimits limits;
    limits.max_connections = parts_.spec.max_connections;
    limits.in = parts_.spec.traffic.in;
    limits.out = parts_.spec.traffic.out;
    limits.per_source = parts_.spec.traffic.per_source;
    limits.client_address = parts_.spec.traffic.client_address;
    forwarder_ = std::make_unique<Forwarder>(
        loop_, std::move(parts_.listener), [this] { return parts_.machine->connect(Door::kIngress); }, limits);
  }

  Status start_egress() {
    GATEWAY_ASSIGN(egress_,
                   Egress::make(loop_, parts_.spec.egress, [this] { return parts_.machine->connect(Door::kEgress); }));
    return {};
  }

  void start_watching() {
    parts_.machine->start(
        loop_, Machine::Events{.control = [this](net::Descriptor channel) { start_control(std::move(channel)); },
                               .output = [this](std::string_view text) { on_message(text); },
                               .failed =
                                   [this](const Error& why) {
                                     fail_with(Reported::from(why));
                                     kill_enclave();
                                   },
                               .ended = [this](int wait_status) { on_enclave_ended(wait_status); }});

    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    signals_ = net::Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    signal_source_ = loop_.watch(signals_.get(), [this](bool, bool, bool) {
      signalfd_siginfo info{};
      if (::read(signals_.get(), &info, sizeof info) > 0) stop(kTerminationGrace);
    });
    signal_source_->want(true, false);

    start_timer_ = loop_.timer([this] {
      const std::string ends = parts_.events.ends_of_workload();
      std::string why =
          "the enclave was not ready within " + std::to_string(parts_.spec.start_timeout.count() / 1000) + " s";
      if (!ends.empty()) why += "; " + ends;
      // An enclave that never was ready is not kept, and its events with it.
      fail_with({ErrorCode::kUnavailable, "host.enclave.start_timeout", std::move(why),
                 ends.empty() || parts_.events.shows_output()
                     ? "watch it start: gateway logs " + parts_.spec.name + " --events --follow"
                     : "to see what the workload prints, build the image with insecure_logs_to_host = true and "
                       "run it where no secret is at stake"});
      kill_enclave();
    });
    start_timer_->arm(parts_.spec.start_timeout);
    stop_timer_ = loop_.timer([this] { kill_enclave(); });
    lost_timer_ = loop_.timer([this] {
      fail_with({ErrorCode::kUnavailable,
                 "host.enclave.protocol",
                 "the enclave closed its control channel and goes on without",
                 {}});
      kill_enclave();
    });
    drain_timer_ = loop_.timer([this] { drain(); });
  }

  // Measuring takes a moment for large images; the enclave boots meanwhile and waits at its first question.
  void start_device() {
    device_thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "device");
      auto measured = image::measure(parts_.image);
      if (measured && image_key(parts_.image, measured->pcr0) != parts_.spec.image_key) {
        measured = fail(ErrorCode::kUnavailable, "host.store.changed", "the stored image is not the one that was added",
                        "run the image again with `gateway run`");
      }
      if (!measured) {
        loop_.post([this, why = Reported::from(measured.error())] {
          fail_with(why);
          kill_enclave();
        });
        return;
      }
      loop_.post([this, pcrs = std::array{measured->pcr0, measured->pcr1, measured->pcr2}] {
        for (std::size_t i = 0; i < pcrs.size(); ++i) status_.measurements[i] = to_hex(pcrs[i]);
        status_server_->changed();
      });
      parts_.machine->serve_device(*measured);
    });
  }

  // Those that come before there is an enclave to give them to are its first.
  void take_tokens(ByteView list) {
    if (control_) control_->send(net::ControlType::kTokens, list);
    else parts_.tokens = to_bytes(list);
  }

  ShimStatus current_status() const {
    ShimStatus status = status_;
    status.connections = forwarder_ ? forwarder_->connections() : 0;
    return status;
  }

  void say(std::string_view event, boost::json::object fields = {}) {
    boost::json::object whole{{"event", event}};
    for (auto& field : fields) whole[field.key()] = std::move(field.value());
    parts_.events.host(whole);
  }

  void enter(EnclaveState state) {
    status_.state = state;
    say("shim.state", {{"state", to_string(state)}});
    status_server_->changed();
  }

  void on_ready() {
    if (status_.state != EnclaveState::kStarting) return;
    start_timer_->disarm();
    status_.ready_at = clock_.now();
    enter(EnclaveState::kReady);
  }

  // The first reason counts; what follows is its consequence.
  void fail_with(Reported why) {
    if (!status_.failure) status_.failure = std::move(why);
  }

  void on_fatal(std::string_view id, std::string_view detail) {
    Reported why{ErrorCode::kPolicyRejected,
                 well_formed_id(id) ? std::string(id) : "host.enclave.protocol",
                 printable(detail),
                 {}};
    say("shim.enclave_refused", {{"id", why.id}, {"detail", why.detail}});
    fail_with(std::move(why));
  }

  void on_control_closed(std::optional<Error> why) {
    // An enclave that ends closes it too, and its end is seen in a moment; one that lives on without it serves nobody.
    if (!why) return status_.state == EnclaveState::kStopping ? void() : lost_timer_->arm(kLostTime);
    fail_with({ErrorCode::kMalformed,
               "host.enclave.protocol",
               "the enclave broke the control channel: " + why->detail(),
               {}});
    kill_enclave();
  }

  void stop(milliseconds grace) {
    if (status_.state == EnclaveState::kStopping || ended_) return;
    start_timer_->disarm();
    forwarder_->stop_accepting();
    enter(EnclaveState::kStopping);
    if (!control_) return kill_enclave();  // it has not come so far that it could be asked
    ByteWriter body;
    body.u32be(static_cast<std::uint32_t>((grace.count() + 999) / 1000));
    control_->send(net::ControlType::kStop, body.bytes());
    stop_timer_->arm(grace + kBeyondGrace);
  }

  void kill_enclave() { parts_.machine->kill(); }

  void on_message(std::string_view text) {
    last_words_.append(text);
    if (last_words_.size() > kMaxMessages) last_words_.erase(0, last_words_.size() - kMaxMessages);
    if (logged_messages_ >= kMaxLoggedMessages) return;
    logged_messages_ += text.size();
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  }

  void on_enclave_ended(int wait_status) {
    ended_ = true;
    start_timer_->disarm();
    stop_timer_->disarm();
    lost_timer_->disarm();
    status_.enclave_pid = 0;
    if (status_.state == EnclaveState::kStopping && !status_.failure) {
      final_state_ = EnclaveState::kStopped;
    } else {
      final_state_ = EnclaveState::kFailed;
      fail_with(why_it_ended(wait_status));
    }
    forwarder_->stop_accepting();
    drain_until_ = loop_.now() + kDrainTime;
    drain();
  }

  Reported why_it_ended(int wait_status) const {
    const auto& spec = parts_.spec;
    if (!spec.cgroup.empty() && out_of_memory_kills(spec.cgroup) > 0) {
      return {ErrorCode::kLimitExceeded, "host.enclave.out_of_memory",
              "the kernel ended the enclave for want of memory; its limit is " + std::to_string(spec.memory) + " bytes",
              "raise resources.memory in the image's specification and build it again"};
    }
    std::string how = WIFSIGNALED(wait_status) ? "by signal " + std::to_string(WTERMSIG(wait_status))
                                               : "with status " + std::to_string(WEXITSTATUS(wait_status));
    const std::string words =
        printable(last_words_.size() > 1024 ? last_words_.substr(last_words_.size() - 1024) : last_words_);
    if (!words.empty()) how += "; its last words: " + words;
    return {ErrorCode::kUnavailable, "host.enclave.ended", "the enclave ended unasked, " + how,
            "type: gateway logs " + spec.name + " --events"};
  }

  // Clients may still be fetching what the enclave sent before it ended.
  void drain() {
    if (forwarder_->connections() > 0 && loop_.now() < drain_until_) return drain_timer_->arm(kDrainStep);
    if (status_.failure) say("shim.failed", {{"id", status_.failure->id}, {"detail", status_.failure->detail}});
    enter(final_state_);
    loop_.stop();
  }

  ShimParts parts_;
  const Clock& clock_;
  ShimStatus status_;
  net::Loop loop_;
  net::Descriptor signals_;
  std::unique_ptr<ControlLink> control_;
  std::unique_ptr<StatusServer> status_server_;
  std::unique_ptr<Forwarder> forwarder_;
  std::unique_ptr<Egress> egress_;
  std::unique_ptr<net::Source> signal_source_;
  std::unique_ptr<net::Timer> start_timer_;
  std::unique_ptr<net::Timer> stop_timer_;
  std::unique_ptr<net::Timer> lost_timer_;
  std::unique_ptr<net::Timer> drain_timer_;
  std::chrono::steady_clock::time_point drain_until_;
  EnclaveState final_state_ = EnclaveState::kFailed;
  std::string last_words_;
  std::size_t logged_messages_ = 0;
  bool ended_ = false;
  std::thread device_thread_;
};

void report(const net::Descriptor& socket, std::string_view line) {
  if (!socket.valid()) return;
  std::string whole(line);
  whole.push_back('\n');
  // A daemon that died meanwhile asks the status socket when it is back.
  [[maybe_unused]] const ssize_t sent = ::send(socket.get(), whole.data(), whole.size(), MSG_NOSIGNAL);
}

// As many connections as the machine allows; core files would hold what enclaves keep in memory.
void set_own_limits() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace

int run_shim(ShimOptions options, const Clock& clock) {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  set_own_limits();  // what the sandbox inherits, too
  auto parts = prepare_shim(options.folder, clock);
  if (!parts) {
    log::error(parts.error());
    report(options.report, encode_refusal(Reported::from(parts.error())));
    return exit_status(parts.error().code());
  }
  Shim shim(*std::move(parts), clock);
  report(options.report, R"({"ok":true})");
  options.report.reset();
  return shim.run();
}

}  // namespace gateway::host
