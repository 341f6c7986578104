#include "client/client.h"

#include <poll.h>

#include <algorithm>

#include "client/heads.h"

namespace gateway::client {
namespace {

using channel::Progress;
using net::BodyTracker;

constexpr std::size_t kReadSize = 32UZ * 1024;

std::unexpected<Error> truncated() {
  return fail(ErrorCode::kNotAuthentic, "client.truncated",
              "the answer ended before it was whole; what arrived may be only a part",
              "throw the part away and ask again");
}

std::unexpected<Error> upstream_closed() {
  return fail(ErrorCode::kUnavailable, "client.upstream_closed", "the enclave closed the connection without an answer",
              "send the request again if it may be carried out twice");
}

// Something waits to be read on an idle connection: the peer closed it, or says what nobody asked.
bool stale(const AttestedConnection& connection) {
  pollfd ready{.fd = connection.descriptor(), .events = POLLIN, .revents = 0};
  return ::poll(&ready, 1, 0) != 0;
}

}  // namespace

struct Client::Impl {
  Endpoint endpoint;
  ClientOptions options;
  SystemTrustClock own_clock;
  Verifier verifier;
  channel::TlsContext context;
  std::unique_ptr<AttestedConnection> connection;
  std::optional<attestation::Verification> last;  // of the last connection that verified
  bool busy = false;                              // a Response reads from the connection

  Impl(Endpoint e, attestation::Policy policy, ClientOptions o, channel::TlsContext c)
      : endpoint(std::move(e)),
        options(std::move(o)),
        verifier(std::move(policy), options.trust, options.clock ? *options.clock : own_clock),
        context(std::move(c)) {}

  Status open() {
    Attempt made = attempt(endpoint, context, verifier, options.connect_timeout);
    if (made.error) return std::unexpected(*made.error);
    connection = std::move(made.connection);
    last = connection->verification();
    return {};
  }

  Status renew() {
    connection->renew();
    const Status renewed = complete(*connection, std::chrono::steady_clock::now() + options.connect_timeout);
    if (renewed) last = connection->verification();
    else connection.reset();
    return renewed;
  }

  // A verified connection whose key is trusted now.
  Status ready() {
    if (connection && stale(*connection)) connection.reset();
    if (!connection) return open();
    if (!connection->trusted()) return renew();
    return {};
  }

  Status write_all(ByteView bytes) {
    while (!bytes.empty()) {
      GATEWAY_ASSIGN(const auto result, connection->stream().write(bytes));
      bytes = bytes.subspan(result.bytes);
      if (result.progress == Progress::kClosedInOrder) return upstream_closed();
      if (result.progress != Progress::kDone) {
        GATEWAY_TRY(wait_for(connection->descriptor(), result.progress,
                             std::chrono::steady_clock::now() + options.response_timeout));
      }
    }
    return {};
  }

  // Appends what arrives to `buffer`; false when the peer closed in order.
  Result<bool> read_some(Bytes& buffer) {
    const std::size_t before = buffer.size();
    buffer.resize(before + kReadSize);
    for (;;) {
      auto result = connection->stream().read(std::span(buffer).subspan(before));
      if (!result || result->bytes > 0 || result->progress == Progress::kClosedInOrder) {
        buffer.resize(before + (result ? result->bytes : 0));
        if (!result) return std::unexpected(result.error());
        return result->bytes > 0;
      }
      if (result->progress == Progress::kDone) continue;
      if (Status waited = wait_for(connection->descriptor(), result->progress,
                                   std::chrono::steady_clock::now() + options.response_timeout);
          !waited) {
        buffer.resize(before);
        return std::unexpected(waited.error());
      }
    }
  }
};

struct Response::Impl {
  std::shared_ptr<Client::Impl> client;
  int status = 0;
  Headers headers;
  Bytes buffer;
  std::size_t at = 0;
  BodyTracker tracker;
  bool until_close = false;
  bool close_after = false;  // the enclave said that it closes: the end then needs its close_notify too
  bool over = false;

  ~Impl() {
    if (!client) return;
    client->busy = false;
    if (!over || close_after || at != buffer.size()) client->connection.reset();
  }

  Status read_head(std::string_view method);
  Result<std::size_t> read(std::span<std::uint8_t> into);

 private:
  Status more();
  Status finish();
};

Status Response::Impl::read_head(std::string_view method) {
  net::HttpHead head;
  for (;;) {
    GATEWAY_ASSIGN(const auto size, net::parse_response_head(buffer, net::HttpLimits{}, method, head));
    if (size && head.status >= 200) {
      at = *size;
      break;
    }
    if (size) {  // an interim answer
      buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*size));
      continue;
    }
    const auto more = client->read_some(buffer);
    if (!more && more.error().id() != "tls.truncated") return std::unexpected(more.error());
    if (!more || !*more) return buffer.empty() ? Status(upstream_closed()) : Status(truncated());
  }
  status = head.status;
  for (const auto& header : head.headers) headers.emplace_back(header.name, header.value);
  tracker = BodyTracker(head.framing, head.content_length);
  until_close = head.framing == net::Framing::kUntilClose;
  close_after = until_close || !head.keep_alive;
  if (!until_close && tracker.whole()) return finish();
  return {};
}

