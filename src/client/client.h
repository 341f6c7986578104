// libgateway: talk to an enclave that was checked first.
//
//     auto policy = attestation::Policy::parse(text, "policy.toml");
//     auto client = client::Client::connect("enclave.example:8443", *policy);
//     auto answer = client->request({.method = "POST", .target = "/v1/completions", .headers = {…}, .body = …});
//     while (auto size = answer->read(buffer); size && *size > 0) …
//
// Nothing is sent before the evidence, the keys and this very TLS session verified under the policy (docs/trust.md
// §1). Each request asks anew whether the enclave's key is still trusted; an aged one is verified again first. An
// answer is over only when read() returns 0; an answer that was cut short is an error, never a short success.
//
// Blocking. One thread uses a Client at a time, and one Response lives at a time.
//
// Errors: client/verifier.h, client/attested_connection.h; kNotAuthentic client.truncated; kUnavailable client.timeout,
//         client.upstream_closed, net.*; kInvalidArgument client.request; kLimitExceeded client.response_size
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/endpoint.h"

namespace gateway::client {

struct ClientOptions {
  VerifierOptions trust;
  Duration connect_timeout = std::chrono::seconds(15);   // TCP, TLS and verification together
  Duration response_timeout = std::chrono::minutes(10);  // between bytes of an answer
  const TrustClock* clock = nullptr;                     // borrowed; absent: the machine's own
};

struct Request {
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> headers;  // Host, Content-Length and Connection are the client's own
  Bytes body;
};

class Response {
 public:
  Response(Response&&) noexcept;
  Response& operator=(Response&&) noexcept;
  ~Response();  // an answer that was not read to its end costs its connection

  int status() const;
  const std::vector<std::pair<std::string, std::string>>& headers() const;
  std::optional<std::string_view> header(std::string_view lower_case) const;
  // The next bytes of the body, as soon as there are any; 0 when the answer is whole.
  Result<std::size_t> read(std::span<std::uint8_t> into);
  Result<Bytes> read_all(std::size_t limit = 64UZ * 1024 * 1024);

  struct Impl;
  explicit Response(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

class Client {
 public:
  static Result<Client> connect(std::string_view endpoint, attestation::Policy policy, ClientOptions options = {});
  // The verdict alone, with every line; nothing else is sent. An Error: there was nobody to judge.
  static Result<attestation::Verification> verify(std::string_view endpoint, attestation::Policy policy,
                                                  ClientOptions options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // The verdict on which the present connection rests.
  const attestation::Verification& verification() const;
  Result<Response> request(const Request& request);

  struct Impl;

 private:
  explicit Client(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace gateway::client
