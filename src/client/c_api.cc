// The C face of libgateway. Nothing is judged here: arguments in, client.h's answers out.
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "attestation/verification_json.h"
#include "client/client.h"
#include "client/gateway.h"
#include "codec/json.h"

#include <boost/json.hpp>

using gateway::ByteView;
using gateway::Error;
using gateway::ErrorCode;
using gateway::Result;

struct gateway_error {
  std::string id, detail, remedy;
  int outcome = GATEWAY_FAULT;
};
struct gateway_client {
  gateway::client::Client client;
};
struct gateway_response {
  gateway::client::Response response;
};

namespace {

// Always null, so that a failing function can return it.
std::nullptr_t set(gateway_error** error, const Error& cause) {
  if (error) {
    *error = new (std::nothrow)
        gateway_error{std::string(cause.id()), cause.detail(), cause.remedy(), gateway::exit_status(cause.code())};
  }
  return nullptr;
}

Error missing_argument() { return {ErrorCode::kInvalidArgument, "client.argument", "a required argument is NULL"}; }

// No exception leaves through C: what allocation threw becomes a fault.
template <class F>
auto guarded(gateway_error** error, decltype(std::declval<F>()()) failed, F run) {
  if (error) *error = nullptr;
  try {
    return run();
  } catch (const std::exception&) {
    set(error, Error(ErrorCode::kInternal, "client.fault", "out of memory, or a fault of this library"));
    return failed;
  }
}

struct Arguments {
  gateway::attestation::Policy policy;
  gateway::client::ClientOptions options;
};

Result<Arguments> read(const char* endpoint, const char* policy, const gateway_options* given) {
  if (!endpoint || !policy) return std::unexpected(missing_argument());
  Arguments arguments;
  GATEWAY_ASSIGN(arguments.policy, gateway::attestation::Policy::parse(policy, "policy"));
  if (!given) return arguments;
  if (given->roots_pem) {
    GATEWAY_ASSIGN(arguments.options.trust.local_roots, gateway::crypto::Certificate::from_pem(given->roots_pem));
  }
  if (given->connect_timeout_ms) {
    arguments.options.connect_timeout = std::chrono::milliseconds(given->connect_timeout_ms);
  }
  if (given->response_timeout_ms) {
    arguments.options.response_timeout = std::chrono::milliseconds(given->response_timeout_ms);
  }
  return arguments;
}

}  // namespace

extern "C" {

const char* gateway_version(void) { return GATEWAY_VERSION; }

const char* gateway_error_id(const gateway_error* error) { return error ? error->id.c_str() : ""; }
const char* gateway_error_detail(const gateway_error* error) { return error ? error->detail.c_str() : ""; }
const char* gateway_error_remedy(const gateway_error* error) { return error ? error->remedy.c_str() : ""; }
enum gateway_outcome gateway_error_outcome(const gateway_error* error) {
  return static_cast<enum gateway_outcome>(error ? error->outcome : GATEWAY_FAULT);
}
void gateway_error_free(gateway_error* error) { delete error; }

gateway_client* gateway_connect(const char* endpoint, const char* policy_toml, const gateway_options* options,
                                gateway_error** error) {
  return guarded(error, nullptr, [&]() -> gateway_client* {
    auto arguments = read(endpoint, policy_toml, options);
    if (!arguments) return set(error, arguments.error());
    auto client =
        gateway::client::Client::connect(endpoint, std::move(arguments->policy), std::move(arguments->options));
    if (!client) return set(error, client.error());
    return new gateway_client{std::move(*client)};
  });
}

char* gateway_verify(const char* endpoint, const char* policy_toml, const gateway_options* options, int* affirmed,
                     gateway_error** error) {
  if (affirmed) *affirmed = 0;
  return guarded(error, nullptr, [&]() -> char* {
    auto arguments = read(endpoint, policy_toml, options);
    if (!arguments) return set(error, arguments.error());
    const auto verification =
        gateway::client::Client::verify(endpoint, std::move(arguments->policy), std::move(arguments->options));
    if (!verification) return set(error, verification.error());
    if (affirmed) *affirmed = verification->result.has_value() && !verification->reason ? 1 : 0;
    const std::string text = gateway::codec::write_json(gateway::attestation::verification_json(*verification));
    char* const copy = ::strdup(text.c_str());
    if (!copy) throw std::bad_alloc();
    return copy;
  });
}

void gateway_string_free(char* text) { std::free(text); }
void gateway_client_free(gateway_client* client) { delete client; }

gateway_response* gateway_request(gateway_client* client, const char* method, const char* target,
                                  const gateway_header* headers, size_t header_count, const void* body,
                                  size_t body_size, gateway_error** error) {
  return guarded(error, nullptr, [&]() -> gateway_response* {
    if (!client || !method || !target || (!headers && header_count > 0) || (!body && body_size > 0)) {
      return set(error, missing_argument());
    }
    gateway::client::Request request{.method = method, .target = target, .headers = {}, .body = {}};
    for (const gateway_header& header : std::span(headers, header_count)) {
      if (!header.name || !header.value) return set(error, missing_argument());
      request.headers.emplace_back(header.name, header.value);
    }
    request.body = gateway::to_bytes(ByteView(static_cast<const std::uint8_t*>(body), body_size));
    auto response = client->client.request(request);
    if (!response) return set(error, response.error());
    return new gateway_response{std::move(*response)};
  });
}

int gateway_response_status(const gateway_response* response) { return response ? response->response.status() : 0; }

const char* gateway_response_header(const gateway_response* response, const char* lower_case_name) {
  if (!response || !lower_case_name) return nullptr;
  for (const auto& [name, value] : response->response.headers()) {
    if (gateway::net::header_is(name, lower_case_name)) return value.c_str();
  }
  return nullptr;
}

ptrdiff_t gateway_response_read(gateway_response* response, void* into, size_t size, gateway_error** error) {
  return guarded(error, -1, [&]() -> ptrdiff_t {
    if (!response || !into) {
      set(error, missing_argument());
      return -1;
    }
    const auto got = response->response.read(std::span(static_cast<std::uint8_t*>(into), size));
    if (got) return static_cast<ptrdiff_t>(*got);
    set(error, got.error());
    return -1;
  });
}

void gateway_response_free(gateway_response* response) { delete response; }

}  // extern "C"
