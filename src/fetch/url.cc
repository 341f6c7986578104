#include "fetch/url.h"

#include <arpa/inet.h>

#include <algorithm>

namespace gateway::fetch {
namespace {

constexpr std::string_view kHttps = "https://";
constexpr std::string_view kHttp = "http://";
constexpr std::uint16_t kHttpsPort = 443;
constexpr std::uint16_t kHttpPort = 80;

std::unexpected<Error> bad_url(const char* detail) {
  return fail(ErrorCode::kInvalidArgument, "collateral.fetch.url", detail, "write it as https://HOST[:PORT][/PATH]");
}

std::unexpected<Error> bad_proxy() {
  return fail(ErrorCode::kInvalidArgument, "collateral.fetch.proxy_url",
              "expected an HTTP proxy as http://[USER:PASSWORD@]HOST:PORT", "check --proxy or https_proxy");
}

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

bool on_this_machine(const std::string& host) {
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  return host == "localhost" || host == "::1";
}

// HOST[:PORT], [V6][:PORT]; the net module decides what a host may be: nothing with an '@' is one.
Result<net::Address> parse_authority(std::string_view text, std::uint16_t default_port) {
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  if (has_port) return net::Address::parse_host_port(text);
  return net::Address::parse_host_port(std::string(text) + ":" + std::to_string(default_port));
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  if (text.size() > kMaxUrl) return bad_url("the URL is too long");
  if (!printable(text)) return bad_url("the URL has bytes that no URL may have");
  Url url;
  const bool secure = text.starts_with(kHttps);
  if (!secure && !text.starts_with(kHttp)) return bad_url("the URL does not begin with https://");
  url.scheme = secure ? Scheme::kHttps : Scheme::kHttp;
  text.remove_prefix(secure ? kHttps.size() : kHttp.size());
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  const std::string_view authority = text.substr(0, end);
  if (text.find('#') != std::string_view::npos) return bad_url("the URL has a fragment");
  const auto address = parse_authority(authority, secure ? kHttpsPort : kHttpPort);
  if (!address || address->port == 0) return bad_url("the URL's host and port cannot be understood");
  url.host = address->host;
  url.port = static_cast<std::uint16_t>(address->port);
  url.target = text.substr(end);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  if (!secure && !on_this_machine(url.host)) {
    return fail(ErrorCode::kInvalidArgument, "collateral.fetch.insecure",
                "expected https://, found http:// to another machine", "use the service's https:// address");
  }
  return url;
}

Result<Url> Url::resolve(std::string_view location) const {
  if (location.starts_with('/') && !location.starts_with("//")) {
    const std::string absolute =
        (scheme == Scheme::kHttps ? std::string(kHttps) : std::string(kHttp)) + authority() + std::string(location);
    return parse(absolute);
  }
  return parse(location);
}

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (scheme == Scheme::kHttps ? kHttpsPort : kHttpPort)) out += ":" + std::to_string(port);
  return out;
}

std::string Url::to_string() const {
  return (scheme == Scheme::kHttps ? std::string(kHttps) : std::string(kHttp)) + authority() + target;
}

net::Address Url::address() const { return {.kind = net::Address::Kind::kTcp, .host = host, .port = port}; }

std::string join(std::string_view base, std::string_view path) {
  while (base.ends_with('/')) base.remove_suffix(1);
  return std::string(base) + std::string(path);
}

Result<Proxy> Proxy::parse(std::string_view text) {
  if (text.size() > kMaxUrl || !printable(text)) return bad_proxy();
  if (text.starts_with(kHttp)) text.remove_prefix(kHttp.size());
  if (text.find("://") != std::string_view::npos) return bad_proxy();
  while (text.ends_with('/')) text.remove_suffix(1);
  Proxy proxy;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const auto user = percent_decoded(text.substr(0, at));
    if (!user) return bad_proxy();
    proxy.authorization = "Basic " + to_base64(as_bytes(*user));
    text.remove_prefix(at + 1);
  }
  auto address = parse_authority(text, kHttpPort);
  if (!address || address->port == 0) return bad_proxy();
  proxy.address = *std::move(address);
  return proxy;
}

bool Proxy::serves(std::string_view host) const {
  for (std::string_view list = except; !list.empty();) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (name.starts_with(' ') || name.starts_with('.')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name.empty()) continue;
    const bool below = host.size() > name.size() && host.ends_with(name) && host[host.size() - name.size() - 1] == '.';
    if (name == "*" || name == host || below) return false;
  }
  return true;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out.push_back(text[at]);
      continue;
    }
    const auto byte = from_hex(text.substr(at + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    out.push_back(static_cast<char>(byte->front()));
    at += 2;
  }
  return out;
}

}  // namespace gateway::fetch