Result<std::size_t> Response::Impl::read(std::span<std::uint8_t> into) {
  if (into.empty()) return fail(ErrorCode::kInvalidArgument, "client.request", "read() needs room for a byte");
  while (!over) {
    const std::size_t count = std::min(into.size(), buffer.size() - at);
    // Never more than there is room for, so that a run of payload always fits.
    auto piece = tracker.next(ByteView(buffer).subspan(at, count));
    if (!piece) return std::unexpected(piece.error());
    std::ranges::copy(piece->payload, into.begin());
    at += piece->wire;
    if (piece->done) GATEWAY_TRY(finish());
    if (!piece->payload.empty()) return piece->payload.size();
    if (piece->wire == 0 && !over) GATEWAY_TRY(more());
  }
  return 0UZ;
}

Status Response::Impl::more() {
  buffer.clear();
  at = 0;
  const auto got = client->read_some(buffer);
  if (!got) return got.error().id() == "tls.truncated" ? Status(truncated()) : Status(std::unexpected(got.error()));
  if (*got) return {};
  if (!until_close) return truncated();
  tracker.transport_ended_in_order();
  over = tracker.whole();
  return over ? Status{} : Status(truncated());
}

// The message is whole. Where the enclave said that it closes, its close_notify must follow.
Status Response::Impl::finish() {
  if (close_after) {
    if (at != buffer.size()) return truncated();
    const auto got = client->read_some(buffer);
    if (!got || *got) return truncated();
  }
  over = true;
  return {};
}

Response::Response(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Response::Response(Response&&) noexcept = default;
Response& Response::operator=(Response&&) noexcept = default;
Response::~Response() = default;

int Response::status() const { return impl_->status; }
const Headers& Response::headers() const { return impl_->headers; }

std::optional<std::string_view> Response::header(std::string_view lower_case) const {
  for (const auto& [name, value] : impl_->headers) {
    if (net::header_is(name, lower_case)) return value;
  }
  return std::nullopt;
}

Result<std::size_t> Response::read(std::span<std::uint8_t> into) { return impl_->read(into); }

Result<Bytes> Response::read_all(std::size_t limit) {
  Bytes all;
  Bytes part(kReadSize);
  for (;;) {
    GATEWAY_ASSIGN(const std::size_t size, read(part));
    if (size == 0) return all;
    if (all.size() + size > limit) {
      return fail(ErrorCode::kLimitExceeded, "client.response_size",
                  "expected an answer of at most " + std::to_string(limit) + " bytes", "read it in parts");
    }
    append(all, ByteView(part).first(size));
  }
}

Client::Client(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(std::string_view endpoint, attestation::Policy policy, ClientOptions options) {
  GATEWAY_ASSIGN(auto parsed, Endpoint::parse(endpoint));
  GATEWAY_ASSIGN(auto context, channel::TlsContext::client());
  auto impl = std::make_shared<Impl>(std::move(parsed), std::move(policy), std::move(options), std::move(context));
  GATEWAY_TRY(impl->open());
  return Client(std::move(impl));
}

Result<attestation::Verification> Client::verify(std::string_view endpoint, attestation::Policy policy,
                                                 ClientOptions options) {
  GATEWAY_ASSIGN(auto parsed, Endpoint::parse(endpoint));
  GATEWAY_ASSIGN(auto context, channel::TlsContext::client());
  Impl impl(std::move(parsed), std::move(policy), std::move(options), std::move(context));
  Attempt made = attempt(impl.endpoint, impl.context, impl.verifier, impl.options.connect_timeout);
  if (made.verification) return std::move(*made.verification);
  if (made.error) return std::unexpected(*made.error);
  return fail(ErrorCode::kInternal, "client.verdict", "the attempt gave neither a verdict nor a reason");
}

const attestation::Verification& Client::verification() const { return *impl_->last; }

Result<Response> Client::request(const Request& request) {
  if (impl_->busy) {
    return fail(ErrorCode::kInvalidArgument, "client.request",
                "the answer to the request before this one is still being read");
  }
  GATEWAY_ASSIGN(const std::string head, write_request_head(request.method, request.target, impl_->endpoint.host,
                                                            request.headers, request.body.size()));
  GATEWAY_TRY(impl_->ready());
  auto response = std::make_unique<Response::Impl>();
  response->client = impl_;
  impl_->busy = true;  // from here on, whatever goes wrong costs the connection
  GATEWAY_TRY(impl_->write_all(as_bytes(head)));
  GATEWAY_TRY(impl_->write_all(request.body));
  GATEWAY_TRY(response->read_head(request.method));
  return Response(std::move(response));
}

}  // namespace gateway::client
