// One value out of a program's JSON output.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gateway::harness {

// By RFC 6901 pointer ("/verification/reason"): texts as they are, everything else as JSON; nullopt when the text is no
// JSON or has no such value.
std::optional<std::string> json_at(std::string_view json, std::string_view pointer);

}  // namespace gateway::harness
