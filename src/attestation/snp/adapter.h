// SEV-SNP evidence behind the interface that all TEEs share: platform snp.
//
// Errors: those of snp/evidence.h and snp/authenticate.h
#pragma once

#include "attestation/adapter.h"

namespace gateway::attestation::snp {

extern const Adapter kAdapter;

}  // namespace gateway::attestation::snp
