// What a program says to a proxy: HTTP's CONNECT, or SOCKS5. Both on one port: the first byte tells them apart.
//
// Input:  from the workload, untrusted. Bounds: kMaxProxyHead.
// Spec:   RFC 9110 §9.3.6, RFC 9112 §3.2.3; RFC 1928 (CONNECT, no authentication).
// Errors: kMalformed egress.proxy
#pragma once

#include <optional>
#include <string>

#include "net/egress_link.h"

namespace gateway::egress {

inline constexpr std::size_t kMaxProxyHead = 8UZ * 1024;

enum class ProxyKind : std::uint8_t { kHttp, kSocks };

// Where somebody wants to go: a name in lower case, or an address.
struct Wanted {
  std::string name;  // empty: by address
  std::optional<net::IpAddress> address;
  std::uint16_t port = 0;
  std::string to_string() const;  // for people
};

// Fed with bytes until it says where to go.
class ProxyRequest {
 public:
  struct Step {
    Bytes reply;                   // to be sent now
    std::optional<Wanted> wanted;  // once it is known
  };
  Result<Step> take(ByteView bytes);
  ProxyKind kind() const { return kind_; }
  // What came behind the request: with CONNECT, the first bytes of what is to be carried.
  Bytes take_rest() { return std::move(buffer_); }

 private:
  Result<Step> take_socks();
  Result<Step> take_connect();

  ProxyKind kind_ = ProxyKind::kHttp;
  bool greeted_ = false;
  Bytes buffer_;
};

// The last word before the bytes of the connection itself, or instead of them.
Bytes proxy_accepts(ProxyKind kind);
enum class ProxyRefusal : std::uint8_t { kForbidden, kUnreachable, kTimedOut, kMalformed, kBusy };
Bytes proxy_refuses(ProxyKind kind, ProxyRefusal why, std::string_view text);

// "name:443", "[2001:db8::1]:443"; a name is put into lower case and a dot at its end dropped.
std::optional<Wanted> parse_wanted(std::string_view host, std::uint16_t port);

}  // namespace gateway::egress
