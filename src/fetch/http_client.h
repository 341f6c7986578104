// One GET over HTTPS (or HTTP on this machine), directly or through a proxy's CONNECT. Blocks, within its time.
//
// Input:  untrusted, from services and proxies: nothing here is believed because it came over TLS.
// Bounds: HttpClientOptions; a head of at most kMaxHead bytes; max_redirects, within one scheme.
// Spec:   RFC 9110, RFC 9112 (net/http.h), RFC 9110 §9.3.6 (CONNECT).
// Errors: kUnavailable collateral.fetch.timeout, collateral.fetch.truncated, collateral.fetch.proxy, and net.connect;
//         kLimitExceeded collateral.fetch.size; kMalformed collateral.fetch.redirect, collateral.fetch.encoding,
//         http.…; kNotAuthentic tls.…
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "channel/tls.h"
#include "fetch/url.h"

namespace gateway::fetch {

inline constexpr std::size_t kMaxHead = 64UZ * 1024;  // issuer chains come in headers

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  Bytes body;
  std::optional<std::string_view> header(std::string_view lower_case) const;  // the first of that name
};

struct HttpClientOptions {
  Duration timeout = std::chrono::seconds(30);  // a whole GET, redirects included
  std::size_t max_body = 4UZ * 1024 * 1024;
  unsigned max_redirects = 3;
  std::optional<Proxy> proxy{};  // for https:// alone: http:// stays on this machine
};

class HttpClient {
 public:
  HttpClient(channel::TlsContext tls, HttpClientOptions options) : tls_(std::move(tls)), options_(std::move(options)) {}
  Result<HttpResponse> get(const Url& url) const;

 private:
  channel::TlsContext tls_;
  HttpClientOptions options_;
};

}  // namespace gateway::fetch
