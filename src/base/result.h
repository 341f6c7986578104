// Result<T>: a value or an Error. Exceptions do not cross a security decision; this does.
#pragma once

#include <expected>
#include <utility>

#include "base/error.h"

namespace gateway {

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(ErrorCode code, ErrorId id, std::string detail = {}, std::string remedy = {}) {
  return std::unexpected(Error(code, id, std::move(detail), std::move(remedy)));
}

}  // namespace gateway

#define GATEWAY_CONCAT_INNER(a, b) a##b
#define GATEWAY_CONCAT(a, b) GATEWAY_CONCAT_INNER(a, b)

// Leaves the function with the error of a Status (or of a Result whose value is not needed).
#define GATEWAY_TRY(...)                                         \
  do {                                                           \
    if (auto gateway_status = (__VA_ARGS__); !gateway_status)    \
      return std::unexpected(std::move(gateway_status).error()); \
  } while (false)

// GATEWAY_ASSIGN(auto x, f()): declares or assigns x from a Result, or leaves the function with its error.
#define GATEWAY_ASSIGN(target, ...)                                                       \
  auto GATEWAY_CONCAT(gateway_result_, __LINE__) = (__VA_ARGS__);                         \
  if (!GATEWAY_CONCAT(gateway_result_, __LINE__))                                         \
    return std::unexpected(std::move(GATEWAY_CONCAT(gateway_result_, __LINE__)).error()); \
  target = *std::move(GATEWAY_CONCAT(gateway_result_, __LINE__))
