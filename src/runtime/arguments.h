// The enclave's own command line: --platform=local|nitro --control=URL --nsm=fd:N|PATH --ingress=URL
// --egress=URL, each exactly once.
//
// Input:  from whoever starts the process: the host on local, the measured kernel command line elsewhere.
// Errors: kInvalidArgument runtime.arguments; those of net/address.h
#pragma once

#include <span>
#include <string>

#include "attestation/model/claims.h"
#include "net/address.h"

namespace gateway::runtime {

struct Arguments {
  attestation::Platform platform{};
  net::Address control;
  std::string nsm;  // "fd:N", or the path of a device
  net::Address ingress;
  net::Address egress;  // where the host dials when it is asked to (net/egress_link.h)
};

Result<Arguments> parse_arguments(std::span<const char* const> words);

// The connection or listener at an address; an inherited descriptor is taken over and made close-on-exec.
Result<net::Descriptor> open_control(const net::Address& address);
Result<net::Descriptor> open_door(const net::Address& address);
Result<net::Descriptor> inherit(std::uint32_t number);  // Errors: kInvalidArgument runtime.arguments

}  // namespace gateway::runtime
