#include "codec/json.h"

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <set>
#include <vector>

namespace gateway::codec {
namespace {

enum class Refusal : std::uint8_t { kNone, kDuplicateKey, kValues, kNumber };

// Builds a value from the parser's events and refuses what the library would let pass: it keeps the last of two equal
// keys, where another reader of the same text may keep the first.
struct Handler {
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  using Ec = boost::json::error_code;

  std::size_t values_left = 0;
  Refusal refusal = Refusal::kNone;
  boost::json::value_stack stack;
  std::vector<std::set<std::string>> keys;  // ordered: a hash could be made to collide
  std::string partial_key;
  std::string partial_number;

  bool refuse(Refusal why, Ec& ec) {
    refusal = why;
    ec = boost::json::error::syntax;
    return false;
  }
  bool count(Ec& ec) {
    if (values_left == 0) return refuse(Refusal::kValues, ec);
    --values_left;
    return true;
  }

  bool on_document_begin(Ec&) {
    stack.reset();
    return true;
  }
  bool on_document_end(Ec&) { return true; }
  bool on_object_begin(Ec& ec) {
    keys.emplace_back();
    return count(ec);
  }
  bool on_object_end(std::size_t size, Ec&) {
    keys.pop_back();
    stack.push_object(size);
    return true;
  }
  bool on_array_begin(Ec& ec) { return count(ec); }
  bool on_array_end(std::size_t size, Ec&) {
    stack.push_array(size);
    return true;
  }
  bool on_key_part(boost::json::string_view part, std::size_t, Ec&) {
    partial_key.append(part.data(), part.size());
    stack.push_chars(part);
    return true;
  }
  bool on_key(boost::json::string_view rest, std::size_t, Ec& ec) {
    partial_key.append(rest.data(), rest.size());
    if (!keys.back().insert(std::exchange(partial_key, {})).second) return refuse(Refusal::kDuplicateKey, ec);
    stack.push_key(rest);
    return true;
  }
  bool on_string_part(boost::json::string_view part, std::size_t, Ec&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(boost::json::string_view rest, std::size_t, Ec& ec) {
    stack.push_string(rest);
    return count(ec);
  }
  bool on_number_part(boost::json::string_view part, Ec&) {
    partial_number.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t value, boost::json::string_view, Ec& ec) {
    partial_number.clear();
    stack.push_int64(value);
    return count(ec);
  }
  bool on_uint64(std::uint64_t value, boost::json::string_view, Ec& ec) {
    partial_number.clear();
    stack.push_uint64(value);
    return count(ec);
  }
  // The library's own value may be off in the last place, and it turns an integer beyond 64 bits into a float.
  bool on_double(double, boost::json::string_view rest, Ec& ec) {
    partial_number.append(rest.data(), rest.size());
    const std::string number = std::exchange(partial_number, {});
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    const bool exact_integer_lost = number.find_first_of(".eE") == std::string::npos;
    if (error != std::errc() || end != number.data() + number.size() || exact_integer_lost) {
      return refuse(Refusal::kNumber, ec);
    }
    stack.push_double(value);
    return count(ec);
  }
  bool on_bool(bool value, Ec& ec) {
    stack.push_bool(value);
    return count(ec);
  }
  bool on_null(Ec& ec) {
    stack.push_null();
    return count(ec);
  }
  bool on_comment_part(boost::json::string_view, Ec&) { return false; }
  bool on_comment(boost::json::string_view, Ec&) { return false; }
};

void write_indented(std::string& out, const boost::json::value& value, std::size_t indent) {
  const auto new_line = [&](std::size_t to) { out.append("\n").append(to * 2, ' '); };
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    out.push_back('{');
    bool first = true;
    for (const auto& [key, child] : *object) {
      if (!std::exchange(first, false)) out.push_back(',');
      new_line(indent + 1);
      out.append(boost::json::serialize(boost::json::string(key))).append(": ");
      write_indented(out, child, indent + 1);
    }
    new_line(indent);
    out.push_back('}');
  } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
    out.push_back('[');
    bool first = true;
    for (const auto& child : *array) {
      if (!std::exchange(first, false)) out.push_back(',');
      new_line(indent + 1);
      write_indented(out, child, indent + 1);
    }
    new_line(indent);
    out.push_back(']');
  } else {
    out.append(boost::json::serialize(value));
  }
}

}  // namespace

Result<boost::json::value> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    return fail(ErrorCode::kLimitExceeded, "json.size",
                "the text has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(limits.bytes) +
                    " are read");
  }
  boost::json::parse_options options;
  options.max_depth = limits.depth;
  boost::json::basic_parser<Handler> parser(options);
  parser.handler().values_left = limits.values;
  boost::json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  Handler& handler = parser.handler();
  if (handler.refusal == Refusal::kDuplicateKey) {
    return fail(ErrorCode::kMalformed, "json.duplicate_key", "an object has two members of one name");
  }
  if (handler.refusal == Refusal::kValues) {
    return fail(ErrorCode::kLimitExceeded, "json.values", "more than " + std::to_string(limits.values) + " values");
  }
  if (handler.refusal == Refusal::kNumber) {
    return fail(ErrorCode::kMalformed, "json.number",
                "expected integers within 64 bits and floats within double range");
  }
  if (error == boost::json::error::too_deep) {
    return fail(ErrorCode::kLimitExceeded, "json.depth", "deeper than " + std::to_string(limits.depth) + " levels");
  }
  if (error || used != text.size() || !parser.done()) {
    return fail(ErrorCode::kMalformed, "json.syntax", "not JSON at byte " + std::to_string(used));
  }
  return handler.stack.release();
}

std::string write_json(const boost::json::value& value) { return boost::json::serialize(value); }

std::string write_json_pretty(const boost::json::value& value) {
  std::string out;
  write_indented(out, value, 0);
  out.push_back('\n');
  return out;
}

}  // namespace gateway::codec
