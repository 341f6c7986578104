// One POST of the runtime's own over TLS to a proven name, and its answer. On the loop; never blocks.
//
// Input:  the service's answer, untrusted until its sender is proven, and bounded still.
// Bounds: kMaxAnswer bytes; kPatience for all of it. Spec: RFC 9112 (net/http.h).
// Errors: kUnavailable egress.timeout; kMalformed egress.answer, http.*; kLimitExceeded egress.answer_size; those of
// the
//         resolver, the outlet and channel/tls.h
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/secret.h"
#include "channel/tls.h"
#include "egress/outlet.h"
#include "egress/resolver.h"

namespace gateway::egress {

struct HttpsAnswer {
  int status = 0;
  Bytes body;
};

class HttpsCall {
 public:
  static constexpr std::size_t kMaxAnswer = 64UZ * 1024;
  static constexpr std::chrono::seconds kPatience{30};
  struct Service {
    std::string name;  // that the resolver was told to trust
    std::uint16_t port = 443;
  };
  using Done = std::function<void(Result<HttpsAnswer>)>;

  // `request`: a whole HTTP/1.1 request with "Connection: close". `done` is called once, as the last thing on the
  // loop's stack; never before start() has returned, and not at all after destruction.
  HttpsCall(net::Loop& loop, Outlet& outlet, Resolver& resolver, channel::TlsContext tls, Service service,
            Bytes request, Done done);
  ~HttpsCall();
  HttpsCall(const HttpsCall&) = delete;
  HttpsCall& operator=(const HttpsCall&) = delete;
  void start();

 private:
  void resolve(DnsType type);
  void connect();
  void on_way(Result<Outlet::Way> way);
  void on_event();
  Status exchange();
  Result<bool> read_answer();
  void finish(Result<HttpsAnswer> result);

  net::Loop& loop_;
  Outlet& outlet_;
  Resolver& resolver_;
  channel::TlsContext context_;
  Service service_;
  Bytes request_;
  Done done_;
  std::unique_ptr<net::Timer> timer_;
  std::vector<net::IpAddress> addresses_;
  std::optional<Outlet::Ticket> ticket_;
  std::optional<channel::TlsStream> stream_;
  std::unique_ptr<net::Source> source_;
  bool established_ = false;
  std::size_t sent_ = 0;
  Bytes received_;
  std::optional<HttpsAnswer> answer_;
  bool finished_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace gateway::egress
