// One line of a verdict: what was checked, whether it held, what was expected, what was found, what to do about it.
//
// Lines are read by people and by programs. `actual` holds words of our own, numbers and hex of bounded size; raw text
// of a peer never becomes part of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gateway::attestation {

// kWarned holds like kOk, but the policy wants somebody to act on it: a grace window that will end, debug mode allowed.
enum class Outcome : std::uint8_t { kOk, kWarned, kRefused, kUndecided };
inline bool holds(Outcome outcome) { return outcome == Outcome::kOk || outcome == Outcome::kWarned; }

struct Check {
  std::string_view id;  // an ErrorId's text, static storage
  Outcome outcome = Outcome::kOk;
  std::string expected;
  std::string actual;
  std::string remedy;
};

// Collects lines in the order in which the checks ran. Each check goes through require(): it leaves its line whether
// it holds or not, and its failure is the Error that ends the function.
class CheckList {
 public:
  void held(ErrorId id, std::string expected, std::string actual) {
    add({id.view(), Outcome::kOk, std::move(expected), std::move(actual), {}});
  }
  void warned(ErrorId id, std::string expected, std::string actual, std::string remedy) {
    add({id.view(), Outcome::kWarned, std::move(expected), std::move(actual), std::move(remedy)});
  }
  std::unexpected<Error> refused(ErrorCode code, ErrorId id, std::string expected, std::string actual,
                                 std::string_view remedy);
  std::unexpected<Error> undecided(ErrorId id, std::string expected, std::string actual, std::string_view remedy);
  // The remedy is copied only if it is needed.
  Status require(bool holds, ErrorCode code, ErrorId id, std::string expected, std::string actual,
                 std::string_view remedy);

  const std::vector<Check>& lines() const { return lines_; }
  std::vector<Check> take() && { return std::move(lines_); }

 private:
  static constexpr std::size_t kUsual = 32;  // a quote with its collateral leaves 31 lines
  void add(Check line) {
    if (lines_.empty()) lines_.reserve(kUsual);
    lines_.push_back(std::move(line));
  }
  std::vector<Check> lines_;
};

}  // namespace gateway::attestation
