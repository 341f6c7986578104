#include "codec/json_cursor.h"

#include <algorithm>
#include <string>

namespace gateway::codec {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
// Printable ASCII but '"' and '\': what a text may hold that is read as it stands.
bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

std::unexpected<Error> syntax(std::size_t at) {
  return fail(ErrorCode::kMalformed, "json.syntax", "not JSON at byte " + std::to_string(at));
}
std::unexpected<Error> other_type(const char* expected, std::size_t at) {
  return fail(ErrorCode::kMalformed, "json.type",
              std::string("expected ") + expected + " at byte " + std::to_string(at) + ", found something else");
}

// The length of a well-formed UTF-8 sequence at the front (RFC 3629), 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool second = follows(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf);
    return second && follows(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool second = follows(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

Result<JsonCursor> JsonCursor::open(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes) {
    return fail(ErrorCode::kLimitExceeded, "json.size",
                "the text has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(limits.bytes) +
                    " are read");
  }
  return JsonCursor(text, limits);
}

void JsonCursor::white_space() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

bool JsonCursor::next_is(char c) {
  white_space();
  return at_ < text_.size() && text_[at_] == c;
}

bool JsonCursor::take(char c) {
  if (!next_is(c)) return false;
  ++at_;
  return true;
}

std::size_t JsonCursor::offset() {
  white_space();
  return at_;
}

Status JsonCursor::enter(char open, bool object) {
  if (frames_.size() == limits_.depth) {
    return fail(ErrorCode::kLimitExceeded, "json.depth", "deeper than " + std::to_string(limits_.depth) + " levels");
  }
  if (!take(open)) return other_type(object ? "an object" : "an array", at_);
  frames_.push_back({.first = true, .object = object, .keys_from = keys_.size()});
  return {};
}

Status JsonCursor::object() { return enter('{', true); }
Status JsonCursor::array() { return enter('[', false); }

// Whether another member follows; past the comma if so, past the end (and out of the frame) if not.
Result<bool> JsonCursor::more(char close) {
  if (take(close)) {
    keys_.resize(frames_.back().keys_from);
    frames_.pop_back();
    return false;
  }
  if (std::exchange(frames_.back().first, false)) return true;
  if (!take(',')) return syntax(at_);
  return true;
}

Result<bool> JsonCursor::element() { return more(']'); }

Result<std::optional<std::string_view>> JsonCursor::key() {
  GATEWAY_ASSIGN(const bool another, more('}'));
  if (!another) return std::nullopt;
  GATEWAY_ASSIGN(const std::string_view name, text());
  if (!take(':')) return syntax(at_);
  const std::size_t from = frames_.back().keys_from;
  if (std::find(keys_.begin() + static_cast<std::ptrdiff_t>(from), keys_.end(), name) != keys_.end()) {
    return fail(ErrorCode::kMalformed, "json.duplicate_key", "an object has two members of one name");
  }
  if (keys_.size() - from == limits_.members) {
    return fail(ErrorCode::kLimitExceeded, "json.members",
                "an object has more than " + std::to_string(limits_.members) + " members");
  }
  keys_.push_back(name);
  return name;
}

Result<std::string_view> JsonCursor::text() {
  if (!take('"')) return other_type("a text", at_);
  const std::size_t from = at_;
  while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
  if (at_ == text_.size() || text_[at_] != '"') {
    return other_type("a text of printable ASCII without escapes", at_);
  }
  return text_.substr(from, at_++ - from);
}

Result<std::uint64_t> JsonCursor::number(std::uint64_t max) {
  white_space();
  const std::size_t from = at_;
  std::uint64_t value = 0;
  for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
    const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
    if (digit > max || value > (max - digit) / 10) {
      return fail(ErrorCode::kMalformed, "json.number", "a number is larger than " + std::to_string(max));
    }
    value = value * 10 + digit;
  }
  const bool leading_zero = at_ - from > 1 && text_[from] == '0';
  const bool goes_on = at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E');
  if (at_ == from || leading_zero || goes_on) return other_type("a plain non-negative integer", at_);
  return value;
}

// The code unit of a \u escape at the front; nothing if there is none.
std::optional<unsigned> JsonCursor::unicode_escape() const {
  const std::string_view rest = text_.substr(at_);
  if (rest.size() < 6 || rest[0] != '\\' || rest[1] != 'u') return std::nullopt;
  unsigned unit = 0;
  for (const char c : rest.substr(2, 4)) {
    if (!is_hex(c)) return std::nullopt;
    unit = unit * 16 + static_cast<unsigned>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return unit;
}

Status JsonCursor::pass_escape() {
  const char kind = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  if (kind != 'u') {
    if (kind == '\0' || std::string_view("\"\\/bfnrt").find(kind) == std::string_view::npos) return syntax(at_);
    at_ += 2;
    return {};
  }
  const auto unit = unicode_escape();
  if (!unit || (*unit >= 0xdc00 && *unit <= 0xdfff)) return syntax(at_);
  at_ += 6;
  if (*unit < 0xd800 || *unit > 0xdfff) return {};
  const auto low = unicode_escape();  // surrogates come in pairs
  if (!low || *low < 0xdc00 || *low > 0xdfff) return syntax(at_);
  at_ += 6;
  return {};
}

Status JsonCursor::pass_text() {
  ++at_;  // the quote
  while (at_ < text_.size() && text_[at_] != '"') {
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte == '\\') {
      GATEWAY_TRY(pass_escape());
    } else if (byte >= 0x80) {
      const std::size_t length = utf8_length(text_.substr(at_));
      if (length == 0) return syntax(at_);
      at_ += length;
    } else {
      if (byte < 0x20) return syntax(at_);
      ++at_;
    }
  }
  if (at_ == text_.size()) return syntax(at_);
  ++at_;
  return {};
}

Status JsonCursor::pass_number() {
  const auto digits = [&] {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ - from;
  };
  const auto at_one_of = [&](std::string_view set) {
    return at_ < text_.size() && set.find(text_[at_]) != std::string_view::npos;
  };
  if (at_one_of("-")) ++at_;
  const bool zero = at_one_of("0");
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return syntax(at_);
  if (at_one_of(".")) {
    ++at_;
    if (digits() == 0) return syntax(at_);
  }
  if (at_one_of("eE")) {
    ++at_;
    if (at_one_of("+-")) ++at_;
    if (digits() == 0) return syntax(at_);
  }
  return {};
}

Status JsonCursor::pass_word(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) return syntax(at_);
  at_ += word.size();
  return {};
}

// Without recursion: what is passed over may be as deep as the limit, whatever the stack.
Status JsonCursor::skip() {
  const std::size_t outside = frames_.size();
  do {
    if (frames_.size() > outside) {
      if (frames_.back().object) {
        GATEWAY_ASSIGN(const auto name, key());
        if (!name) continue;
      } else {
        GATEWAY_ASSIGN(const bool another, element());
        if (!another) continue;
      }
    }
    white_space();
    if (at_ == text_.size()) return syntax(at_);
    switch (text_[at_]) {
      case '{': GATEWAY_TRY(object()); break;
      case '[': GATEWAY_TRY(array()); break;
      case '"': GATEWAY_TRY(pass_text()); break;
      case 't': GATEWAY_TRY(pass_word("true")); break;
      case 'f': GATEWAY_TRY(pass_word("false")); break;
      case 'n': GATEWAY_TRY(pass_word("null")); break;
      default: GATEWAY_TRY(pass_number()); break;
    }
  } while (frames_.size() > outside);
  return {};
}

Status JsonCursor::finish() const {
  JsonCursor rest = *this;
  rest.white_space();
  if (!rest.frames_.empty() || rest.at_ != text_.size()) return syntax(rest.at_);
  return {};
}

}  // namespace gateway::codec
