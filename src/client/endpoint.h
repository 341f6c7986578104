// Where an enclave answers, as people write it, and one blocking attempt to reach and verify it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/attested_connection.h"
#include "net/address.h"

namespace gateway::client {

struct Endpoint {
  net::Address address;
  std::string host;  // for the Host header: "HOST:PORT", or "localhost" where the transport has no names
  // HOST:PORT, or a transport's URL (tcp://, unix://, vsock://).
  static Result<Endpoint> parse(std::string_view text);
};

struct Attempt {
  std::unique_ptr<AttestedConnection> connection;         // verified; absent otherwise
  std::optional<attestation::Verification> verification;  // as far as it came
  std::optional<Error> error;                             // why there is no connection
};

// Connects and verifies within the time given. The verifier is borrowed by the connection.
Attempt attempt(const Endpoint& endpoint, const channel::TlsContext& context, Verifier& verifier, Duration timeout);

// Waits until the socket is ready for what was wanted. Errors: kUnavailable client.timeout.
using Deadline = std::chrono::steady_clock::time_point;
Status wait_for(int file_descriptor, channel::Progress wanted, Deadline deadline);

// Drives a connection until it is verified.
Status complete(AttestedConnection& connection, Deadline deadline);

}  // namespace gateway::client
