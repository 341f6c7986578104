// verify() for any file that has evidence in it: opened first, with the collateral that came along, and held to the key
// of the certificate that carried it.
//
// Input:  untrusted bytes of any size and kind.
// Output: Verification, as verify() gives it. Evidence that is genuine but not its carrier's own is refused, with
//         `authentic` true: it was made for another key.
// Bounds: kMaxFileSize; those of unwrap() and verify().
// Spec:   docs/evidence-formats.md
// Errors: kLimitExceeded evidence.file_size; those of unwrap(), verify() and check_binding()
#pragma once

#include "attestation/formats/bundle.h"
#include "attestation/verify.h"

namespace gateway::attestation::formats {

inline constexpr std::size_t kMaxFileSize = kMaxBundleSize;

Verification verify_file(ByteView file, const Policy* policy, const VerifyInputs& inputs);

}  // namespace gateway::attestation::formats
