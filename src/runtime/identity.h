// The keys that are made at each boot inside the enclave, and the statement K that evidence vouches for.
//
// Nothing here is ever sealed or exported (README.md lists where each is born and dies). IK signs session statements
// only; the TLS key ends sessions; the HPKE key opens what is sealed to K.
// Spec:   docs/trust.md §1.
#pragma once

#include "attestation/binding.h"
#include "attester/attester.h"
#include "channel/tls.h"
#include "crypto/hpke.h"

namespace gateway::runtime {

struct Identity {
  crypto::PrivateKey identity_key;  // IK, P-256
  channel::ServerIdentity tls;      // P-256, self-signed, with the RA-TLS extension
  crypto::HpkeKeyPair hpke;
  Bytes k;  // the encoded statement
  crypto::Sha384 k_digest{};
};

// Asks the attester once, for the RA-TLS extension: evidence over the TLS key in that specification's own form, which
// is never SHA-512(Q) and so satisfies no Gateway policy.
Result<Identity> make_identity(attester::Attester& attester, const crypto::Sha384& config_digest, Time now);

}  // namespace gateway::runtime
