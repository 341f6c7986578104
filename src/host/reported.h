// Refusals that crossed a process boundary: shim → daemon → command line. Their ids are text that another process sent,
// so they are checked for form and kept apart from Error, whose ids are literals of this program.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/result.h"

namespace gateway::host {

inline constexpr std::size_t kMaxReportedText = 2048;

struct Reported {
  ErrorCode code = ErrorCode::kInternal;
  std::string id;
  std::string detail;
  std::string remedy;

  static Reported from(const Error& error) {
    return {error.code(), std::string(error.id()), error.detail(), error.remedy()};
  }
};

// Lower-case words of [a-z0-9_] separated by dots, at most 96 characters.
bool well_formed_id(std::string_view id);
// Printable ASCII of at most kMaxReportedText bytes; anything else becomes '?'.
std::string printable(std::string_view text);
// The name under which a code travels ("malformed" …), and back.
std::optional<ErrorCode> error_code_from(std::string_view name);

}  // namespace gateway::host
