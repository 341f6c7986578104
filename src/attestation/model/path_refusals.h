// What is wrong with a certificate path, said under the ids of the format that brought it.
//
// Input:  the Error of crypto::Certificate::from_der or crypto::validate_path.
// Output: a refused line and its Error.
#pragma once

#include <span>

#include "attestation/model/check.h"

namespace gateway::attestation {

struct PathRefusal {
  std::string_view from;  // an id of crypto/x509.h
  ErrorCode code;
  ErrorId to;
  const char* expected;
  const char* remedy;
};

// `otherwise` is for causes that the list does not name; its `from` means nothing.
std::unexpected<Error> refuse_path(const Error& cause, std::span<const PathRefusal> refusals,
                                   const PathRefusal& otherwise, CheckList& checks);

}  // namespace gateway::attestation
