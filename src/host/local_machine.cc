#include "host/local_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "crypto/random.h"
#include "host/sandbox.h"
#include "host/unix_socket.h"

namespace gateway::host {
namespace {

constexpr int kEnclaveBacklog = 1024;

struct SocketPair {
  net::Descriptor ours;
  net::Descriptor theirs;
};

Result<SocketPair> make_socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(ErrorCode::kInternal, "host.sandbox.start",
                std::string("no sockets to be had: ") + std::strerror(errno));
  }
  return SocketPair{net::Descriptor(ends[0]), net::Descriptor(ends[1])};
}

// A socket of the enclave's, whichever ids it will have.
Result<net::Descriptor> open_door(int folder, const char* name, std::uint32_t id) {
  GATEWAY_ASSIGN(net::Descriptor door, listen_in_folder(folder, name, 0600, kEnclaveBacklog));
  if (id == 0 || ::fchownat(folder, name, id, id, AT_SYMLINK_NOFOLLOW) == 0) return door;
  return fail(ErrorCode::kInternal, "host.sandbox.start", std::string(name) + ": " + std::strerror(errno));
}

SandboxSpec sandbox_of(const EnclaveSpec& spec, std::string bwrap) {
  SandboxSpec sandbox;
  sandbox.bwrap = std::move(bwrap);
  sandbox.tree = spec.tree;
  sandbox.memory = spec.memory;
  sandbox.cpus = spec.cpus;
  sandbox.ids = spec.ids;
  sandbox.cgroup = spec.cgroup;
  return sandbox;
}

class Sandboxed final : public ProcessMachine {
 public:
  Sandboxed(MachineProcess process, net::Descriptor control, net::Descriptor nsm, attester::LocalRoot root,
            std::string name, int folder, const Clock& clock)
      : ProcessMachine(std::move(process)),
        control_(std::move(control)),
        nsm_(std::move(nsm)),
        root_(std::move(root)),
        name_(std::move(name)),
        folder_(folder),
        clock_(clock) {}

  void start(net::Loop& loop, Events events) override {
    ProcessMachine::start(loop, std::move(events));
    this->events().control(std::move(control_));
  }

  Result<net::Descriptor> connect(Door door) override {
    return connect_in_folder(folder_, door == Door::kEgress ? kEgressSocket : kIngressSocket);
  }

  void serve_device(const image::Measurements& measured) override {
    const std::string module_id = "local-" + name_ + "-" + to_hex(crypto::random_bytes(8));
    attester::VirtualNsm nsm(root_, module_id, {measured.pcr0, measured.pcr1, measured.pcr2}, clock_);
    attester::serve_virtual_nsm(nsm, nsm_.get());
  }

  void stop_device() override { ::shutdown(nsm_.get(), SHUT_RDWR); }

 private:
  net::Descriptor control_;
  net::Descriptor nsm_;
  attester::LocalRoot root_;
  std::string name_;
  int folder_;
  const Clock& clock_;
};

}  // namespace

Result<LocalMachine> make_local_machine(const EnclaveSpec& spec, int folder, const Clock& clock) {
  GATEWAY_ASSIGN(attester::LocalRoot root, attester::LocalRoot::load_or_create(spec.root_folder, clock.now()));
  GATEWAY_ASSIGN(std::string bwrap, find_bwrap());
  SandboxSpec sandbox = sandbox_of(spec, std::move(bwrap));
  GATEWAY_ASSIGN(SocketPair control, make_socket_pair());
  GATEWAY_ASSIGN(SocketPair nsm, make_socket_pair());
  GATEWAY_ASSIGN(const net::Descriptor ingress, open_door(folder, kIngressSocket, spec.ids.enclave));
  GATEWAY_ASSIGN(const net::Descriptor egress, open_door(folder, kEgressSocket, spec.ids.enclave));
  sandbox.control = control.theirs.get();
  sandbox.nsm = nsm.theirs.get();
  sandbox.ingress = ingress.get();
  sandbox.egress = egress.get();
  GATEWAY_ASSIGN(MachineProcess process, start_sandbox(sandbox));
  crypto::Certificate certificate = root.certificate;
  return LocalMachine{
      .machine = std::make_unique<Sandboxed>(std::move(process), std::move(control.ours), std::move(nsm.ours),
                                             std::move(root), spec.name, folder, clock),
      .root = std::move(certificate)};
}

}  // namespace gateway::host
