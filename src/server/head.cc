#include "server/head.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

namespace gateway::server {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";  // RFC 9112 §4: the reason may be empty
  }
}

void put(Bytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

void put_number(Bytes& out, std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.insert(out.end(), digits.data(), end);
}

void put_field(Bytes& out, std::string_view name, std::string_view value) {
  put(out, name);
  put(out, ": ");
  put(out, value);
  put(out, kLineEnd);
}

void put_status_line(Bytes& out, int status) {
  put(out, "HTTP/1.1 ");
  put_number(out, static_cast<std::uint64_t>(status));
  out.push_back(' ');
  put(out, reason_of(status));
  put(out, kLineEnd);
}

void put_connection(Bytes& out, CallerProtocol caller) {
  if (caller.persistence == Persistence::kClose) put(out, "Connection: close\r\n");
  else if (caller.minor_version == 0) put(out, "Connection: keep-alive\r\n");
}

void put_announcement(Bytes& out, BodyAnnouncement body) {
  if (body.chunked) {
    put(out, "Transfer-Encoding: chunked\r\n");
  } else if (body.length) {
    put(out, "Content-Length: ");
    put_number(out, *body.length);
    put(out, kLineEnd);
  }
}

bool names_connection(const net::HttpHead& head) {
  return std::ranges::any_of(head.headers, [](const net::HttpHeader& each) {
    return each.name.size() == 10 && net::header_is(each.name, "connection");
  });
}

// Fields of one connection alone. Without a Connection field only the fixed names matter: told apart by their lengths.
bool stays_here(const net::HttpHead& head, bool has_connection, std::string_view name) {
  switch (name.size()) {
    case 2:
    case 7:
    case 10:
    case 14:
    case 16:
    case 17: break;
    default:
      if (!has_connection) return false;
  }
  return net::header_is(name, "content-length") || net::is_hop_by_hop(head, name);
}

bool is_for_the_runtime(std::string_view name) {
  switch (name.size()) {
    case 6: return net::header_is(name, "expect");
    case 13: return net::header_is(name, "authorization");
    case 19: return net::header_is(name, "proxy-authorization");
    case kClientClaimHeader.size(): return net::header_is(name, kClientClaimHeader);
    default: return false;
  }
}

void append_json_text(Bytes& out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(static_cast<std::uint8_t>(static_cast<unsigned char>(c) < 0x20 ? ' ' : c));
  }
}

}  // namespace

LocalResponse refuse(int status, ErrorId id, std::string_view message, std::string_view extra_headers) {
  LocalResponse out{.status = status, .media_type = "application/json", .body = {}, .extra_headers = extra_headers};
  put(out.body, R"({"error":{"id":")");
  put(out.body, id.view());
  put(out.body, R"(","message":")");
  append_json_text(out.body, message);
  put(out.body, "\"}}\n");
  return out;
}

void append_local_head(Bytes& out, const LocalResponse& response, CallerProtocol caller) {
  put_status_line(out, response.status);
  const bool has_body = response.status >= 200 && response.status != 204 && response.status != 304;
  if (has_body) {
    put_field(out, "Content-Type", response.media_type);
    put_announcement(out, {.length = response.body.size()});
  }
  put(out, response.extra_headers);
  put(out, response.more_headers);
  put_connection(out, caller);
  put(out, kLineEnd);
}

void begin_request_head(Bytes& out, const net::HttpHead& head, std::string_view target, std::string_view claim) {
  put(out, head.method);
  out.push_back(' ');
  put(out, target);
  put(out, " HTTP/1.1\r\n");
  const bool has_connection = names_connection(head);
  bool has_host = false;
  for (const net::HttpHeader& each : head.headers) {
    // Host goes first in importance: a Connection field that names it cannot remove it.
    const bool host = net::header_is(each.name, "host");
    has_host = has_host || host;
    if (!host && (stays_here(head, has_connection, each.name) || is_for_the_runtime(each.name))) continue;
    if (each.name.find('_') != std::string_view::npos) continue;
    put_field(out, each.name, each.value);
  }
  if (!has_host) put(out, "Host: localhost\r\n");
  if (!claim.empty()) put_field(out, kClientClaimHeader, claim);
}

void end_request_head(Bytes& out, BodyAnnouncement body) {
  put_announcement(out, body);
  put(out, kLineEnd);
}

void append_response_head(Bytes& out, const net::HttpHead& head, BodyAnnouncement body, CallerProtocol caller) {
  put_status_line(out, head.status);
  const bool has_connection = names_connection(head);
  for (const net::HttpHeader& each : head.headers) {
    if (!stays_here(head, has_connection, each.name)) put_field(out, each.name, each.value);
  }
  put_announcement(out, body);
  put_connection(out, caller);
  put(out, kLineEnd);
}

ChunkWriter::ChunkWriter(Bytes& out, std::size_t at_most)
    : out_(out), begin_(out.size()), digits_((static_cast<std::size_t>(std::bit_width(at_most)) + 3) / 4) {
  out_.insert(out_.end(), digits_, '0');
  put(out_, kLineEnd);
}

void ChunkWriter::close() {
  std::size_t size = out_.size() - begin_ - digits_ - kLineEnd.size();
  if (size == 0) {
    out_.resize(begin_);
    return;
  }
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::size_t unused = digits_;
  for (; size > 0; size >>= 4) out_[begin_ + --unused] = static_cast<std::uint8_t>(kDigits[size & 15]);
  // A payload much smaller than announced leaves leading zeros: legal, but not everybody's parser likes them.
  const auto begin = out_.begin() + static_cast<std::ptrdiff_t>(begin_);
  out_.erase(begin, begin + static_cast<std::ptrdiff_t>(unused));
  put(out_, kLineEnd);
}

}  // namespace gateway::server
