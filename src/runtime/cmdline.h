// The kernel's command line against the measured copy in ramdisk 1.
//
// PCRs hash a concatenation without lengths, so a host could move bytes across the boundary of kernel and cmdline
// without changing them; the copy inside the ramdisk cannot be moved with them (docs/trust.md §2).
// Errors: kPolicyRejected runtime.cmdline_mismatch
#pragma once

#include <span>
#include <string_view>

#include "attestation/model/claims.h"
#include "base/result.h"

namespace gateway::runtime {

// `measured`: /gateway/cmdline. `actual`: /proc/cmdline, or on local what the host passes. On nitro the hypervisor may
// append "virtio_mmio.device=<size>@0x<address>:<irq>[:<id>]" words; on local nothing may differ.
Status check_cmdline(std::string_view measured, std::string_view actual, attestation::Platform platform);

}  // namespace gateway::runtime
