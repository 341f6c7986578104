#include "checks.h"

#include <algorithm>
#include <string>

#include "terminal.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kWidest = 100;  // of what was found: a measurement is cut, `gateway verify --json` has it whole

std::string shortened(const std::string& text) {
  return text.size() <= kWidest ? text : text.substr(0, kWidest - 1) + "…";
}

struct Mark {
  const char* word;
  const char* colour;
};

Mark mark_of(attestation::Outcome outcome) {
  switch (outcome) {
    case attestation::Outcome::kOk: return {"ok", "\x1b[32m"};
    case attestation::Outcome::kWarned: return {"warning", "\x1b[33m"};
    case attestation::Outcome::kRefused: return {"refused", "\x1b[31m"};
    case attestation::Outcome::kUndecided: return {"undecided", "\x1b[33m"};
  }
  return {"?", ""};
}

}  // namespace

void say_checks(const std::vector<attestation::Check>& checks) {
  std::size_t width = 0;
  for (const attestation::Check& check : checks) width = std::max(width, check.id.size());
  const bool colour = colour_on_stderr();
  for (const attestation::Check& check : checks) {
    const auto [word, code] = mark_of(check.outcome);
    std::string line = "  " + (colour ? code + std::string(word) + "\x1b[0m" : std::string(word));
    line += std::string(11 - std::string_view(word).size(), ' ');
    line += std::string(check.id) + std::string(width - check.id.size() + 2, ' ');
    if (check.outcome == attestation::Outcome::kOk) {
      say(line + shortened(check.actual));
      continue;
    }
    say(line);
    say("               expected    " + check.expected);
    say("               found       " + check.actual);
    if (!check.remedy.empty()) say("               what to do  " + check.remedy);
  }
}

}  // namespace gateway::cli
