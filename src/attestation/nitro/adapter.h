// Nitro documents behind the interface that all TEEs share: platforms nitro and local.
//
// Errors: those of nitro/document.h and nitro/authenticate.h; kNotAuthentic evidence.platform
#pragma once

#include "attestation/adapter.h"

namespace gateway::attestation::nitro {

extern const Adapter kAdapter;

}  // namespace gateway::attestation::nitro
