// Character classes of RFC 9110 §5.6 and RFC 3986, shared by the HTTP sources of this module.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace gateway::net::grammar {

enum Class : std::uint8_t {
  kToken = 1,       // tchar
  kValue = 2,       // field-vchar, SP, HTAB, obs-text
  kVisible = 4,     // 0x21 to 0x7e
  kUnreserved = 8,  // RFC 3986 §2.3
  kPath = 16,       // pchar without "%" and ";", and "/"
  kQuery = 32,      // pchar without "%", "/" and "?"
  kHex = 64,
  kHost = 128,  // uri-host and port, IP literals included
};

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> table{};
  const auto add = [&table](std::string_view characters, std::uint8_t bits) {
    for (const char c : characters) table[static_cast<std::uint8_t>(c)] |= bits;
  };
  for (unsigned c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (digit || alpha) table[c] |= kToken | kUnreserved | kPath | kQuery | kHost;
    if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) table[c] |= kHex;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) table[c] |= kValue;
    if (c > 0x20 && c < 0x7f) table[c] |= kVisible;
  }
  add("!#$%&'*+-.^_`|~", kToken);
  add("-._~", kUnreserved | kPath | kQuery | kHost);
  add("!$&'()*+,=:@", kPath | kQuery);
  add("/", kPath | kQuery);
  add(";?", kQuery);
  add("!$&'()*+;=:[]%", kHost);
  return table;
}
inline constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

constexpr bool is(char c, Class wanted) { return (kClasses[static_cast<std::uint8_t>(c)] & wanted) != 0; }
constexpr bool all(std::string_view text, Class wanted) {
  for (const char c : text) {
    if (!is(c, wanted)) return false;
  }
  return true;
}
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace gateway::net::grammar
