#include "host/json_fields.h"

namespace gateway::host {

Result<JsonFields> JsonFields::parse(std::string_view text, std::size_t max_size, ErrorId syntax, ErrorId key) {
  const auto parsed = codec::parse_json(text, {.bytes = max_size, .depth = 6, .values = 50'000});
  if (!parsed) {
    return fail(ErrorCode::kMalformed, syntax, "expected one JSON object on a line: " + parsed.error().detail());
  }
  if (!parsed->is_object()) return fail(ErrorCode::kMalformed, syntax, "expected one JSON object on a line");
  return JsonFields(parsed->as_object(), key);
}

std::unexpected<Error> JsonFields::wrong(std::string_view key, std::string_view expected) const {
  return fail(ErrorCode::kMalformed, key_, "\"" + std::string(key) + "\" must be " + std::string(expected));
}

Result<const boost::json::value*> JsonFields::find(std::string_view key) {
  asked_.emplace(key);
  const boost::json::value* value = object_.if_contains(key);
  if (value == nullptr) return fail(ErrorCode::kMalformed, key_, "\"" + std::string(key) + "\" is missing");
  return value;
}

Result<std::string> JsonFields::text(std::string_view key, std::size_t max_size) {
  GATEWAY_ASSIGN(const auto* value, find(key));
  if (!value->is_string() || value->as_string().size() > max_size) {
    return wrong(key, "a string of at most " + std::to_string(max_size) + " bytes");
  }
  return std::string(std::string_view(value->as_string()));
}

Result<std::uint64_t> JsonFields::number(std::string_view key, std::uint64_t max) {
  GATEWAY_ASSIGN(const auto* value, find(key));
  std::uint64_t number = 0;
  if (value->is_int64() && value->as_int64() >= 0) {
    number = static_cast<std::uint64_t>(value->as_int64());
  } else if (value->is_uint64()) {
    number = value->as_uint64();
  } else {
    return wrong(key, "a number from 0 to " + std::to_string(max));
  }
  if (number > max) return wrong(key, "a number from 0 to " + std::to_string(max));
  return number;
}

Result<bool> JsonFields::boolean(std::string_view key) {
  GATEWAY_ASSIGN(const auto* value, find(key));
  if (!value->is_bool()) return wrong(key, "true or false");
  return value->as_bool();
}

Result<Bytes> JsonFields::base64(std::string_view key, std::size_t max_size) {
  GATEWAY_ASSIGN(const auto* value, find(key));
  if (!value->is_string()) return wrong(key, "base64");
  auto bytes = from_base64(std::string_view(value->as_string()));
  if (!bytes || bytes->size() > max_size) {
    return wrong(key, "base64 of at most " + std::to_string(max_size) + " bytes");
  }
  return *std::move(bytes);
}

Result<std::vector<std::string>> JsonFields::texts(std::string_view key, std::size_t max_count, std::size_t max_size) {
  GATEWAY_ASSIGN(const auto* value, find(key));
  if (!value->is_array() || value->as_array().size() > max_count) return wrong(key, "a list of strings");
  std::vector<std::string> out;
  for (const auto& item : value->as_array()) {
    if (!item.is_string() || item.as_string().size() > max_size) return wrong(key, "a list of strings");
    out.emplace_back(std::string_view(item.as_string()));
  }
  return out;
}

Result<std::vector<int>> JsonFields::small_numbers(std::string_view key, std::size_t max_count, int max) {
  GATEWAY_ASSIGN(const auto* value, find(key));
  if (!value->is_array() || value->as_array().size() > max_count) return wrong(key, "a list of small numbers");
  std::vector<int> out;
  for (const auto& item : value->as_array()) {
    if (!item.is_int64() || item.as_int64() < 0 || item.as_int64() > max) return wrong(key, "a list of small numbers");
    out.push_back(static_cast<int>(item.as_int64()));
  }
  return out;
}

Result<std::optional<JsonFields>> JsonFields::object_or_null(std::string_view key) {
  GATEWAY_ASSIGN(const auto* value, find(key));
  if (value->is_null()) return std::nullopt;
  if (!value->is_object()) return wrong(key, "an object or null");
  return JsonFields(value->as_object(), key_);
}

Status JsonFields::finish() const {
  for (const auto& entry : object_) {
    if (!asked_.contains(std::string_view(entry.key()))) {
      // A peer's key is not repeated: only its length is known to be harmless.
      return fail(ErrorCode::kMalformed, key_,
                  "an unknown key of " + std::to_string(entry.key().size()) + " bytes; keys are spelled exactly");
    }
  }
  return {};
}

}  // namespace gateway::host
