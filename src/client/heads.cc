#include "client/heads.h"

#include <algorithm>
#include <array>

namespace gateway::client {
namespace {

constexpr std::array<std::string_view, 9> kHopByHop = {"connection", "keep-alive",          "proxy-authenticate",
                                                       "te",         "proxy-authorization", "proxy-connection",
                                                       "trailer",    "transfer-encoding",   "upgrade"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || kOthers.find(c) != std::string_view::npos;
  });
}

bool is_visible(std::string_view text, bool space_allowed) {
  return std::ranges::all_of(text, [&](char c) {
    return (c > ' ' && c != '\x7f') || (space_allowed && (c == ' ' || c == '\t')) ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

// Whether Connection names this field as one for the next hop only.
bool named_by_connection(const net::HttpHead& head, std::string_view name) {
  for (const auto& header : head.headers) {
    if (!net::header_is(header.name, "connection")) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      std::string_view item = rest.substr(0, comma);
      while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
      while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
      if (same_name(item, name)) return true;
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
  }
  return false;
}

bool passes(const net::HttpHead& head, std::string_view name) {
  if (std::ranges::any_of(kHopByHop, [&](std::string_view hop) { return same_name(hop, name); })) return false;
  if (same_name(name, "content-length") || same_name(name, "host") || same_name(name, "expect")) return false;
  return !named_by_connection(head, name);
}

void put(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

std::unexpected<Error> bad(std::string detail) {
  return fail(ErrorCode::kInvalidArgument, "client.request", std::move(detail));
}

}  // namespace

Result<std::string> write_request_head(std::string_view method, std::string_view target, std::string_view host,
                                       const Headers& headers, std::size_t body_size) {
  if (!is_token(method) || method == "CONNECT") return bad("the method is not one that a request can have");
  if (!target.starts_with('/') || !is_visible(target, false))
    return bad("the target must be a path that starts with /");
  std::string out = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
  put(out, "Host", host);
  for (const auto& [name, value] : headers) {
    if (!is_token(name) || !is_visible(value, true)) return bad("a header is not one line of the grammar");
    if (!passes({}, name)) return bad("Host, Content-Length, Expect and hop-by-hop headers are set by the client");
    put(out, name, value);
  }
  if (body_size > 0 || method == "POST" || method == "PUT" || method == "PATCH") {
    put(out, "Content-Length", std::to_string(body_size));
  }
  return out + "\r\n";
}

std::string forward_request_head(const net::HttpHead& head, std::string_view host, std::string_view authorization) {
  std::string out;
  out.reserve(1024);
  out.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  put(out, "Host", host);
  for (const auto& header : head.headers) {
    if (passes(head, header.name)) put(out, header.name, header.value);
  }
  if (!authorization.empty() && !head.header("authorization")) put(out, "Authorization", authorization);
  if (head.framing == net::Framing::kChunked) put(out, "Transfer-Encoding", "chunked");
  if (head.framing == net::Framing::kLength) put(out, "Content-Length", std::to_string(head.content_length));
  return out.append("\r\n");
}

LocalFraming local_framing(const net::HttpHead& answer, int local_minor_version) {
  const bool sized = answer.framing == net::Framing::kNone || answer.framing == net::Framing::kLength;
  if (sized) return LocalFraming::kAsReceived;
  if (local_minor_version == 0) return LocalFraming::kBare;
  return answer.framing == net::Framing::kChunked ? LocalFraming::kAsReceived : LocalFraming::kChunked;
}

std::string forward_response_head(const net::HttpHead& answer, LocalFraming framing, bool keep_alive) {
  std::string out;
  out.reserve(512);
  // The reason phrase carries nothing that a client may rely on (RFC 9112 §4), so none is passed.
  out.append("HTTP/1.1 ").append(std::to_string(answer.status)).append(" \r\n");
  for (const auto& header : answer.headers) {
    if (passes(answer, header.name)) put(out, header.name, header.value);
  }
  // A HEAD answer may tell the size of a body that does not follow.
  const auto length = answer.header("content-length");
  if (answer.framing == net::Framing::kLength) put(out, "Content-Length", std::to_string(answer.content_length));
  else if (answer.framing == net::Framing::kNone && length) put(out, "Content-Length", *length);
  else if (framing == LocalFraming::kChunked ||
           (framing == LocalFraming::kAsReceived && answer.framing == net::Framing::kChunked)) {
    put(out, "Transfer-Encoding", "chunked");
  }
  put(out, "Connection", keep_alive ? "keep-alive" : "close");
  return out.append("\r\n");
}

}  // namespace gateway::client
