#include <algorithm>
#include <array>
#include <cstring>

#include "net/http.h"
#include "net/http_grammar.h"

namespace gateway::net {
namespace {

using grammar::all;
using grammar::is;

constexpr std::size_t kMaxMethod = 32;
constexpr std::size_t kMaxLengthDigits = 18;  // below 10^18: sums of two never overflow

std::unexpected<Error> malformed(ErrorId id, const char* detail) { return fail(ErrorCode::kMalformed, id, detail); }

// The size of the head with its empty line; nullopt while that has not come. A bare LF is refused at once.
Result<std::optional<std::size_t>> find_end(std::string_view text, std::size_t max_head) {
  std::size_t line = 0;
  const std::string_view window = text.substr(0, max_head);
  while (true) {
    const std::size_t feed = window.find('\n', line);
    if (feed == std::string_view::npos) break;
    if (feed == line || window[feed - 1] != '\r') {
      return malformed("http.header", "a line does not end with carriage return and line feed");
    }
    if (feed == line + 1) return feed + 1;
    line = feed + 1;
  }
  if (text.size() >= max_head) {
    return fail(ErrorCode::kLimitExceeded, "http.head_size",
                "the head is larger than " + std::to_string(max_head) + " bytes");
  }
  return std::nullopt;
}

// "HTTP/1.0" or "HTTP/1.1".
Status parse_version(std::string_view text, HttpHead& out, ErrorId malformed_id) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(text[5]) || text[6] != '.' || !digit(text[7])) {
    return malformed(malformed_id, "the version is not of the form HTTP/1.1");
  }
  if (text[5] != '1' || text[7] > '1') {
    return fail(ErrorCode::kUnsupported, "http.version", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  out.minor_version = text[7] - '0';
  return {};
}

Status parse_request_line(std::string_view line, const HttpLimits& limits, HttpHead& out) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return malformed("http.request_line", "the request line is not a method, a target and a version");
  }
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, last - first - 1);
  if (out.method.empty() || out.method.size() > kMaxMethod || !all(out.method, grammar::kToken)) {
    return malformed("http.request_line", "the method is not a token");
  }
  if (out.target.size() > limits.max_target) {
    return fail(ErrorCode::kLimitExceeded, "http.target_size",
                "the target is longer than " + std::to_string(limits.max_target) + " bytes");
  }
  if (out.target.empty() || !all(out.target, grammar::kVisible)) {
    return malformed("http.request_line", "the target is empty or has bytes that no target may have");
  }
  if (out.target.front() != '/' || out.method == "CONNECT") {
    return malformed("http.target", "only targets that begin with a slash are answered here");
  }
  return parse_version(line.substr(last + 1), out, "http.request_line");
}

// "HTTP/1.1 200 Reason"; the reason may be empty, and so may its space.
Status parse_status_line(std::string_view line, HttpHead& out) {
  if (line.size() < 12 || line[8] != ' ') return malformed("http.status_line", "the status line is too short");
  GATEWAY_TRY(parse_version(line.substr(0, 8), out, "http.status_line"));
  int status = 0;
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return malformed("http.status_line", "the status is not a number of three digits");
    status = status * 10 + (c - '0');
  }
  if (status < 100 || status > 599) return malformed("http.status_line", "the status is not between 100 and 599");
  if (line.size() > 12 && (line[12] != ' ' || !all(line.substr(13), grammar::kValue))) {
    return malformed("http.status_line", "the reason has bytes that no reason may have");
  }
  out.status = status;
  return {};
}

Result<HttpHeader> parse_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return malformed("http.header", "a header has no name");
  const HttpHeader out{line.substr(0, colon), grammar::trim(line.substr(colon + 1))};
  // Refuses white space before the colon and folded lines too: neither is a token character.
  if (!all(out.name, grammar::kToken)) return malformed("http.header", "a header's name is not a token");
  if (!all(out.value, grammar::kValue)) return malformed("http.header", "a header's value has control bytes");
  return out;
}

