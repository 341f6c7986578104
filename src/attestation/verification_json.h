// A Verification as the JSON of docs/cli.md, and its claims as EAR tokens carry them.
#pragma once

#include <boost/json/fwd.hpp>

#include "attestation/verify.h"

namespace gateway::attestation {

// {"platform","format","authentic","debug","tcb","appraisal","reason","not_before","not_after","claims","checks"}; null
// for what is not known; "tcb" ({"status","advisories","evaluation_number",…}) only where Intel judges one. Times are
// RFC 3339; bytes lower-case hexadecimal.
boost::json::object verification_json(const Verification& verification);

// The vendor's fields in snake_case (docs/cli.md, "claims"), all that the evidence has; null for absent ones. Nitro's
// timestamp has microseconds written, milliseconds known.
boost::json::object claims_json(const Claims& claims);

}  // namespace gateway::attestation
