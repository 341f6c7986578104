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

  // The error of any Result, as it crosses.
  static Reported from(const Error& error) {
    return {error.code(), std::string(error.id()), error.detail(), error.remedy()};
  }
};

// A value, or a refusal that may come from another process.
template <class T>
using Outcome = std::expected<T, Reported>;

// Lower-case words of [a-z0-9_] separated by dots, at most 96 characters.
bool well_formed_id(std::string_view id);
// Printable ASCII of at most kMaxReportedText bytes; anything else becomes '?'.
std::string printable(std::string_view text);
// The name under which a code travels ("malformed" …), and back.
std::optional<ErrorCode> error_code_from(std::string_view name);

}  // namespace gateway::host

// Like GATEWAY_TRY and GATEWAY_ASSIGN, in functions that return an Outcome and call ones that return a Result.
#define GATEWAY_TRY_REPORTED(...)                                                      \
  do {                                                                                 \
    if (const auto gateway_status = (__VA_ARGS__); !gateway_status)                    \
      return std::unexpected(::gateway::host::Reported::from(gateway_status.error())); \
  } while (false)
#define GATEWAY_ASSIGN_REPORTED(target, ...)                                                                    \
  auto GATEWAY_CONCAT(gateway_result_, __LINE__) = (__VA_ARGS__);                                               \
  if (!GATEWAY_CONCAT(gateway_result_, __LINE__))                                                               \
    return std::unexpected(::gateway::host::Reported::from(GATEWAY_CONCAT(gateway_result_, __LINE__).error())); \
  target = *std::move(GATEWAY_CONCAT(gateway_result_, __LINE__))
