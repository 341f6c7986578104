#include "attestation/model/check.h"

namespace gateway::attestation {
namespace {

Error error_of(ErrorCode code, ErrorId id, const Check& line) {
  return Error(code, id, "expected " + line.expected + ", found " + line.actual, line.remedy);
}

}  // namespace

std::unexpected<Error> CheckList::refused(ErrorCode code, ErrorId id, std::string expected, std::string actual,
                                          std::string_view remedy) {
  add({id.view(), Outcome::kRefused, std::move(expected), std::move(actual), std::string(remedy)});
  return std::unexpected(error_of(code, id, lines_.back()));
}

std::unexpected<Error> CheckList::undecided(ErrorId id, std::string expected, std::string actual,
                                            std::string_view remedy) {
  add({id.view(), Outcome::kUndecided, std::move(expected), std::move(actual), std::string(remedy)});
  return std::unexpected(error_of(ErrorCode::kUnavailable, id, lines_.back()));
}

Status CheckList::require(bool holds, ErrorCode code, ErrorId id, std::string expected, std::string actual,
                          std::string_view remedy) {
  if (!holds) return refused(code, id, std::move(expected), std::move(actual), remedy);
  held(id, std::move(expected), std::move(actual));
  return {};
}

}  // namespace gateway::attestation
