// The vendor's root: AWS Nitro Enclaves Root-G1, and its pin. Nothing else can speak for platform nitro.
//
// Spec: AWS Nitro Enclaves user guide, "Verifying the root of trust": AWS_NitroEnclaves_Root-G1.zip.
#pragma once

#include "crypto/hash.h"
#include "crypto/x509.h"

namespace gateway::attestation::nitro {

// SHA-256 of the DER of Root-G1, as AWS publishes it.
extern const crypto::Sha256 kAwsRootSha256;

// The built-in certificate. Its pin is checked when it is first used; a binary whose constant was altered stops there.
const crypto::Certificate& aws_root();

}  // namespace gateway::attestation::nitro
