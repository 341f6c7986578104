#include "host/reported.h"

#include <array>

namespace gateway::host {

bool well_formed_id(std::string_view id) {
  if (id.empty() || id.size() > 96) return false;
  bool dotted = false;
  char previous = '.';
  for (const char c : id) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (!word && (c != '.' || previous == '.')) return false;
    dotted = dotted || c == '.';
    previous = c;
  }
  return dotted && previous != '.';
}

std::string printable(std::string_view text) {
  std::string out(text.substr(0, kMaxReportedText));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = c == '\n' || c == '\t' ? ' ' : '?';
  }
  return out;
}

std::optional<ErrorCode> error_code_from(std::string_view name) {
  constexpr std::array kCodes{ErrorCode::kMalformed,       ErrorCode::kUnsupported, ErrorCode::kLimitExceeded,
                              ErrorCode::kNotAuthentic,    ErrorCode::kExpired,     ErrorCode::kPolicyRejected,
                              ErrorCode::kInvalidArgument, ErrorCode::kNotFound,    ErrorCode::kUnavailable,
                              ErrorCode::kInternal};
  for (const ErrorCode code : kCodes) {
    if (to_string(code) == name) return code;
  }
  return std::nullopt;
}

}  // namespace gateway::host
