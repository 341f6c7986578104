// Any file with evidence in it, whatever it came in: the evidence's own bytes, and what came along.
//
// Input:  untrusted bytes. Recognised by content: a bundle, a certificate in DER or PEM, Open Enclave's evidence,
//         what our own attestation endpoint answers.
//         Everything else is passed on unchanged: whether it is evidence is verify()'s to say.
// Output: Unwrapped: views into the input, which must outlive it.
// Bounds: those of each form. One certificate or header inside a bundle is unwrapped too; nothing else nests.
// Errors: kMalformed bundle.nested; those of parse_bundle(), evidence_in_certificate(), carried_open_enclave()
#pragma once

#include <vector>

#include "attestation/formats/carried.h"

namespace gateway::attestation::formats {

class Unwrapped {
 public:
  ByteView evidence() const { return carried_ ? ByteView(carried_->evidence) : raw_; }
  const std::vector<ByteView>& collateral() const { return collateral_; }  // of a bundle
  bool bundled() const { return bundled_; }
  // What the evidence came in, and how that ties it to a key; absent for raw evidence.
  const std::optional<CarriedEvidence>& carried() const { return carried_; }

 private:
  friend Result<Unwrapped> unwrap(ByteView file);
  ByteView raw_;
  std::vector<ByteView> collateral_;
  std::optional<CarriedEvidence> carried_;
  bool bundled_ = false;
};

Result<Unwrapped> unwrap(ByteView file);

}  // namespace gateway::attestation::formats
