// Where collateral services answer: https://HOST[:PORT]/PATH?QUERY, or http:// on this machine alone.
//
// Input:  what people write, and Location headers of services.
// Bounds: kMaxUrl bytes; printable ASCII without white space; no user, no fragment.
// Spec:   RFC 3986, the parts that are needed; RFC 9110 §10.2.2 (Location).
// Errors: kInvalidArgument collateral.fetch.url, collateral.fetch.insecure, collateral.fetch.proxy_url
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "net/address.h"

namespace gateway::fetch {

inline constexpr std::size_t kMaxUrl = 4096;

struct Url {
  enum class Scheme : std::uint8_t { kHttp, kHttps };
  Scheme scheme{};
  std::string host;  // without brackets
  std::uint16_t port = 0;
  std::string target;  // "/path?query"

  // http:// anywhere but on this machine is refused: collateral is signed, but who asks for it and for which machine is
  // nobody's business, and a path without TLS can hold back what revokes.
  static Result<Url> parse(std::string_view text);
  Result<Url> resolve(std::string_view location) const;  // absolute, or beginning with a slash
  std::string authority() const;                         // for Host: the port only where it is not the scheme's own
  std::string to_string() const;
  net::Address address() const;
};

// What base and path make: the base's trailing slashes are dropped.
std::string join(std::string_view base, std::string_view path);

// An HTTP proxy: http://[USER:PASSWORD@]HOST[:PORT][/], or HOST:PORT.
struct Proxy {
  net::Address address;
  std::string authorization;  // the value of Proxy-Authorization; empty: none
  // Hosts that are reached without it, as people write them into no_proxy: names, with those below them; "*": all.
  std::string except{};
  static Result<Proxy> parse(std::string_view text);
  bool serves(std::string_view host) const;
};

// Text with %XX decoded; nullopt when a % is not followed by two hex digits.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace gateway::fetch
