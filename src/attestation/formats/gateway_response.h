// What our own attestation endpoint answered, saved to a file: evidence, the keys statement that it vouches for, and
// collateral. The session statement in it speaks of a connection that is over and is not looked at: a saved answer says
// what an enclave is, never that one is speaking to it.
//
// Input:  untrusted.
// Output: CarriedEvidence, bound by SHA-512(Q) to K: the identity key and the deployment's configuration.
// Bounds: those of parse_response().
// Spec:   docs/trust.md §1.
// Errors: those of parse_response(), parse_quote() and parse_keys()
#pragma once

#include "attestation/formats/carried.h"

namespace gateway::attestation::formats {

bool looks_like_response(ByteView file);
Result<CarriedEvidence> carried_response(ByteView file);

}  // namespace gateway::attestation::formats
