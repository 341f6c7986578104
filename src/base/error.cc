#include "base/error.h"

namespace gateway {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kMalformed: return "malformed";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kLimitExceeded: return "limit exceeded";
    case ErrorCode::kNotAuthentic: return "not authentic";
    case ErrorCode::kExpired: return "expired";
    case ErrorCode::kPolicyRejected: return "policy rejected";
    case ErrorCode::kInvalidArgument: return "invalid argument";
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

std::string Error::message() const {
  std::string text(id());
  if (!detail_.empty()) text.append(": ").append(detail_);
  return text;
}

int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kMalformed:
    case ErrorCode::kUnsupported:
    case ErrorCode::kLimitExceeded:
    case ErrorCode::kNotAuthentic:
    case ErrorCode::kExpired:
    case ErrorCode::kPolicyRejected: return 1;
    case ErrorCode::kInvalidArgument: return 2;
    case ErrorCode::kNotFound:
    case ErrorCode::kUnavailable: return 3;
    case ErrorCode::kInternal: return 4;
  }
  return 4;
}

}  // namespace gateway
