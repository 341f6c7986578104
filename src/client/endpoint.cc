#include "client/endpoint.h"

#include <poll.h>

#include <algorithm>

namespace gateway::client {
namespace {

using channel::Progress;

Result<std::unique_ptr<AttestedConnection>> begin(const Endpoint& endpoint, const channel::TlsContext& context,
                                                  Verifier& verifier, Deadline deadline) {
  const auto left = std::chrono::duration_cast<Duration>(deadline - std::chrono::steady_clock::now());
  GATEWAY_ASSIGN(auto socket,
                 net::connect_to(endpoint.address, static_cast<int>(std::max<std::int64_t>(1, left.count()))));
  return AttestedConnection::start(context, std::move(socket), verifier, endpoint.host);
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  if (text.find("://") == std::string_view::npos) {
    GATEWAY_ASSIGN(auto address, net::Address::parse_host_port(text));
    return Endpoint{.address = std::move(address), .host = std::string(text)};
  }
  GATEWAY_ASSIGN(auto address, net::Address::parse_url(text));
  std::string host = "localhost";
  if (address.kind == net::Address::Kind::kTcp) host = std::string(text.substr(text.find("://") + 3));
  return Endpoint{.address = std::move(address), .host = std::move(host)};
}

Status wait_for(int file_descriptor, Progress wanted, Deadline deadline) {
  pollfd ready{.fd = file_descriptor,
               .events = static_cast<short>(wanted == Progress::kWantWrite ? POLLOUT : POLLIN),
               .revents = 0};
  for (;;) {
    const auto left = std::chrono::ceil<Duration>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) break;
    const int count = ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 3'600'000)));
    if (count > 0) return {};
    if (count < 0 && errno != EINTR) return fail(ErrorCode::kInternal, "client.poll", "the kernel refuses to poll");
  }
  return fail(ErrorCode::kUnavailable, "client.timeout", "the service did not answer in time",
              "check that the enclave runs (`gateway ps` on its host) and that nothing on the way holds bytes back");
}

Status complete(AttestedConnection& connection, Deadline deadline) {
  for (;;) {
    GATEWAY_ASSIGN(const Progress progress, connection.advance());
    if (progress == Progress::kDone) return {};
    GATEWAY_TRY(wait_for(connection.descriptor(), progress, deadline));
  }
}

Attempt attempt(const Endpoint& endpoint, const channel::TlsContext& context, Verifier& verifier, Duration timeout) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  Attempt made;
  auto connection = begin(endpoint, context, verifier, deadline);
  if (!connection) {
    made.error = connection.error();
    return made;
  }
  const Status completed = complete(**connection, deadline);
  made.verification = (*connection)->verification();
  if (!completed) made.error = completed.error();
  else made.connection = std::move(*connection);
  return made;
}

}  // namespace gateway::client
