// What a workload sends first to a destination that must be TLS.
#include "egress/client_hello.h"

#include "net/egress_link.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const gateway::ByteView input(bytes, size);
  const auto name = gateway::egress::server_name_of(input);
  if (!name) return 0;
  if (*name && !gateway::net::well_formed_host_name(**name)) __builtin_trap();
  // What is not whole yet must not have been whole before.
  if (!*name && size > 0) {
    const auto shorter = gateway::egress::server_name_of(input.first(size - 1));
    if (!shorter || *shorter) __builtin_trap();
  }
  return 0;
}
