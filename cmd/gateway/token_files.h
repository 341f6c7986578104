// Tokens in files, as `gateway run` and `gateway token` write them: one on one line.
// Errors: kInvalidArgument token.file; file.*
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace gateway::cli {

Result<Secret> read_token(const std::string& path);
// "Bearer TOKEN", the value of an Authorization header.
Result<Secret> read_authorization(const std::string& path);

}  // namespace gateway::cli
