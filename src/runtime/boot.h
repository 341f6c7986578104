// From the first instruction to an enclave that may serve: each step in order, none skipped; the first that fails ends
// it.
//
//  1. the process is hardened; the device's entropy goes into the kernel's and OpenSSL's pools
//  2. the command line equals the measured copy                         (cmdline.h)
//  3. the measured description is read; the configuration parsed and narrowed (config.h)
//  4. its digest goes into register 16, all registers are locked        (nsm_boot.h)
//  5. a document of our own is authenticated; time comes from it        (nsm_boot.h, clock.h)
//  6. IK, TLS and HPKE keys are made                                    (identity.h)
// What differs between platforms is BootSources: where the command line comes from, and which device answers.
//
// Input:  files of the measured tree; frames from the host (hostile) in the order cmdline (local), config, tokens.
// Errors: kUnavailable runtime.tree, control.closed; kMalformed control.order; kInternal runtime.random, and those of
//         the headers named above. All are fatal.
#pragma once

#include <string>

#include "attester/nsm.h"
#include "image/description.h"
#include "runtime/config.h"
#include "runtime/identity.h"
#include "runtime/nsm_boot.h"

namespace gateway::runtime {

struct BootSources {
  attestation::Platform platform = attestation::Platform::kLocal;
  std::string root;  // the folder that the ramdisks unpacked to, without a slash at the end; empty: /
  int control = -1;  // a blocking stream socket, borrowed
};

struct Booted {
  image::Description description;
  EffectiveConfig config;
  crypto::Sha384 config_digest{};
  TrustedClock clock;
  Identity identity;
  Bytes tokens;  // the host's first token list; empty: none yet
};

// No core dumps, no ptrace by equals, no file readable by others. Before any secret exists.
Status harden_process();  // Errors: kInternal runtime.harden

Result<Booted> boot(const BootSources& sources, attester::NsmClient& nsm);

}  // namespace gateway::runtime
