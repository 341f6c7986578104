// gateway-enclave: PID 1 in every enclave. Composition alone: which device, which channels, in which order.
//
// On local the shim starts it with inherited descriptors (docs/platforms/local.md):
//     /init --platform=local --control=fd:3 --nsm=fd:4 --ingress=fd:5
// The same binary is the first process of the workload's sandbox, executed anew with memory of its own.
#include <unistd.h>

#include <cstring>
#include <span>

#include "base/log.h"
#include "runtime/arguments.h"
#include "runtime/enclave.h"
#include "runtime/sandbox_init.h"
#include "runtime/sandbox_spec.h"

namespace {

using namespace gateway;

Result<std::unique_ptr<attester::NsmDevice>> open_nsm(const std::string& where) {
  if (where.starts_with('/')) return attester::open_nsm_device(where.c_str());
  GATEWAY_ASSIGN(const net::Address address, net::Address::parse_url(where));
  GATEWAY_ASSIGN(net::Descriptor socket, runtime::inherit(address.port));
  return attester::make_socket_nsm(socket.release());
}

Status serve(const runtime::Arguments& arguments, net::Descriptor& control, net::Descriptor& events) {
  GATEWAY_TRY(runtime::harden_process());
  GATEWAY_ASSIGN(auto device, open_nsm(arguments.nsm));
  GATEWAY_ASSIGN(net::Descriptor ingress, runtime::open_ingress(arguments.ingress));
  attester::NsmClient nsm(std::move(device), arguments.platform);
  GATEWAY_ASSIGN(runtime::Booted booted,
                 runtime::boot({.platform = arguments.platform, .root = {}, .control = control.get()}, nsm));
  log::set_up(log::Format::kJson, booted.config.log_level);
  GATEWAY_ASSIGN(const auto enclave, runtime::Enclave::start(std::move(booted), nsm,
                                                             {.control = net::Descriptor(::dup(control.get())),
                                                              .events = net::Descriptor(::dup(events.get())),
                                                              .ingress = std::move(ingress)},
                                                             {}));
  return enclave->run();
}

int run(std::span<const char* const> words) {
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
  auto events = runtime::EventPipe::open();
  if (!events) return exit_status(events.error().code());
  log::set_up(log::Format::kJson, log::Level::kInfo);
  log::set_output(events->writing.get());
  const Status served = serve(*arguments, *control, events->reading);
  if (served) return 0;
  runtime::report_fatal(control->get(), events->reading.get(), served.error());
  return exit_status(served.error().code());
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::strcmp(words[1], runtime::kSandboxArgument) == 0) runtime::run_sandbox_init();
  return run(std::span<const char* const>(words + 1, static_cast<std::size_t>(count > 0 ? count - 1 : 0)));
}
