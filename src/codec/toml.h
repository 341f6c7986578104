// TOML files of people: specs, policies, configurations. toml++ stands behind it and is included in toml.cc alone.
//
// A table is read by asking for the keys that exist; finish() then refuses every key that nobody asked for, with
// file, line and the nearest key that was asked for. So a reader cannot forget to refuse unknown keys without a test
// noticing, and the list of valid keys is the code that reads them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace gateway::codec {

struct TomlLimits {
  std::size_t bytes = 1024UZ * 1024;
  std::size_t depth = 16;  // tables and arrays inside each other
};

class TomlValue;
using TomlArray = std::vector<TomlValue>;

// Insertions, deletions and replacements that make one word of the other: for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);

struct TomlTableNode {
  std::map<std::string, TomlValue, std::less<>> entries;
};

class TomlValue {
 public:
  using Variant =
      std::variant<bool, std::int64_t, double, std::string, TomlArray, std::shared_ptr<const TomlTableNode>>;
  Variant value;
  int line = 0;
};

// Reads one table. Errors (all kInvalidArgument, with "file:line: …"): toml.missing_key, toml.wrong_type,
// toml.unknown_key, toml.bad_value. A document that is not TOML: kMalformed toml.syntax; too large: kLimitExceeded.
class TomlTable {
 public:
  static Result<TomlTable> parse(std::string_view text, std::string file_name, const TomlLimits& limits = {});

  bool has(std::string_view key) const;
  Result<std::string> text(std::string_view key);
  Result<std::optional<std::string>> optional_text(std::string_view key);
  Result<std::int64_t> integer(std::string_view key);
  Result<std::optional<std::int64_t>> optional_integer(std::string_view key);
  Result<std::optional<bool>> optional_boolean(std::string_view key);
  Result<std::optional<Duration>> optional_duration(std::string_view key);  // "5m"
  Result<std::optional<std::vector<std::string>>> optional_texts(std::string_view key);
  Result<std::optional<TomlTable>> optional_table(std::string_view key);
  Result<TomlTable> table(std::string_view key);
  Result<std::vector<TomlTable>> tables(std::string_view key);  // [[key]]; empty when absent
  // Every key and its text, for tables whose keys are names rather than settings (measurements, environment).
  Result<std::map<std::string, std::string>> all_texts();
  Result<std::map<std::string, std::int64_t>> all_integers();
  // Refuses keys that nobody asked for.
  Status finish() const;

  // An error that points at a key of this table: "file:line: key: detail".
  std::unexpected<Error> bad_value(std::string_view key, std::string detail, std::string remedy = {}) const;
  int line() const { return line_; }
  const std::string& file_name() const { return *file_name_; }

 private:
  TomlTable(std::shared_ptr<const TomlTableNode> node, std::shared_ptr<const std::string> file_name, int line,
            std::string path);
  const TomlValue* find(std::string_view key);
  std::unexpected<Error> missing(std::string_view key) const;
  std::unexpected<Error> unknown(const std::string& key, const TomlValue& value, std::string remedy) const;
  std::optional<std::unexpected<Error>> misspelt(std::string_view key) const;
  std::shared_ptr<const TomlTableNode> node_;
  std::shared_ptr<const std::string> file_name_;
  int line_ = 0;
  std::string path_;  // "image.workload." for messages
  std::set<std::string, std::less<>> asked_;
};

}  // namespace gateway::codec
