// The vendor's root: Intel SGX Root CA, pinned by its key. Nothing else can speak for platforms sgx and tdx.
//
// Intel's production root exists in two certificates of one key and one name, and pre-production roots carry the same
// name: so the key is the pin, and the certificate here only carries it.
//
// Spec: Intel SGX PCK Certificate and CRL Profile Specification, §1.1; https://certificates.trustedservices.intel.com.
#pragma once

#include "crypto/hash.h"
#include "crypto/x509.h"

namespace gateway::attestation::dcap {

// SHA-256 of the root's SubjectPublicKeyInfo.
extern const crypto::Sha256 kIntelRootKeySha256;

// The built-in certificate (2018-05-21 to 2049-12-31). Its key's pin is checked when it is first used; a binary whose
// constant was altered stops there.
const crypto::Certificate& intel_root();

}  // namespace gateway::attestation::dcap
