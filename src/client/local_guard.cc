#include "client/local_guard.h"

#include <algorithm>
#include <array>
#include <string>

namespace gateway::client {
namespace {

bool same_host(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

Status check_local_request(const net::HttpHead& head, std::uint16_t port) {
  std::string_view host;
  std::size_t hosts = 0;
  for (const auto& header : head.headers) {
    if (!net::header_is(header.name, "host")) continue;
    host = header.value;
    ++hosts;
  }
  const std::string suffix = ":" + std::to_string(port);
  constexpr std::array<std::string_view, 3> kNames = {"localhost", "127.0.0.1", "[::1]"};
  const bool ours = std::ranges::any_of(kNames, [&](std::string_view name) {
    return same_host(host, std::string(name) + suffix) || (port == 80 && same_host(host, name));
  });
  if (hosts != 1 || !ours) {
    return fail(ErrorCode::kPolicyRejected, "client.local.host",
                "this port answers to localhost" + suffix + " and 127.0.0.1" + suffix + " only",
                "use one of these as the base URL; a web page that was sent here by its name server gets nothing");
  }
  for (const auto& header : head.headers) {
    if (!net::header_is(header.name, "origin")) continue;
    if (!header.value.starts_with("http://") || !same_host(header.value.substr(7), host)) {
      return fail(ErrorCode::kPolicyRejected, "client.local.origin", "web pages of other origins may not use this port",
                  "call it from a program, not from a page in a browser");
    }
  }
  return {};
}

}  // namespace gateway::client
