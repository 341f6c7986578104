#include "codec/toml.h"

// With kMaxDots this bounds how deep a hostile file can make the parser, and the destructors after it, recurse.
#define TOML_MAX_NESTED_VALUES 32
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 asserts about its input in places (parse_key after "[ [") whose next branch reports the error properly;
// a file must never stop the process.
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <array>

namespace gateway::codec {
namespace {

constexpr std::size_t kMaxDots = 32;

struct Conversion {
  std::size_t depth_left;
  bool too_deep = false;
  bool unsupported = false;  // dates and times: no file of ours has any
  int line = 0;
};

TomlValue convert(const toml::node& node, Conversion& state);

TomlValue convert_table(const toml::table& table, Conversion& state) {
  auto out = std::make_shared<TomlTableNode>();
  for (const auto& [key, child] : table) out->entries.emplace(std::string(key.str()), convert(child, state));
  return {std::shared_ptr<const TomlTableNode>(std::move(out)), static_cast<int>(table.source().begin.line)};
}

TomlValue convert_array(const toml::array& array, Conversion& state) {
  TomlArray out;
  out.reserve(array.size());
  for (const toml::node& child : array) out.push_back(convert(child, state));
  return {std::move(out), static_cast<int>(array.source().begin.line)};
}

TomlValue convert(const toml::node& node, Conversion& state) {
  const int line = static_cast<int>(node.source().begin.line);
  TomlValue out{false, line};
  if (node.is_table() || node.is_array()) {
    if (state.depth_left == 0) {
      state.too_deep = true;
      return out;
    }
    --state.depth_left;
    out = node.is_table() ? convert_table(*node.as_table(), state) : convert_array(*node.as_array(), state);
    ++state.depth_left;
    return out;
  }
  if (const auto* text = node.as_string()) out.value = text->get();
  else if (const auto* integer = node.as_integer()) out.value = integer->get();
  else if (const auto* real = node.as_floating_point()) out.value = real->get();
  else if (const auto* boolean = node.as_boolean()) out.value = boolean->get();
  else {
    state.unsupported = true;
    state.line = line;
  }
  return out;
}

// Where the text that starts with a quote at `at` ends: behind its closing quotes, or at the end of the line or file
// that cuts it off (which the parser then refuses).
std::size_t end_of_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
  const bool many_lines = text.substr(at).starts_with(triple);
  at += many_lines ? 3 : 1;
  while (at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      at += 2;
    } else if (!many_lines && (text[at] == quote || text[at] == '\n')) {
      return at + 1;
    } else if (many_lines && text.substr(at).starts_with(triple)) {
      at += 3;
      while (at < text.size() && text[at] == quote) ++at;  // quotes that belong to the text come before the last three
      return at;
    } else {
      ++at;
    }
  }
  return text.size();
}

// Dotted keys nest without brackets, which the parser bounds itself: more than kMaxDots in one key are refused before
// it sees them.
bool has_long_dotted_key(std::string_view text) {
  std::size_t dots = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = end_of_quoted(text, at);
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '.' && ++dots > kMaxDots) return true;
    if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) dots = 0;
    ++at;
  }
  return false;
}

std::string printable(std::string_view text, std::size_t limit = 64) {
  std::string out;
  for (char c : text.substr(0, limit)) out.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  return text.size() > limit ? out + "…" : out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

std::string_view type_name(const TomlValue& value) {
  static constexpr std::array<std::string_view, 6> kNames = {"a boolean", "an integer", "a number",
                                                             "a text",    "an array",   "a table"};
  return kNames[value.value.index()];
}

}  // namespace

TomlTable::TomlTable(std::shared_ptr<const TomlTableNode> node, std::shared_ptr<const std::string> file_name, int line,
                     std::string path)
    : node_(std::move(node)), file_name_(std::move(file_name)), line_(line), path_(std::move(path)) {}

