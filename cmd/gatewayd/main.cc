// gatewayd: the daemon of one host. It starts enclaves, finds them again after its own restart, and is trusted by
// nobody: every security decision is made in the enclave or by the relying party.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "host/control_server.h"
#include "host/daemon.h"
#include "host/daemon_config.h"
#include "host/files.h"
#include "host/local_driver.h"
#include "host/nitro_driver.h"
#include "host/qemu_driver.h"

namespace {

using namespace gateway;

constexpr const char* kVersion = GATEWAY_VERSION;
constexpr std::size_t kMaxConfigFile = 64UZ * 1024;
constexpr std::string_view kUsage =
    "usage: gatewayd [--config FILE]\n"
    "\n"
    "The host daemon: runs enclaves and keeps them running. It stays in the foreground; stop it with Ctrl-C or "
    "SIGTERM,\n"
    "and enclaves go on until `gateway stop NAME`.\n"
    "\n"
    "  --config FILE   TOML: state_dir, socket, group, qemu, [limits] memory, enclaves_per_cpu, [log] level, format,\n"
    "                  [egress] offered, allow, resolver, aws_credentials, imds, packets\n"
    "  --version       print the version\n"
    "  --help          this text\n"
    "\n"
    "State lives in $GATEWAY_STATE, else /var/lib/gateway (root) or ~/.local/state/gateway. `gateway` talks to it on\n"
    "$GATEWAY_SOCKET, else gatewayd.sock in that folder.\n";

struct Arguments {
  std::string config_file;
  bool help = false;
  bool version = false;
};

Result<Arguments> read_arguments(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = values[i];
    if (argument == "--help" || argument == "-h") {
      arguments.help = true;
    } else if (argument == "--version") {
      arguments.version = true;
    } else if (argument == "--config" && i + 1 < count) {
      arguments.config_file = values[++i];
    } else if (argument.starts_with("--config=")) {
      arguments.config_file = argument.substr(std::strlen("--config="));
    } else {
      return fail(ErrorCode::kInvalidArgument, "gatewayd.usage", "an argument that gatewayd does not know",
                  "type: gatewayd --help");
    }
  }
  return arguments;
}

Result<host::DaemonConfig> read_config(const std::string& file) {
  if (file.empty()) return host::DaemonConfig();
  GATEWAY_ASSIGN(const Bytes text, host::read_file(file, kMaxConfigFile));
  return host::parse_daemon_config(as_text(text), file);
}

Result<std::optional<gid_t>> find_group(const std::optional<std::string>& name) {
  if (!name) {
    // An administrator who made the group means it; without it only the owner may call.
    const group* entry = ::geteuid() == 0 ? ::getgrnam("gateway") : nullptr;
    return entry == nullptr ? std::optional<gid_t>() : std::optional<gid_t>(entry->gr_gid);
  }
  const group* entry = ::getgrnam(name->c_str());
  if (entry == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "gatewayd.group", "there is no group " + *name,
                "type: sudo groupadd --system " + *name);
  }
  return entry->gr_gid;
}

Result<net::Descriptor> be_the_only_one(const std::string& state) {
  auto lock = host::lock_file(state + "/gatewayd.lock");
  if (lock || lock.error().id() != "host.file.locked") return lock;
  return fail(ErrorCode::kUnavailable, "gatewayd.running", "another gatewayd runs with the state folder " + state,
              "use that one (gateway ps), or set GATEWAY_STATE to another folder");
}

// Descriptors 0 to 2 exist, so that nothing of ours gets their numbers.
void occupy_standard_descriptors() {
  int descriptor = 0;
  do {
    descriptor = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  } while (descriptor >= 0 && descriptor <= 2);
  if (descriptor > 2) ::close(descriptor);
}

// Others may pass through a folder that we make, to the socket and the images, whose own modes decide; they may not
// look around. One that is there already keeps the mode that its owner chose.
Status make_state_folder(const std::string& state) {
  struct stat status{};
  if (::stat(state.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  return host::make_folder(state, ::geteuid() == 0 ? 0711 : 0700);
}

net::Descriptor watch_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  // Shims are left to whoever adopts orphans. While this daemon lives that is itself, and the kernel reaps for it.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::signal(SIGCHLD, SIG_IGN);
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return net::Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
}

Status serve(const host::DaemonConfig& config) {
  const std::string state = config.state_dir.empty() ? host::state_folder_of_user() : config.state_dir;
  const std::string socket = config.socket.empty() ? host::socket_in(state) : config.socket;
  GATEWAY_ASSIGN(const auto group, find_group(config.group));
  GATEWAY_TRY(make_state_folder(state));
  GATEWAY_ASSIGN(const net::Descriptor lock, be_the_only_one(state));
  GATEWAY_ASSIGN(std::string shim, host::find_program("gateway-shim"));
  // Before SIGCHLD is ignored: a driver learns what this host can do from the exit status of what it tries.
  host::Daemon::Drivers drivers;
  if (!config.qemu.empty())
    drivers["qemu"] = host::make_qemu_driver({.shim = shim, .folder = config.qemu, .egress = config.egress});
  drivers["nitro"] = host::make_nitro_driver(shim, config.egress);
  drivers["local"] = host::make_local_driver({.shim = std::move(shim),
                                              .root_folder = state + "/local-root",
                                              .enclaves_per_cpu = config.enclaves_per_cpu,
                                              .egress = config.egress});
  if (auto able = drivers["local"]->check(); !able)
    log::warning("host.platform_unavailable", {{"detail", able.error().detail()}});
  const net::Descriptor signals = watch_signals();
  const SystemClock clock;
  GATEWAY_ASSIGN(const auto daemon,
                 host::Daemon::open({.state_folder = state, .memory = config.memory, .version = kVersion},
                                    std::move(drivers), clock));
  GATEWAY_ASSIGN(const auto server, host::ControlServer::open(
                                        {.path = socket, .mode = 0660, .group = group},
                                        [&daemon](const host::Request& request, std::optional<net::Descriptor> image) {
                                          return daemon->answer(request, std::move(image));
                                        }));
  log::info("gatewayd.started", {{"state", state}, {"socket", socket}, {"version", kVersion}});
  server->serve(signals.get());
  log::info("gatewayd.stopping");
  return {};
}

}  // namespace

int main(int count, char** values) {
  occupy_standard_descriptors();
  const auto arguments = read_arguments(count, values);
  if (!arguments) {
    std::fprintf(stderr, "gatewayd: %s\n  what to do: %s\n", arguments.error().message().c_str(),
                 arguments.error().remedy().c_str());
    return 2;
  }
  if (arguments->help || arguments->version) {
    std::printf("%s", arguments->help ? std::string(kUsage).c_str() : "gatewayd " GATEWAY_VERSION "\n");
    return 0;
  }
  ::umask(022);
  const auto config = read_config(arguments->config_file);
  if (config) log::set_up(config->log_format, config->log_level);
  const Status served = config ? serve(*config) : Status(std::unexpected(config.error()));
  if (served) return 0;
  std::fprintf(stderr, "gatewayd: %s\n", served.error().message().c_str());
  if (!served.error().remedy().empty()) std::fprintf(stderr, "  what to do: %s\n", served.error().remedy().c_str());
  return exit_status(served.error().code());
}
