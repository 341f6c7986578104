// A Verification as the JSON of docs/cli.md, and its claims as EAR tokens carry them.
#pragma once

#include <boost/json/fwd.hpp>

#include "attestation/verify.h"

namespace gateway::attestation {

// {"platform","format","authentic","debug","appraisal","reason","not_before","not_after","claims","checks"}; null for
// what is not known. Times are RFC 3339; bytes lower-case hexadecimal.
boost::json::object verification_json(const Verification& verification);

// The vendor's fields in snake_case; for nitro and local: module_id, timestamp (microseconds written, milliseconds
// known), pcrs, user_data, nonce, public_key, region; null for absent ones.
boost::json::object claims_json(const Claims& claims);

}  // namespace gateway::attestation
