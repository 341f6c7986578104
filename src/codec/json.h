// JSON in and out through Boost.JSON, with limits and without surprises: duplicate keys, trailing bytes, comments,
// invalid UTF-8, numbers that would lose digits and depth beyond the limit are refused. Include <boost/json.hpp> only
// in the .cc that needs values.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gateway::codec {

struct JsonLimits {
  std::size_t bytes = 1024UZ * 1024;
  std::size_t depth = 32;
  std::size_t values = 100'000;
};

// Errors: kMalformed json.syntax, json.duplicate_key, json.number; kLimitExceeded json.size, json.depth, json.values
Result<boost::json::value> parse_json(std::string_view text, const JsonLimits& limits);
std::string write_json(const boost::json::value& value);         // one line
std::string write_json_pretty(const boost::json::value& value);  // two spaces a level, a newline at the end

}  // namespace gateway::codec
