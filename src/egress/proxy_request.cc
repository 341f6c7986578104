#include "egress/proxy_request.h"

#include <array>
#include <charconv>

namespace gateway::egress {
namespace {

constexpr std::uint8_t kSocksVersion = 5;
constexpr std::uint8_t kSocksConnect = 1;
constexpr std::uint8_t kSocksV4 = 1;
constexpr std::uint8_t kSocksName = 3;
constexpr std::uint8_t kSocksV6 = 4;

std::unexpected<Error> bad_request(const char* what) {
  return fail(ErrorCode::kMalformed, "egress.proxy", what, "this proxy speaks HTTP's CONNECT, and SOCKS5's");
}

std::optional<Wanted> parse_authority(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = authority.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  std::string_view host = authority.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!host.contains(':')) return std::nullopt;
  } else if (host.contains(':')) {
    return std::nullopt;
  }
  return parse_wanted(host, port);
}

}  // namespace

std::string Wanted::to_string() const {
  if (!name.empty()) return name + ":" + std::to_string(port);
  return net::IpEndpoint{address.value_or(net::IpAddress{}), port}.to_string();
}

std::optional<Wanted> parse_wanted(std::string_view host, std::uint16_t port) {
  if (port == 0) return std::nullopt;
  if (const auto address = net::IpAddress::parse(host)) return Wanted{{}, address, port};
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string name(host);
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!net::well_formed_host_name(name)) return std::nullopt;
  return Wanted{std::move(name), std::nullopt, port};
}

Result<ProxyRequest::Step> ProxyRequest::take(ByteView bytes) {
  append(buffer_, bytes);
  if (buffer_.empty()) return Step{};
  kind_ = greeted_ || buffer_.front() == kSocksVersion ? ProxyKind::kSocks : ProxyKind::kHttp;
  auto step = kind_ == ProxyKind::kSocks ? take_socks() : take_connect();
  if (step && !step->wanted && buffer_.size() > kMaxProxyHead) return bad_request("the request is too long");
  return step;
}

Result<ProxyRequest::Step> ProxyRequest::take_socks() {
  Step out;
  if (!greeted_) {
    if (buffer_.size() < 2 || buffer_.size() < 2UZ + buffer_[1]) return out;
    const ByteView methods = ByteView(buffer_).subspan(2, buffer_[1]);
    bool none_offered = false;
    for (const std::uint8_t method : methods) none_offered = none_offered || method == 0;
    if (!none_offered) return bad_request("SOCKS5 with authentication alone");
    buffer_.erase(buffer_.begin(), buffer_.begin() + 2 + static_cast<std::ptrdiff_t>(methods.size()));
    greeted_ = true;
    out.reply = {kSocksVersion, 0};
  }
  if (buffer_.size() < 5) return out;
  if (buffer_[0] != kSocksVersion || buffer_[1] != kSocksConnect || buffer_[2] != 0) {
    return bad_request("SOCKS5, but no CONNECT");
  }
  const std::uint8_t type = buffer_[3];
  const std::size_t start = type == kSocksName ? 5 : 4;
  const std::size_t length = type == kSocksV4 ? 4 : type == kSocksV6 ? 16 : buffer_[4];
  if (type != kSocksV4 && type != kSocksV6 && type != kSocksName) return bad_request("an unknown kind of address");
  if (buffer_.size() < start + length + 2) return out;
  const ByteView host = ByteView(buffer_).subspan(start, length);
  const auto port = static_cast<std::uint16_t>(buffer_[start + length] << 8U | buffer_[start + length + 1]);
  if (type == kSocksName) {
    out.wanted = parse_wanted(as_text(host), port);
  } else if (port != 0) {
    out.wanted = Wanted{{}, net::IpAddress::from_bytes(host), port};
  }
  if (!out.wanted) return bad_request("neither a host's name nor an address, or port 0");
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start + length + 2));
  return out;
}

Result<ProxyRequest::Step> ProxyRequest::take_connect() {
  const std::string_view text = as_text(buffer_);
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return Step{};
  const std::string_view line = text.substr(0, text.find("\r\n"));
  constexpr std::string_view kMethod = "CONNECT ";
  const std::size_t space = line.rfind(' ');
  if (!line.starts_with(kMethod) || space < kMethod.size() ||
      (line.substr(space) != " HTTP/1.1" && line.substr(space) != " HTTP/1.0")) {
    return bad_request("not a CONNECT of HTTP/1.1");
  }
  Step out;
  out.wanted = parse_authority(line.substr(kMethod.size(), space - kMethod.size()));
  if (!out.wanted) return bad_request("CONNECT without NAME:PORT");
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(end + 4));
  return out;
}

Bytes proxy_accepts(ProxyKind kind) {
  if (kind == ProxyKind::kHttp) return to_bytes("HTTP/1.1 200 Connection established\r\n\r\n");
  return {kSocksVersion, 0, 0, kSocksV4, 0, 0, 0, 0, 0, 0};
}

Bytes proxy_refuses(ProxyKind kind, ProxyRefusal why, std::string_view text) {
  struct Words {
    std::string_view status;
    std::uint8_t socks;
  };
  static constexpr std::array<Words, 5> kWords{{{"403 Forbidden", 2},
                                                {"502 Bad Gateway", 4},
                                                {"504 Gateway Timeout", 4},
                                                {"400 Bad Request", 7},
                                                {"503 Service Unavailable", 1}}};
  const Words& words = kWords[static_cast<std::size_t>(why)];
  if (kind == ProxyKind::kSocks) return {kSocksVersion, words.socks, 0, kSocksV4, 0, 0, 0, 0, 0, 0};
  return to_bytes("HTTP/1.1 " + std::string(words.status) +
                  "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
                  std::to_string(text.size() + 1) + "\r\n\r\n" + std::string(text) + "\n");
}

}  // namespace gateway::egress
