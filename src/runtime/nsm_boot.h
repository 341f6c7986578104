// What an NSM must say before anything relies on it, and what boot writes into it (platforms nitro and local).
//
// Input:  the device's answers: untrusted on local, the hypervisor's on nitro.
// Spec:   docs/trust.md §2, §6.
// Errors: kPolicyRejected runtime.nsm.registers, runtime.nsm.digest, runtime.nsm.echo, runtime.nsm.platform,
//         runtime.nsm.slow, and those of attester/nsm.h and attestation/nitro
#pragma once

#include "attestation/model/claims.h"
#include "attester/nsm.h"
#include "crypto/hash.h"
#include "runtime/clock.h"

namespace gateway::runtime {

inline constexpr unsigned kConfigRegister = 16;
inline constexpr unsigned kRegisters = 32;

// Register 16 must be untouched; it takes the configuration's digest, and then all registers are locked for good.
Status bind_configuration(attester::NsmClient& nsm, const crypto::Sha384& config_digest);

struct OwnEvidence {
  attestation::Claims claims;
  TrustedClock clock;
};
// A document over a nonce of our own, authenticated in full: on nitro to AWS's root, on local to the root that the
// document itself brings (worth nothing against the host). It must echo what was asked and hold the register as bound.
Result<OwnEvidence> read_own_evidence(attester::Attester& nsm, const crypto::Sha384& config_digest,
                                      BootTime (*clock)() = boot_time);

}  // namespace gateway::runtime
