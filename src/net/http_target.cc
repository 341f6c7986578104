#include "net/http.h"
#include "net/http_grammar.h"

namespace gateway::net {
namespace {

using grammar::is;

std::unexpected<Error> bad_target(const char* detail) { return fail(ErrorCode::kMalformed, "http.target", detail); }

// The byte that "%41" at the front of the text stands for.
std::optional<char> percent_decoded(std::string_view text) {
  if (text.size() < 3 || !is(text[1], grammar::kHex) || !is(text[2], grammar::kHex)) return std::nullopt;
  const auto value = [](char c) { return c <= '9' ? c - '0' : grammar::lower(c) - 'a' + 10; };
  return static_cast<char>(value(text[1]) * 16 + value(text[2]));
}

Status append_encoded(std::string_view text, std::string& out) {
  const std::optional<char> byte = percent_decoded(text);
  if (!byte) return bad_target("a percent sign is not followed by two hexadecimal digits");
  const auto value = static_cast<std::uint8_t>(*byte);
  if (value < 0x20 || value == 0x7f) return bad_target("the path has an encoded control byte");
  if (*byte == '/' || *byte == '\\' || *byte == '.' || *byte == ';') {
    return bad_target("the path has an encoded slash, backslash, dot or semicolon");
  }
  if (is(*byte, grammar::kUnreserved)) out += *byte;
  else out += text.substr(0, 3);
  return {};
}

Status check_segments(std::string_view path) {
  std::size_t begin = 1;
  while (true) {
    const std::size_t end = path.find('/', begin);
    const std::string_view segment = path.substr(begin, end == std::string_view::npos ? end : end - begin);
    if (segment == "." || segment == "..") return bad_target("the path has a dot segment");
    if (end == std::string_view::npos) return {};
    if (segment.empty()) return bad_target("the path has an empty segment");
    begin = end + 1;
  }
}

Status check_query(std::string_view query) {
  for (std::size_t i = 0; i < query.size(); ++i) {
    if (is(query[i], grammar::kQuery)) continue;
    if (query[i] != '%' || !percent_decoded(query.substr(i)))
      return bad_target("the query has bytes that no query may have");
  }
  return {};
}

}  // namespace

Result<TargetParts> normalise_target(std::string_view target) {
  const std::size_t mark = target.find('?');
  const std::string_view raw = target.substr(0, mark);
  if (!raw.starts_with('/')) return bad_target("the target does not begin with a slash");
  TargetParts out;
  out.path.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '%') {
      GATEWAY_TRY(append_encoded(raw.substr(i), out.path));
      i += 2;
    } else if (is(raw[i], grammar::kPath)) {
      out.path += raw[i];
    } else {
      return bad_target("the path has bytes that no path may have");
    }
  }
  GATEWAY_TRY(check_segments(out.path));
  if (mark != std::string_view::npos) {
    out.query = target.substr(mark + 1);
    GATEWAY_TRY(check_query(out.query));
  }
  return out;
}

Result<std::optional<std::string_view>> query_value(std::string_view query, std::string_view name) {
  std::optional<std::string_view> found;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) == name) {
      if (found) return fail(ErrorCode::kMalformed, "http.query", "a query parameter is repeated");
      found = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return found;
}

}  // namespace gateway::net
