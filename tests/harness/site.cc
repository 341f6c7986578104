#include "harness/site.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "harness/json_pointer.h"

namespace gateway::harness {
namespace {

[[noreturn]] void give_up(const std::string& what, const Ended& ended) {
  throw std::runtime_error(what + ": exit status " + std::to_string(ended.status) +
                           (ended.in_time ? "\n" : " (out of time)\n") + ended.both());
}

std::string line(const char* key, const std::string& value) {
  return value.empty() ? std::string() : std::string(key) + " = \"" + value + "\"\n";
}

}  // namespace

std::string program(const std::string& name) {
  std::array<char, 4096> self{};
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size());
  const std::string path(self.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return path.substr(0, path.rfind('/') + 1) + name;
}

std::string what_local_lacks() {
  const Ended bwrap = run({.argv = {"/bin/sh", "-c", "command -v bwrap"}});
  if (bwrap.status != 0) return "bubblewrap is not installed";
  const Ended made = run({.argv = {"/bin/sh", "-c", "bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev true"}});
  if (made.status != 0) return "bubblewrap cannot make namespaces here: " + made.err;
  return {};
}

std::string PolicyEntry::to_toml() const {
  std::string out = "[[accept]]\n" + line("platform", platform) + line("root", root);
  if (!measurements[0].empty()) {
    out += "measurements = { \"0\" = \"" + measurements[0] + "\", \"1\" = \"" + measurements[1] + "\", \"2\" = \"" +
           measurements[2] + "\" }\n";
  }
  return out + line("config", config) + line("max_age", max_age);
}

PolicyEntry entry_for(const Enclave& enclave) {
  return {.root = enclave.root, .measurements = enclave.measurements, .config = enclave.config};
}

Site::Site() {
  std::filesystem::create_directory(state());
  // Enclaves of a daemon that runs as root have a uid of their own, which reaches its image through this folder.
  ::chmod(state().c_str(), ::geteuid() == 0 ? 0711 : 0700);
}

Site::~Site() { stop_everything(); }

std::string Site::write(const std::string& name, const std::string& text) const {
  write_text(file(name), text);
  return file(name);
}

Launch Site::launch(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("gateway"));
  return {.argv = std::move(arguments),
          .environment = {{"GATEWAY_STATE", state()},
                          {"GATEWAY_SOCKET", state() + "/gatewayd.sock"},
                          {"GATEWAY_CACHE", file("cache")},
                          {"NO_COLOR", "1"}}};
}

Ended Site::gateway(std::vector<std::string> arguments, Milliseconds patience) const {
  return run(launch(std::move(arguments)), patience);
}

void Site::start_daemon(const std::string& config) {
  Launch daemon = launch({});
  daemon.argv = {program("gatewayd")};
  if (!config.empty()) daemon.argv.insert(daemon.argv.end(), {"--config", write("gatewayd.toml", config)});
  daemon_ = std::make_unique<Program>(daemon);
  const std::string socket = state() + "/gatewayd.sock";
  for (int i = 0; i < 1'000 && daemon_->running(); ++i) {
    if (::access(socket.c_str(), F_OK) == 0) return;
    std::this_thread::sleep_for(Milliseconds(10));
  }
  give_up("gatewayd did not start", daemon_->stop());
}

std::string Site::build_echo(const EchoImage& image) const {
  std::string spec = "[image]\nname = \"" + image.name + "\"\nkernel = \"" + image.kernel + "\"\n";
  spec += line("cmdline", image.cmdline);
  spec += "[[rootfs.files]]\nfrom = \"" + program("gateway_echo_workload") +
          "\"\nto = \"/usr/bin/echo\"\nmode = \"0755\"\n"
          "[workload]\nargv = [\"/usr/bin/echo\", \"--socket\", \"/run/gateway/app.sock\"]\n"
          "readiness = { path = \"/health\", timeout = \"20s\" }\nstop_grace = \"2s\"\n"
          "[ingress]\nsocket = \"/run/gateway/app.sock\"\n"
          "paths = [\"/echo\", \"/headers\", \"/stream\", \"/slow\", \"/truncate\", \"/crash\", \"/probe\", \"/tcp\", "
          "\"/udp\", "
          "\"/env\"]\n" +
          image.ingress + "[slots]\nenv = [\"ECHO_GREETING\"]\n[resources]\nmemory = \"256MiB\"\ncpus = 1\n" +
          image.more;
  const std::string spec_file = write(image.name + ".toml", spec);
  const std::string output = file(image.name + ".eif");
  const Ended built =
      gateway({"build", spec_file, "-o", output, "--runtime", program(image.runtime), "--json"}, Milliseconds(120'000));
  if (built.status != 0) give_up("gateway build failed", built);
  return output;
}

Ended Site::try_run(const std::string& image, const std::string& name, std::vector<std::string> more) const {
  std::vector<std::string> arguments{"run", image, "--name", name, "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return gateway(std::move(arguments), Milliseconds(60'000));
}

Enclave Site::run_enclave(const std::string& image, const std::string& name, std::vector<std::string> more) const {
  const Ended started = try_run(image, name, std::move(more));
  if (started.status != 0) give_up("gateway run failed", started);
  const auto text = [&](const char* pointer) {
    auto value = json_at(started.out, pointer).value_or("");
    return value == "null" ? std::string() : value;
  };
  Enclave enclave{.name = text("/name"),
                  .listen = text("/listen"),
                  .measurements = {text("/measurements/0"), text("/measurements/1"), text("/measurements/2")},
                  .config = text("/config"),
                  .root = text("/root"),
                  .root_file = text("/root_file"),
                  .token = {}};
  if (const std::string token_file = text("/token_file"); !token_file.empty()) {
    enclave.token = read_text(token_file);
    while (!enclave.token.empty() && enclave.token.back() == '\n') enclave.token.pop_back();
  }
  return enclave;
}

void Site::stop_enclave(const std::string& name) const {
  const Ended stopped = gateway({"stop", name, "--grace", "3s"});
  if (stopped.status != 0) give_up("gateway stop " + name + " failed", stopped);
}

void Site::stop_everything() {
  if (!daemon_) return;
  const Ended listed = gateway({"ps", "--json"});
  for (int i = 0;; ++i) {
    const auto name = json_at(listed.out, "/enclaves/" + std::to_string(i) + "/name");
    if (!name) break;
    if (gateway({"stop", *name, "--grace", "1s"}).status == 0) continue;
    const std::string pid = json_at(listed.out, "/enclaves/" + std::to_string(i) + "/pid").value_or("0");
    std::fprintf(stderr, "harness: gateway stop %s failed; ending its shim, process %s\n", name->c_str(), pid.c_str());
    if (const long number = std::atol(pid.c_str()); number > 1) ::kill(static_cast<pid_t>(number), SIGKILL);
  }
  daemon_.reset();
}

}  // namespace gateway::harness