Result<TomlTable> TomlTable::parse(std::string_view text, std::string file_name, const TomlLimits& limits) {
  if (text.size() > limits.bytes) {
    return fail(ErrorCode::kLimitExceeded, "toml.size",
                file_name + " has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(limits.bytes) +
                    " are read");
  }
  if (has_long_dotted_key(text)) {
    return fail(ErrorCode::kLimitExceeded, "toml.depth",
                file_name + " has a dotted key of more than " + std::to_string(kMaxDots) + " dots");
  }
  const toml::parse_result parsed = toml::parse(text, std::string_view(file_name));
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return fail(ErrorCode::kMalformed, "toml.syntax",
                file_name + ":" + std::to_string(error.source().begin.line) + ": " +
                    printable(error.description(), 160));
  }
  Conversion state{limits.depth};
  TomlValue root = convert_table(parsed.table(), state);
  if (state.too_deep) {
    return fail(ErrorCode::kLimitExceeded, "toml.depth",
                file_name + " nests deeper than " + std::to_string(limits.depth) + " levels");
  }
  if (state.unsupported) {
    return fail(ErrorCode::kInvalidArgument, "toml.wrong_type",
                file_name + ":" + std::to_string(state.line) + ": dates and times are written as texts");
  }
  return TomlTable(std::get<std::shared_ptr<const TomlTableNode>>(std::move(root.value)),
                   std::make_shared<const std::string>(std::move(file_name)), 1, "");
}

const TomlValue* TomlTable::find(std::string_view key) {
  asked_.emplace(key);
  const auto at = node_->entries.find(key);
  return at == node_->entries.end() ? nullptr : &at->second;
}

bool TomlTable::has(std::string_view key) const { return node_->entries.contains(key); }

namespace {

std::unexpected<Error> wrong_type(const TomlTable& table, const std::string& path, std::string_view key,
                                  const TomlValue& value, std::string_view wanted) {
  return fail(ErrorCode::kInvalidArgument, "toml.wrong_type",
              table.file_name() + ":" + std::to_string(value.line) + ": " + path + printable(key) + " is " +
                  std::string(type_name(value)) + "; expected " + std::string(wanted));
}

std::unexpected<Error> missing(const TomlTable& table, const std::string& path, std::string_view key) {
  return fail(ErrorCode::kInvalidArgument, "toml.missing_key",
              table.file_name() + ":" + std::to_string(table.line()) + ": " + path + std::string(key) + " is missing");
}

}  // namespace

Result<std::optional<std::string>> TomlTable::optional_text(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* text = std::get_if<std::string>(&value->value);
  if (text == nullptr) return wrong_type(*this, path_, key, *value, "a text");
  return *text;
}

Result<std::string> TomlTable::text(std::string_view key) {
  GATEWAY_ASSIGN(auto value, optional_text(key));
  if (!value) return missing(*this, path_, key);
  return *std::move(value);
}

Result<std::optional<std::int64_t>> TomlTable::optional_integer(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* integer = std::get_if<std::int64_t>(&value->value);
  if (integer == nullptr) return wrong_type(*this, path_, key, *value, "an integer");
  return *integer;
}

Result<std::int64_t> TomlTable::integer(std::string_view key) {
  GATEWAY_ASSIGN(const auto value, optional_integer(key));
  if (!value) return missing(*this, path_, key);
  return *value;
}

Result<std::optional<bool>> TomlTable::optional_boolean(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* boolean = std::get_if<bool>(&value->value);
  if (boolean == nullptr) return wrong_type(*this, path_, key, *value, "true or false");
  return *boolean;
}

Result<std::optional<Duration>> TomlTable::optional_duration(std::string_view key) {
  GATEWAY_ASSIGN(const auto text, optional_text(key));
  if (!text) return std::nullopt;
  const auto duration = parse_duration(*text);
  if (!duration) return bad_value(key, "expected a duration such as \"30s\", \"5m\" or \"12h\"");
  return *duration;
}

