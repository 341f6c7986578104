// Errors in two levels: a code that callers branch on, and a dotted id that people, tests and audit logs use.
//
// An id is a string literal, checked at compile time, so no byte from outside can ever become part of one. The
// detail and the remedy are sentences for people; they may name what this side expected and lengths or numbers
// that were found, never raw bytes of a peer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace gateway {

// What a caller can do about it. Refused (kMalformed … kInvalidArgument), undecided (kUnavailable, kNotFound: try
// again with what was missing) and broken (kInternal) stay apart; see exit_status() for the command line's view.
enum class ErrorCode : std::uint8_t {
  kMalformed,        // the bytes do not follow their specification
  kUnsupported,      // well-formed, but a version or an algorithm that is not accepted here
  kLimitExceeded,    // larger, deeper or more than the limit allows
  kNotAuthentic,     // a signature, MAC, chain or binding does not hold
  kExpired,          // outside a validity window
  kPolicyRejected,   // authentic, but the policy says no
  kInvalidArgument,  // a mistake in what the caller or the operator gave
  kNotFound,         // a named thing does not exist
  kUnavailable,      // something needed could not be reached or is not there yet
  kInternal,         // a fault on this side
};

std::string_view to_string(ErrorCode code);

// A dotted id such as "nitro.document.size": lower-case words of [a-z0-9_], at least two, separated by dots.
class ErrorId {
 public:
  consteval ErrorId(const char* text) : text_(text) {  // NOLINT(google-explicit-constructor): a literal *is* an id
    if (!well_formed(text_)) an_error_id_is_lower_case_words_separated_by_dots();
  }
  constexpr std::string_view view() const { return text_; }
  friend constexpr bool operator==(ErrorId a, ErrorId b) { return a.text_ == b.text_; }

 private:
  static void an_error_id_is_lower_case_words_separated_by_dots();  // not constexpr: what the compiler says
  static constexpr bool well_formed(std::string_view text) {
    bool dotted = false;
    char previous = '.';
    for (char c : text) {
      const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      if (!word && (c != '.' || previous == '.')) return false;
      dotted = dotted || c == '.';
      previous = c;
    }
    return dotted && previous != '.';
  }
  std::string_view text_;
};

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, ErrorId id, std::string detail = {}, std::string remedy = {})
      : code_(code), id_(id), detail_(std::move(detail)), remedy_(std::move(remedy)) {}

  ErrorCode code() const { return code_; }
  std::string_view id() const { return id_.view(); }
  ErrorId error_id() const { return id_; }
  const std::string& detail() const { return detail_; }
  const std::string& remedy() const { return remedy_; }

  // "id: detail" for people; the remedy is printed on a line of its own by whoever prints.
  std::string message() const;

 private:
  ErrorCode code_;
  ErrorId id_;
  std::string detail_;
  std::string remedy_;
};

// The command line's exit status for an error (docs/cli.md): 1 refused, 2 usage, 3 undecided, 4 internal fault.
int exit_status(ErrorCode code);

}  // namespace gateway
