// DCAP quotes behind the interface that all TEEs share: platforms tdx and sgx.
//
// Errors: those of dcap/quote.h and dcap/authenticate.h
#pragma once

#include "attestation/adapter.h"

namespace gateway::attestation::dcap {

extern const Adapter kAdapter;

}  // namespace gateway::attestation::dcap
