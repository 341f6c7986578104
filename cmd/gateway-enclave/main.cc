// gateway-enclave: PID 1 in every enclave. Composition alone: which device, which channels, in which order.
//
// On local the shim starts it in a sandbox with inherited descriptors (docs/platforms/local.md):
//     /init --platform=local --control=fd:3 --nsm=fd:4 --ingress=fd:5 --egress=fd:6
// Without such arguments it is the first process of a virtual machine: it makes that a place to live in, finds /dev/nsm
// and lets the parent in by vsock (runtime/machine.h, docs/platforms/nitro.md). The same binary is the first process of
// the workload's sandbox, executed anew with memory of its own.
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "base/log.h"
#include "net/enclave_ports.h"
#include "runtime/arguments.h"
#include "runtime/enclave.h"
#include "runtime/machine.h"
#include "runtime/sandbox_init.h"
#include "runtime/sandbox_spec.h"

namespace {

using namespace gateway;

constexpr int kControlTimeoutMs = 60'000;

// What differs between platforms, once it is open.
struct Surroundings {
  attestation::Platform platform{};
  std::unique_ptr<attester::NsmDevice> nsm;
  net::Descriptor ingress;
  net::Descriptor egress;
};

Result<std::unique_ptr<attester::NsmDevice>> open_nsm(const std::string& where) {
  if (where.starts_with('/')) return attester::open_nsm_device(where.c_str());
  GATEWAY_ASSIGN(const net::Address address, net::Address::parse_url(where));
  GATEWAY_ASSIGN(net::Descriptor socket, runtime::inherit(address.port));
  return attester::make_socket_nsm(socket.release());
}

Result<Surroundings> open_surroundings(const runtime::Arguments& arguments) {
  GATEWAY_ASSIGN(auto nsm, open_nsm(arguments.nsm));
  GATEWAY_ASSIGN(net::Descriptor ingress, runtime::open_door(arguments.ingress));
  GATEWAY_ASSIGN(net::Descriptor egress, runtime::open_door(arguments.egress));
  return Surroundings{.platform = arguments.platform,
                      .nsm = std::move(nsm),
                      .ingress = std::move(ingress),
                      .egress = std::move(egress)};
}

Status serve(Result<Surroundings> around, net::Descriptor& control, net::Descriptor& events) {
  if (!around) return std::unexpected(around.error());
  attester::NsmClient nsm(std::move(around->nsm), around->platform);
  GATEWAY_ASSIGN(runtime::Booted booted,
                 runtime::boot({.platform = around->platform, .root = {}, .control = control.get()}, nsm));
  log::set_up(log::Format::kJson, booted.config.log_level);
  GATEWAY_ASSIGN(const auto enclave, runtime::Enclave::start(std::move(booted), nsm,
                                                             {.control = net::Descriptor(::dup(control.get())),
                                                              .events = net::Descriptor(::dup(events.get())),
                                                              .ingress = std::move(around->ingress),
                                                              .egress = std::move(around->egress)},
                                                             {}));
  return enclave->run();
}

// From an open control channel on, the host is told of everything. `open` runs when events have somewhere to go.
template <class Open>
int serve_and_report(net::Descriptor control, Open open) {
  auto events = runtime::EventPipe::open();
  if (!events) return exit_status(events.error().code());
  log::set_up(log::Format::kJson, log::Level::kInfo);
  log::set_output(events->writing.get());
  const Status hardened = runtime::harden_process();  // before anything is opened
  const Status served = hardened ? serve(open(), control, events->reading) : hardened;
  if (served) return 0;
  runtime::report_fatal(control.get(), events->reading.get(), served.error());
  log::set_output(STDERR_FILENO);
  log::error(served.error());
  return exit_status(served.error().code());
}

int run_in_sandbox(std::span<const char* const> words) {
  const auto arguments = runtime::parse_arguments(words);
  if (!arguments) {
    log::error(arguments.error());
    return exit_status(arguments.error().code());
  }
  auto control = runtime::open_control(arguments->control);
  if (!control) {
    log::error(control.error());
    return exit_status(control.error().code());
  }
  return serve_and_report(*std::move(control), [&] { return open_surroundings(*arguments); });
}

struct Doors {
  net::Descriptor control;
  net::Descriptor ingress;
  net::Descriptor egress;
};

// The listeners stand before the heartbeat: whoever hears it may knock at once.
Result<Doors> open_doors() {
  using net::Address;
  const auto on_any = [](std::uint32_t port) {
    return net::listen_on({.kind = Address::Kind::kVsock, .host = {}, .cid = UINT32_MAX, .port = port});
  };
  GATEWAY_TRY(runtime::prepare_machine());
  GATEWAY_ASSIGN(net::Descriptor ingress, on_any(net::kIngressPort));
  GATEWAY_ASSIGN(net::Descriptor egress, on_any(net::kEgressPort));
  GATEWAY_ASSIGN(const net::Descriptor listener, on_any(net::kControlPort));
  GATEWAY_TRY(runtime::send_heartbeat(
      {.kind = Address::Kind::kVsock, .host = {}, .cid = net::kParentCid, .port = net::kHeartbeatPort}));
  GATEWAY_ASSIGN(net::Descriptor control, runtime::accept_from(listener.get(), net::kParentCid, kControlTimeoutMs));
  return Doors{.control = std::move(control), .ingress = std::move(ingress), .egress = std::move(egress)};
}

[[noreturn]] void run_as_machine() {
  log::set_up(log::Format::kJson, log::Level::kInfo);
  if (auto doors = open_doors(); !doors) {
    log::error(doors.error());
  } else {
    serve_and_report(std::move(doors->control), [&]() -> Result<Surroundings> {
      GATEWAY_ASSIGN(auto nsm, attester::open_nsm_device());
      return Surroundings{.platform = attestation::Platform::kNitro,
                          .nsm = std::move(nsm),
                          .ingress = std::move(doors->ingress),
                          .egress = std::move(doors->egress)};
    });
  }
  runtime::power_off();
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::strcmp(words[1], runtime::kSandboxArgument) == 0) runtime::run_sandbox_init();
  const std::span<const char* const> arguments(words + 1, static_cast<std::size_t>(count > 0 ? count - 1 : 0));
  // A kernel passes on what it does not know of its command line: such words are none of ours.
  const bool told = std::ranges::any_of(arguments, [](std::string_view word) { return word.starts_with("--"); });
  if (!told && ::getpid() == 1) run_as_machine();
  return run_in_sandbox(arguments);
}
