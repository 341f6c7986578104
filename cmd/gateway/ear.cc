#include "ear.h"

#include <boost/json.hpp>
#include <filesystem>

#include "attestation/appraisal/policy.h"
#include "attestation/ear_verify.h"
#include "base/clock.h"
#include "key_files.h"
#include "terminal.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

namespace json = boost::json;
using attestation::AppraisalStatus;
using attestation::EarToken;

// A token has two dots and no slash; what exists as a file is a file all the same.
Result<std::string> read_ear(const std::string& given) {
  std::error_code ignored;
  const bool file = given == "-" || given.find('/') != std::string::npos || std::filesystem::exists(given, ignored) ||
                    given.find('.') == given.rfind('.');
  std::string token = given;
  if (file) {
    GATEWAY_ASSIGN(const Bytes content, read_file(given, attestation::kMaxEarSize + 1));
    token = as_text(content);
  }
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) token.pop_back();
  return token;
}

Result<attestation::EarExpectations> expectations_of(const EarVerifyOptions& options) {
  const auto usage = [](std::string detail, std::string remedy) {
    return fail(ErrorCode::kInvalidArgument, "ear.usage", std::move(detail), std::move(remedy));
  };
  attestation::EarExpectations expected{
      .at = SystemClock().now(), .max_age = attestation::kDefaultMaxAge, .nonce = options.nonce};
  if (options.at) {
    const auto at = from_rfc3339(*options.at);
    if (!at) return usage("--at is not a time of RFC 3339", "write it as 2026-01-31T12:00:00Z");
    expected.at = *at;
  }
  if (options.max_age) {
    const auto age = parse_duration(*options.max_age);
    if (!age) return usage("--max-age is not a duration", "write it as 5m, 12h or 30d");
    expected.max_age = *age;
  }
  return expected;
}

json::object submod_json(const attestation::EarSubmod& submod) {
  json::object vector;
  for (const auto& [name, value] : submod.vector) vector[name] = value;
  return json::object{{"status", to_string(submod.status)},
                      {"vector", std::move(vector)},
                      {"policy_id", submod.policy_id ? json::value(*submod.policy_id) : json::value(nullptr)}};
}

json::object token_json(const EarToken& token) {
  json::object submods;
  for (const auto& [name, submod] : token.submods) submods[name] = submod_json(submod);
  json::array nonces;
  for (const std::string& nonce : token.nonces) nonces.emplace_back(nonce);
  json::error_code ignored;
  return json::object{{"authentic", true},
                      {"reason", nullptr},
                      {"status", to_string(token.worst())},
                      {"issued_at", to_rfc3339(token.issued_at)},
                      {"verifier", json::object{{"developer", token.developer}, {"build", token.build}}},
                      {"nonces", std::move(nonces)},
                      {"submods", std::move(submods)},
                      {"claims", json::parse(token.claims, ignored)}};
}

// Names in a token are its verifier's; a terminal shows them without control characters.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

void print_token(const EarToken& token) {
  print_line("  verifier   " + printable(token.developer) + ", " + printable(token.build));
  print_line("  issued at  " + to_rfc3339(token.issued_at));
  for (const auto& [name, submod] : token.submods) {
    print_line("  " + printable(name) + ": " + std::string(to_string(submod.status)));
    for (const auto& [claim, value] : submod.vector) {
      print_line("    " + claim + std::string(20 - claim.size(), ' ') + std::to_string(value) + "  " +
                 std::string(to_string(attestation::tier_of(value))));
    }
    if (submod.policy_id) print_line("    policy              " + printable(*submod.policy_id));
  }
  print_line("");
  print_line("the verifier's word: " + std::string(to_string(token.worst())));
}

// The token is genuine; the answer is what its verifier said.
int status_of(const EarToken& token) {
  switch (token.worst()) {
    case AppraisalStatus::kAffirming:
    case AppraisalStatus::kWarning: return kDone;
    case AppraisalStatus::kContraindicated: return kRefused;
    case AppraisalStatus::kNone: return kUndecided;
  }
  return kRefused;
}

Result<EarToken> verified(const EarVerifyOptions& options) {
  GATEWAY_ASSIGN(const auto expected, expectations_of(options));
  GATEWAY_ASSIGN(const auto key, read_public_key(options.key));
  GATEWAY_ASSIGN(const std::string token, read_ear(options.token));
  return attestation::verify_ear(token, key, expected);
}

}  // namespace

int run_ear_verify(const EarVerifyOptions& options) {
  const auto token = verified(options);
  if (!token) {
    const int status = exit_status(token.error().code());
    if (options.json && status != kUsage) {
      print_json(json::object{{"authentic", status == kRefused ? json::value(false) : json::value(nullptr)},
                              {"reason", token.error().id()}});
    }
    return report(token.error());
  }
  if (options.json) print_json(token_json(*token));
  else print_token(*token);
  return status_of(*token);
}

}  // namespace gateway::cli
