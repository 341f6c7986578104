// Measurements of an image, computed from its bytes as the Nitro hypervisor, QEMU and our virtual NSM do.
//
// Input:  an Eif, whose bytes are untrusted.
// Output: Measurements: what a genuine enclave of exactly these bytes attests. The CRC is checked in the same pass.
// Bounds: constant memory; each byte is read at most twice, by two threads.
// Spec:   ext(d) = SHA384(0^48 ‖ d); PCR0 = ext(SHA384(kernel ‖ cmdline ‖ ramdisks)), PCR1 = ext(SHA384(kernel ‖
// cmdline
//         ‖ ramdisk 1)), PCR2 = ext(SHA384(ramdisks 2…n)), PCR8 = ext(SHA384(signing certificate DER)).
//         PCRs hash a concatenation without lengths: two images with the same PCRs may split it differently, which is
//         why ramdisk 1 carries a copy of the cmdline (docs/trust.md §2).
// Errors: kMalformed image.eif.crc, image.signature.structure, image.signature.pcr0; kNotAuthentic cose.signature;
//         kUnsupported image.signature.algorithm, image.signature.count
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/x509.h"
#include "image/eif.h"

namespace gateway::image {

using Pcr = crypto::Sha384;

struct Measurements {
  Pcr pcr0{};
  Pcr pcr1{};
  Pcr pcr2{};
  std::optional<Pcr> pcr8;  // only when the image is signed and the signature holds
};

Result<Measurements> measure(const Eif& eif);
// Without a look at the signature: for whoever is about to replace it.
Result<Measurements> measure_unsigned(const Eif& eif);

// SHA384(0^48 ‖ digest): a register that was zero, extended once.
Pcr extended_from_zero(ByteView digest);

// The signature section: a certificate and a signature over PCR0. Whether the certificate is anyone's is the
// policy's question (PCR8); here only that its key signed this image.
struct ImageSignature {
  Bytes certificate_der;
  std::string subject;
  std::string issuer;
  TimeWindow validity;
  Pcr pcr8{};
};
// Checks the signature against the PCR0 given.
Result<ImageSignature> verify_signature(ByteView section, const Pcr& pcr0);

// Signing, with a key at hand or one elsewhere: what is signed (to be hashed with SHA-384 and signed with a P-384 key),
// and the section that the signature makes (r ‖ s of 48 bytes each, or DER). The section is verified before it is given
// out, so a certificate of another key is refused. Errors: those of verify_signature; kMalformed crypto.signature.der
Bytes image_to_be_signed(const Pcr& pcr0);
Result<Bytes> signature_section(const crypto::Certificate& certificate, ByteView signature, const Pcr& pcr0);
// The same image with this section as its signature, in place of one that it may have.
Status write_signed(const Eif& eif, ByteView section, const std::string& path);

}  // namespace gateway::image
