#include "harness/json_pointer.h"

#include <boost/json.hpp>

namespace gateway::harness {

std::optional<std::string> json_at(std::string_view json, std::string_view pointer) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(json, error);
  if (error) return std::nullopt;
  const boost::json::value* found = value.find_pointer(pointer, error);
  if (error || found == nullptr) return std::nullopt;
  if (found->is_string()) return std::string(std::string_view(found->as_string()));
  return boost::json::serialize(*found);
}

}  // namespace gateway::harness
