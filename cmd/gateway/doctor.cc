#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "daemon_client.h"
#include "host/admission.h"
#include "host/cgroup.h"
#include "host/daemon_config.h"
#include "host/kernel_ids.h"
#include "host/local_driver.h"
#include "host/nitro_machine.h"
#include "host/sandbox.h"

namespace gateway::cli {
namespace {

enum class State : std::uint8_t { kOk, kNote, kMissing };

struct Finding {
  std::string_view id;
  State state{};
  std::string found;
  std::string remedy;
};

std::string_view word(State state) {
  switch (state) {
    case State::kOk: return "ok";
    case State::kNote: return "note";
    case State::kMissing: return "missing";
  }
  return "missing";
}

// Runs a program silently; true when it exits with 0.
bool succeeds(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (auto& argument : words) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (const int descriptor : {0, 1, 2}) {
    ::posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0);
  }
  pid_t child = 0;
  const int error = ::posix_spawn(&child, words.front().c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = -1;
  while (error == 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Finding check_bwrap() {
  const auto bwrap = host::find_bwrap();
  if (bwrap) return {"doctor.bwrap", State::kOk, "bubblewrap is " + *bwrap, {}};
  return {"doctor.bwrap", State::kMissing, bwrap.error().detail(), bwrap.error().remedy()};
}

Finding check_namespaces() {
  const auto able = host::check_user_namespaces();
  if (able) return {"doctor.user_namespaces", State::kOk, "user namespaces can be made", {}};
  return {"doctor.user_namespaces", State::kMissing, able.error().detail(), able.error().remedy()};
}

// The real thing, with a shell's `true` in the enclave's place.
Finding check_sandbox() {
  const auto bwrap = host::find_bwrap();
  if (!bwrap)
    return {"doctor.sandbox", State::kMissing, "not tried: bubblewrap is missing", "type: sudo apt install bubblewrap"};
  const std::vector<std::string> outer{*bwrap,       "--unshare-all",
                                       "--uid",      "1000",
                                       "--gid",      "1000",
                                       "--cap-drop", "ALL",
                                       "--as-pid-1", "--die-with-parent",
                                       "--ro-bind",  "/",
                                       "/",          "--proc",
                                       "/proc",      "--dev",
                                       "/dev",       "--"};
  auto plain = outer;
  plain.emplace_back("/bin/true");
  if (!succeeds(plain)) {
    return {"doctor.sandbox", State::kMissing, "bubblewrap cannot make a sandbox here",
            "type: bwrap --unshare-all --ro-bind / / true   and read what it says; a container needs "
            "--security-opt seccomp=unconfined and --security-opt apparmor=unconfined"};
  }
  auto nested = outer;
  for (const char* argument :
       {"/usr/bin/unshare", "--user", "--map-root-user", "--pid", "--fork", "--net", "--mount", "/bin/true"}) {
    nested.emplace_back(argument);
  }
  if (::access("/usr/bin/unshare", X_OK) == 0 && !succeeds(nested)) {
    return {"doctor.sandbox", State::kMissing,
            "namespaces cannot be nested: the workload could not be kept from the runtime",
            "type: sudo sysctl -w user.max_user_namespaces=15000 user.max_pid_namespaces=15000 "
            "user.max_net_namespaces=15000"};
  }
  return {"doctor.sandbox", State::kOk, "a sandbox, and another one inside it, can be made", {}};
}

// Chosen and tried as a shim would.
Finding check_uids() {
  const auto ids = host::choose_kernel_ids(0);
  const auto space = ids ? host::make_user_namespace(*ids) : std::unexpected(ids.error());
  if (space) {
    return {"doctor.uids",
            State::kOk,
            (::geteuid() == 0 ? "each enclave, and each workload, gets a kernel uid of its own from "
                              : "each workload gets a kernel uid of its own, from ") +
                std::to_string(ids->enclave != 0 ? ids->enclave : ids->workload_uid) + " on",
            {}};
  }
  const std::string why = space.error().detail();
  if (::geteuid() == 0) return {"doctor.uids", State::kMissing, why, space.error().remedy()};
  return {"doctor.uids", State::kNote,
          "the workload shares the kernel uid of its runtime (" + why +
              "): namespaces and the system call filter alone keep them apart",
          space.error().remedy()};
}

Finding check_cgroup() {
  const auto parent = host::find_cgroup_parent();
  if (parent)
    return {"doctor.cgroup", State::kOk, "memory limits are enforced by control groups below " + parent->folder, {}};
  return {"doctor.cgroup", State::kNote, "no memory limit is enforced here: " + parent.error().detail(),
          parent.error().remedy()};
}

Finding check_capacity() {
  const auto capacity = host::read_host_capacity();
  return {"doctor.capacity",
          capacity.cpus.empty() ? State::kMissing : State::kOk,
          host::human_bytes(capacity.memory_available) + " of " + host::human_bytes(capacity.memory_total) +
              " memory available, " + std::to_string(capacity.cpus.size()) + " processors",
          {}};
}

Finding check_descriptors() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  constexpr rlim_t kComfortable = 8192;
  const std::string found =
      "at most " + std::to_string(files.rlim_max) + " open files a process; a connection takes two";
  if (files.rlim_max >= kComfortable) return {"doctor.open_files", State::kOk, found, {}};
  return {"doctor.open_files", State::kNote, found, "raise the hard limit: nofile in /etc/security/limits.conf"};
}

Finding check_programs() {
  for (const char* name : {"gatewayd", "gateway-shim"}) {
    if (const auto program = host::find_program(name); !program) {
      return {"doctor.programs", State::kMissing, program.error().detail(), program.error().remedy()};
    }
  }
  return {"doctor.programs", State::kOk, "gatewayd and gateway-shim are installed beside gateway", {}};
}

Finding check_daemon() {
  auto daemon = DaemonClient::connect();
  if (!daemon) return {"doctor.daemon", State::kNote, daemon.error().detail, daemon.error().remedy};
  const auto answer = daemon->ask(host::VersionRequest{}, kQuickAnswer);
  if (!answer) return {"doctor.daemon", State::kNote, answer.error().detail, answer.error().remedy};
  return {"doctor.daemon",
          State::kOk,
          "gatewayd " + safe(text_of(*answer, "version")) + " runs, state in " + safe(text_of(*answer, "state_folder")),
          {}};
}

Finding check_device(std::string_view id, const char* path, const char* with, const char* without) {
  const bool there = ::access(path, F_OK) == 0;
  return {id,
          there ? State::kOk : State::kNote,
          std::string(path) + (there ? " is there: " : " is not there: ") + (there ? with : without),
          {}};
}

// What an EC2 host of enclaves needs beside the device; each with what to type. Platform local needs none of it.
std::vector<Finding> examine_nitro() {
  const auto device = host::make_nitro_device();
  if (::access(host::kNitroDevice, F_OK) != 0) {
    return {check_device("doctor.nitro", host::kNitroDevice, "",
                         "not an EC2 instance with Nitro Enclaves enabled; platform local is what runs here")};
  }
  std::vector<Finding> out;
  const Status opens = host::check_nitro(*device);
  out.push_back({"doctor.nitro", opens ? State::kOk : State::kNote,
                 opens ? "this is an EC2 instance with Nitro Enclaves enabled" : opens.error().detail(),
                 opens ? "" : opens.error().remedy()});

  std::ifstream pool_file(host::kNitroCpuPool);
  std::string pool;
  std::getline(pool_file, pool);
  const std::size_t cpus = host::parse_cpu_list(pool).size();
  out.push_back(
      {"doctor.nitro_cpus", cpus > 0 ? State::kOk : State::kNote,
       cpus > 0 ? "enclaves have " + std::to_string(cpus) + " processors of their own: " + safe(pool)
                : std::string("no processor is set aside for enclaves"),
       "set cpu_count in /etc/nitro_enclaves/allocator.yaml (whole cores: an even number where cores have two "
       "threads), then type: sudo systemctl restart nitro-enclaves-allocator.service"});

  const host::HugePages pages = host::read_huge_pages();
  out.push_back({"doctor.nitro_memory", pages.total > 0 ? State::kOk : State::kNote,
                 pages.total > 0 ? host::human_bytes(pages.free) + " of " + host::human_bytes(pages.total) +
                                       " in huge pages free for enclaves; an image takes four times its size"
                                 : std::string("no memory is set aside for enclaves"),
                 "set memory_mib in /etc/nitro_enclaves/allocator.yaml to four times the largest image or more, then "
                 "type: sudo systemctl restart nitro-enclaves-allocator.service"});

  const net::Descriptor vsock(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  out.push_back({"doctor.vsock", vsock.valid() ? State::kOk : State::kNote,
                 vsock.valid() ? "this kernel speaks vsock" : "this kernel speaks no vsock, and enclaves nothing else",
                 "type: sudo modprobe vsock"});
  return out;
}

std::vector<Finding> examine() {
  std::vector<Finding> findings{
      check_programs(),
      check_bwrap(),
      check_namespaces(),
      check_sandbox(),
      check_uids(),
      check_cgroup(),
      check_capacity(),
      check_descriptors(),
      check_daemon(),
      check_device("doctor.nsm", "/dev/nsm", "this machine is itself a Nitro enclave",
                   "this machine is not itself a Nitro enclave"),
      check_device("doctor.snp", "/dev/sev", "an SEV host", "not an SEV-SNP host"),
      check_device("doctor.kvm", "/dev/kvm", "virtual machines are hardware-assisted",
                   "no hardware virtualisation; platform local needs none"),
  };
  for (Finding& finding : examine_nitro()) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace

int run_doctor(const DoctorOptions& options) {
  bool ok = true;
  boost::json::array checks;
  for (const auto& finding : examine()) {
    ok = ok && finding.state != State::kMissing;
    checks.push_back(boost::json::object{
        {"id", finding.id}, {"state", word(finding.state)}, {"found", finding.found}, {"remedy", finding.remedy}});
    if (options.json) continue;
    std::string line(word(finding.state));
    line.resize(9, ' ');
    print_line(line + finding.found);
    if (finding.state != State::kOk && !finding.remedy.empty()) print_line("         what to do: " + finding.remedy);
  }
  if (options.json) {
    print_json(boost::json::object{{"ok", ok}, {"checks", std::move(checks)}});
  } else {
    print_line(ok ? "enclaves can run here" : "enclaves cannot run here until the missing is mended");
  }
  return ok ? kDone : kRefused;
}

}  // namespace gateway::cli