Result<std::optional<std::vector<std::string>>> TomlTable::optional_texts(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* array = std::get_if<TomlArray>(&value->value);
  if (array == nullptr) return wrong_type(*this, path_, key, *value, "an array of texts");
  std::vector<std::string> out;
  out.reserve(array->size());
  for (const TomlValue& element : *array) {
    const auto* text = std::get_if<std::string>(&element.value);
    if (text == nullptr) return wrong_type(*this, path_, key, element, "an array of texts");
    out.push_back(*text);
  }
  return out;
}

Result<std::optional<TomlTable>> TomlTable::optional_table(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* table = std::get_if<std::shared_ptr<const TomlTableNode>>(&value->value);
  if (table == nullptr) return wrong_type(*this, path_, key, *value, "a table");
  return TomlTable(*table, file_name_, value->line, path_ + std::string(key) + ".");
}

Result<TomlTable> TomlTable::table(std::string_view key) {
  GATEWAY_ASSIGN(auto value, optional_table(key));
  if (!value) return missing(*this, path_, key);
  return *std::move(value);
}

Result<std::vector<TomlTable>> TomlTable::tables(std::string_view key) {
  const TomlValue* value = find(key);
  std::vector<TomlTable> out;
  if (value == nullptr) return out;
  const auto* array = std::get_if<TomlArray>(&value->value);
  if (array == nullptr) return wrong_type(*this, path_, key, *value, "[[" + std::string(key) + "]]");
  for (const TomlValue& element : *array) {
    const auto* table = std::get_if<std::shared_ptr<const TomlTableNode>>(&element.value);
    if (table == nullptr) return wrong_type(*this, path_, key, element, "[[" + std::string(key) + "]]");
    out.push_back(TomlTable(*table, file_name_, element.line, path_ + std::string(key) + "."));
  }
  return out;
}

Result<std::map<std::string, std::string>> TomlTable::all_texts() {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : node_->entries) {
    asked_.insert(key);
    const auto* text = std::get_if<std::string>(&value.value);
    if (text == nullptr) return wrong_type(*this, path_, key, value, "a text");
    out.emplace(key, *text);
  }
  return out;
}

Result<std::map<std::string, std::int64_t>> TomlTable::all_integers() {
  std::map<std::string, std::int64_t> out;
  for (const auto& [key, value] : node_->entries) {
    asked_.insert(key);
    const auto* integer = std::get_if<std::int64_t>(&value.value);
    if (integer == nullptr) return wrong_type(*this, path_, key, value, "an integer");
    out.emplace(key, *integer);
  }
  return out;
}

Status TomlTable::finish() const {
  for (const auto& [key, value] : node_->entries) {
    if (asked_.contains(key)) continue;
    const std::string* nearest = nullptr;
    std::size_t least = 0;
    const std::string_view compared = std::string_view(key).substr(0, 64);
    for (const std::string& valid : asked_) {
      const std::size_t distance = edit_distance(compared, valid);
      if (nearest == nullptr || distance < least) {
        nearest = &valid;
        least = distance;
      }
    }
    return fail(ErrorCode::kInvalidArgument, "toml.unknown_key",
                *file_name_ + ":" + std::to_string(value.line) + ": " + path_ + printable(key) + " is not a known key",
                nearest == nullptr ? "remove it" : "the nearest valid key is \"" + *nearest + "\"");
  }
  return {};
}

std::unexpected<Error> TomlTable::bad_value(std::string_view key, std::string detail, std::string remedy) const {
  const auto at = node_->entries.find(key);
  const int line = at == node_->entries.end() ? line_ : at->second.line;
  return fail(ErrorCode::kInvalidArgument, "toml.bad_value",
              *file_name_ + ":" + std::to_string(line) + ": " + path_ + printable(key) + ": " + detail,
              std::move(remedy));
}

}  // namespace gateway::codec
