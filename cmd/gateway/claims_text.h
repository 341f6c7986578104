// What authentic evidence says, in lines for people; `--json` has every field.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "attestation/model/claims.h"

namespace gateway::cli {

using ClaimLines = std::vector<std::pair<std::string, std::string>>;  // label, value

ClaimLines claim_lines(const attestation::Claims& claims);
void print_claims(const attestation::Claims& claims);

}  // namespace gateway::cli
