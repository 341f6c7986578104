// When collateral runs out, so that its owner hears of it before verifications turn undecided.
//
// Input:  collateral as the operator gave it: dates only, nothing is judged.
#pragma once

#include <string>
#include <vector>

#include "attestation/collateral/collateral.h"
#include "base/clock.h"

namespace gateway::verifier {

struct Expiry {
  std::string kind;  // "crl", "tcb_info", "qe_identity", "certificate"
  std::string name;  // issuer, FMSPC, enclave identity or subject; printable
  Time at;
};
// One line a document, soonest first; of several for the same thing the one that lasts longest.
std::vector<Expiry> expiries_of(const attestation::Collateral& collateral);

}  // namespace gateway::verifier
