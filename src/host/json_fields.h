// Reads one JSON object of a fixed schema: every key by name and type, unknown keys refused at the end.
// Internal to host: messages between its own processes, each of which treats the other's as untrusted input.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "codec/json.h"

namespace gateway::host {

class JsonFields {
 public:
  // The object in `text`; `syntax` names what is not one, `key` what is wrong with a key.
  static Result<JsonFields> parse(std::string_view text, std::size_t max_size, ErrorId syntax, ErrorId key);

  Result<std::string> text(std::string_view key, std::size_t max_size);
  Result<std::uint64_t> number(std::string_view key, std::uint64_t max);
  Result<bool> boolean(std::string_view key);
  Result<Bytes> base64(std::string_view key, std::size_t max_size);
  Result<std::vector<std::string>> texts(std::string_view key, std::size_t max_count, std::size_t max_size);
  Result<std::vector<int>> small_numbers(std::string_view key, std::size_t max_count, int max);
  // A nested object, or nullopt for null.
  Result<std::optional<JsonFields>> object_or_null(std::string_view key);
  bool has(std::string_view key) const { return object_.contains(key); }
  Status finish() const;
  const boost::json::object& object() const { return object_; }

 private:
  JsonFields(boost::json::object object, ErrorId key) : object_(std::move(object)), key_(key) {}
  Result<const boost::json::value*> find(std::string_view key);
  std::unexpected<Error> wrong(std::string_view key, std::string_view expected) const;

  boost::json::object object_;
  ErrorId key_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace gateway::host
