// The only maker of Claims. Included by the authenticators of this module alone (nitro/authenticate.cc and its
// siblings): who includes this file elsewhere says "authentic" without having checked.
#pragma once

#include <utility>

#include "attestation/model/claims.h"

namespace gateway::attestation {

class ClaimsBuilder {
 public:
  explicit ClaimsBuilder(Platform platform) { claims_.platform_ = platform; }
  ClaimsBuilder& debug(bool debug) {
    claims_.debug_ = debug;
    return *this;
  }
  ClaimsBuilder& validity(const TimeWindow& window) {
    claims_.validity_ = window;
    return *this;
  }
  template <class Fields>  // NitroClaims, SnpClaims, TdxClaims or SgxClaims
  ClaimsBuilder& fields(Fields fields) {
    claims_.fields_ = std::move(fields);
    return *this;
  }
  ClaimsBuilder& revocation(Revocation revocation) {
    claims_.revocation_ = revocation;
    return *this;
  }
  ClaimsBuilder& tcb(TcbStatement tcb) {
    claims_.tcb_ = std::move(tcb);
    return *this;
  }
  ClaimsBuilder& checks(std::vector<Check> checks) {
    claims_.checks_ = std::move(checks);
    return *this;
  }
  Claims build() && { return std::move(claims_); }

 private:
  Claims claims_;
};

}  // namespace gateway::attestation