Result<std::uint64_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > kMaxLengthDigits) {
    return malformed("http.framing", "Content-Length is empty or has too many digits");
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return malformed("http.framing", "Content-Length is not a number");
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// What the headers of one message say about its framing and its connection.
struct Fields {
  std::optional<std::uint64_t> length;
  bool chunked = false;
  std::size_t hosts = 0;
  bool close = false;
  bool keep_alive = false;
};

Status note_transfer_encoding(std::string_view value, Fields& fields) {
  if (fields.chunked) return malformed("http.framing", "Transfer-Encoding is repeated");
  if (!header_is(value, "chunked")) {
    return malformed("http.framing", "the only transfer coding that is understood here is chunked, alone");
  }
  fields.chunked = true;
  return {};
}

Status note_field(const HttpHeader& field, HttpHead& out, Fields& fields) {
  // Lengths first: most names match none of them.
  switch (field.name.size()) {
    case 4:
      if (header_is(field.name, "host")) {
        ++fields.hosts;
        if (!all(field.value, grammar::kHost)) return malformed("http.host", "Host has bytes that no host may have");
      }
      return {};
    case 6:
      if (header_is(field.name, "expect") && header_is(field.value, "100-continue")) out.expect_continue = true;
      return {};
    case 10:
      if (header_is(field.name, "connection")) {
        fields.close = fields.close || list_contains(field.value, "close");
        fields.keep_alive = fields.keep_alive || list_contains(field.value, "keep-alive");
      }
      return {};
    case 14:
      if (header_is(field.name, "content-length")) {
        if (fields.length) return malformed("http.framing", "Content-Length is repeated");
        GATEWAY_ASSIGN(fields.length, parse_length(field.value));
      }
      return {};
    case 17:
      if (header_is(field.name, "transfer-encoding")) return note_transfer_encoding(field.value, fields);
      return {};
    default: return {};
  }
}

Result<Fields> parse_fields(std::string_view text, const HttpLimits& limits, HttpHead& out) {
  Fields fields;
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");  // always there: find_end saw it
    if (end == 0) break;
    if (out.headers.size() == limits.max_headers) {
      return fail(ErrorCode::kLimitExceeded, "http.header_count",
                  "there are more than " + std::to_string(limits.max_headers) + " headers");
    }
    GATEWAY_ASSIGN(const HttpHeader field, parse_header(text.substr(0, end)));
    out.headers.push_back(field);
    GATEWAY_TRY(note_field(field, out, fields));
    text.remove_prefix(end + 2);
  }
  if (fields.chunked && fields.length) {
    return malformed("http.framing", "Content-Length and Transfer-Encoding must not come together");
  }
  if (fields.chunked && out.minor_version == 0) {
    return malformed("http.framing", "HTTP/1.0 has no Transfer-Encoding");
  }
  out.content_length = fields.length.value_or(0);
  out.keep_alive = !fields.close && (out.minor_version == 1 || fields.keep_alive);
  return fields;
}

void reset(HttpHead& out) {
  out.method = {};
  out.target = {};
  out.status = 0;
  out.minor_version = 1;
  out.headers.clear();
  out.framing = Framing::kNone;
  out.content_length = 0;
  out.keep_alive = true;
  out.expect_continue = false;
}

}  // namespace

bool header_is(std::string_view name, std::string_view lower_case) {
  if (name.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (grammar::lower(name[i]) != lower_case[i]) return false;
  }
  return true;
}

bool list_contains(std::string_view list, std::string_view lower_case) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (header_is(grammar::trim(list.substr(0, comma)), lower_case)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

std::optional<std::string_view> HttpHead::header(std::string_view lower_case) const {
  for (const HttpHeader& each : headers) {
    if (header_is(each.name, lower_case)) return each.value;
  }
  return std::nullopt;
}

bool is_hop_by_hop(const HttpHead& head, std::string_view name) {
  static constexpr std::array<std::string_view, 8> kNames{"connection", "keep-alive",    "proxy-connection",
                                                          "te",         "trailer",       "transfer-encoding",
                                                          "upgrade",    "http2-settings"};
  for (const std::string_view each : kNames) {
    if (header_is(name, each)) return true;
  }
  for (const HttpHeader& each : head.headers) {
    if (!header_is(each.name, "connection")) continue;
    std::string_view list = each.value;
    while (!list.empty()) {
      const std::size_t comma = list.find(',');
      const std::string_view token = grammar::trim(list.substr(0, comma));
      if (token.size() == name.size() && std::ranges::equal(token, name, {}, grammar::lower, grammar::lower))
        return true;
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
  }
  return false;
}

Result<std::optional<std::size_t>> parse_request_head(ByteView buffer, const HttpLimits& limits, HttpHead& out) {
  const std::string_view text = as_text(buffer);
  GATEWAY_ASSIGN(const std::optional<std::size_t> size, find_end(text, limits.max_head));
  if (!size) return std::nullopt;
  reset(out);
  const std::size_t line_end = text.find("\r\n");
  GATEWAY_TRY(parse_request_line(text.substr(0, line_end), limits, out));
  GATEWAY_ASSIGN(const Fields fields, parse_fields(text.substr(line_end + 2, *size - line_end - 2), limits, out));
  if (fields.hosts > 1 || (fields.hosts == 0 && out.minor_version == 1)) {
    return malformed("http.host", "a request has exactly one Host");
  }
  if (fields.chunked) out.framing = Framing::kChunked;
  else if (out.content_length > 0) out.framing = Framing::kLength;
  return size;
}

Result<std::optional<std::size_t>> parse_response_head(ByteView buffer, const HttpLimits& limits,
                                                       std::string_view request_method, HttpHead& out) {
  const std::string_view text = as_text(buffer);
  GATEWAY_ASSIGN(const std::optional<std::size_t> size, find_end(text, limits.max_head));
  if (!size) return std::nullopt;
  reset(out);
  const std::size_t line_end = text.find("\r\n");
  GATEWAY_TRY(parse_status_line(text.substr(0, line_end), out));
  GATEWAY_ASSIGN(const Fields fields, parse_fields(text.substr(line_end + 2, *size - line_end - 2), limits, out));
  // RFC 9112 §6.3: these never have a body, whatever their headers say.
  if (request_method == "HEAD" || out.status < 200 || out.status == 204 || out.status == 304) {
    out.framing = Framing::kNone;
  } else if (fields.chunked) {
    out.framing = Framing::kChunked;
  } else if (fields.length) {
    out.framing = out.content_length > 0 ? Framing::kLength : Framing::kNone;
  } else {
    out.framing = Framing::kUntilClose;
    out.keep_alive = false;
  }
  return size;
}

}  // namespace gateway::net
