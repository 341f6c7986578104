#include "host/shim_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <thread>

#include "channel/deployment.h"
#include "crypto/hash.h"
#include "host/files.h"
#include "host/local_machine.h"
#include "host/nitro_machine.h"
#include "host/qemu_machine.h"
#include "host/unix_socket.h"
#include "net/address.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMaxSpecFile = 64UZ * 1024;
constexpr std::size_t kMaxTokensFile = 1024UZ * 1024;
constexpr int kClientBacklog = 1024;
constexpr std::chrono::milliseconds kPredecessorTime{3'000};

Result<net::Descriptor> listen_for_clients(const std::string& where) {
  GATEWAY_ASSIGN(const net::Address address, net::Address::parse_host_port(where));
  auto listener = net::listen_on(address, kClientBacklog);
  if (listener || listener.error().id() != "net.address_in_use") return listener;
  return fail(ErrorCode::kUnavailable, "host.port_in_use", "another program listens on " + where,
              "choose another port with --listen, or HOST:0 for a free one");
}

std::string bound_address(const std::string& asked, int listener) {
  const auto port = net::local_port(listener);
  return asked.substr(0, asked.rfind(':') + 1) + (port ? std::to_string(*port) : "0");
}

// A predecessor that has just said goodbye may still be on its way out.
Result<net::Descriptor> lock_of_folder(const std::string& path) {
  const Deadline deadline = after(kPredecessorTime);
  for (;;) {
    auto lock = lock_file(path + "/" + kLockFile);
    if (lock || std::chrono::steady_clock::now() > deadline) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Status give_up_root(std::uint32_t id) {
  if (id == 0 || (drop_to(id) && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)) return {};
  return fail(ErrorCode::kInternal, "host.sandbox.start", "the shim could not give up root");
}

struct Started {
  std::unique_ptr<Machine> machine;
  std::optional<crypto::Certificate> root;  // local: of the virtual NSM
};

Result<Started> start_machine(const EnclaveSpec& spec, int folder, const Clock& clock) {
  if (spec.platform == "qemu") {
    GATEWAY_ASSIGN(auto machine, make_qemu_machine(spec));
    return Started{.machine = std::move(machine), .root = {}};
  }
  if (spec.platform == "nitro") {
    GATEWAY_ASSIGN(auto machine, make_nitro_machine(spec, make_nitro_device()));
    return Started{.machine = std::move(machine), .root = {}};
  }
  GATEWAY_ASSIGN(LocalMachine local, make_local_machine(spec, folder, clock));
  return Started{.machine = std::move(local.machine), .root = std::move(local.root)};
}

ShimStatus first_status(const EnclaveSpec& spec, const Clock& clock) {
  ShimStatus status;
  status.pid = ::getpid();
  status.memory_limit = spec.cgroup.empty() ? 0 : spec.memory;
  status.memory_note = spec.cgroup_note;
  status.started_at = clock.now();
  status.uid = spec.ids.enclave != 0 ? spec.ids.enclave : ::getuid();
  status.workload_uid = spec.ids.separate() ? spec.ids.workload_uid : status.uid;
  return status;
}

}  // namespace

Result<ShimParts> prepare_shim(const std::string& path, const Clock& clock) {
  auto lock = lock_of_folder(path);
  if (!lock) {
    return fail(ErrorCode::kUnavailable, "host.shim.running", "another shim holds " + path + "/" + kLockFile);
  }
  ::unlink((path + "/" + kExitFile).c_str());
  GATEWAY_ASSIGN(const Bytes spec_text, read_file(path + "/" + kSpecFile, kMaxSpecFile, WrittenBy::kThisUser));
  GATEWAY_ASSIGN(EnclaveSpec spec, parse_spec(as_text(spec_text)));
  GATEWAY_ASSIGN(Bytes config, read_file(path + "/" + kConfigFile, channel::kMaxDeploymentSize));
  GATEWAY_ASSIGN(Bytes tokens, read_file(path + "/" + kTokensFile, kMaxTokensFile));
  GATEWAY_ASSIGN(net::Descriptor folder, open_folder(path));
  GATEWAY_ASSIGN(EventLog events, EventLog::open(path, clock));
  GATEWAY_ASSIGN(net::Descriptor listener, listen_for_clients(spec.listen));
  GATEWAY_ASSIGN(image::Eif image, image::Eif::open(spec.image_file));
  GATEWAY_ASSIGN(net::Descriptor status_socket, listen_in_folder(folder.get(), kStatusSocket, 0600, 64));

  GATEWAY_ASSIGN(Started started, start_machine(spec, folder.get(), clock));
  GATEWAY_TRY(give_up_root(spec.ids.enclave));

  ShimStatus status = first_status(spec, clock);
  status.listen = bound_address(spec.listen, listener.get());
  status.enclave_pid = started.machine->pid();
  status.config_digest = to_hex(channel::deployment_digest(config));
  if (started.root) {
    status.root_sha256 = to_hex(crypto::sha256(started.root->der()));
    status.root_pem = started.root->to_pem();
  }
  return ShimParts{.spec = std::move(spec),
                   .config = std::move(config),
                   .tokens = std::move(tokens),
                   .folder = std::move(folder),
                   .lock = *std::move(lock),
                   .listener = std::move(listener),
                   .status_socket = std::move(status_socket),
                   .machine = std::move(started.machine),
                   .image = std::move(image),
                   .events = std::move(events),
                   .status = std::move(status)};
}

void write_last_status(int folder, const ShimStatus& status) {
  const std::string path = "/proc/self/fd/" + std::to_string(folder) + "/" + kExitFile;
  (void)write_file(path, as_bytes(encode_status(status)), 0600, Durable::kNo);
}

}  // namespace gateway::host
