// One line of a verdict: what was checked, whether it held, what was expected, what was found, what to do about it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace gateway::attestation {

enum class Outcome : std::uint8_t { kOk, kRefused, kUndecided };

struct Check {
  std::string_view id;  // an ErrorId's text, static storage
  Outcome outcome = Outcome::kOk;
  std::string expected;
  std::string actual;
  std::string remedy;
};

}  // namespace gateway::attestation
