// Evidence that arrived inside something else, and what ties it to the key of whoever sent it.
//
// Input:  untrusted. Nothing here says that the evidence is genuine: that is verify()'s, on `evidence`.
// Output: CarriedEvidence: the evidence's bytes, and the report data that it must have for the sender's key to be its.
// Bounds: kMaxEvidenceSize for what is carried.
// Spec:   docs/evidence-formats.md, one paragraph a format.
// Errors: kNotAuthentic carrier.binding; kUnsupported carrier.unbound; kLimitExceeded carrier.evidence_size
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "attestation/binding.h"
#include "attestation/model/check.h"
#include "attestation/model/claims.h"

namespace gateway::attestation::formats {

enum class Carrier : std::uint8_t {
  kRaTls,                // X.509 extension 2.23.133.5.4.9, CBOR tag 60000
  kCmw,                  // the same extension, or id-pe-cmw: a conceptual message wrapper
  kOpenEnclaveReport,    // oe_report_header_t
  kOpenEnclaveEvidence,  // oe_attestation_header_t, or a quote with its custom claims behind it
  kGramineLegacy,        // X.509 extension 1.2.840.113741.1337.6, as Gramine writes it
  kDstack,               // X.509 extension 1.3.6.1.4.1.62397.1.1
  kEvervault,            // a label of a DNS name, in hexadecimal
  kGateway,              // what our own attestation endpoint answers (attestation/binding.h)
};
std::string_view to_string(Carrier carrier);  // "ra-tls", "cmw", …

// What the evidence must say of the key. Whoever relays somebody else's evidence cannot make it say this.
struct Binding {
  std::vector<Bytes> report_data;  // any one of these, zeros behind it; none: the carrier ties the evidence to no key
  std::string_view rule;           // for people
};

struct CarriedEvidence {
  Carrier format{};
  Bytes evidence;
  Binding binding;
  Bytes public_key;  // DER SPKI of the certificate that carried it; empty without one
  Bytes nonce;       // as the carrier's claims have it, covered by the binding; empty without one
  std::optional<crypto::Sha384> config_digest{};  // of the deployment, covered by the binding
  std::vector<Bytes> collateral{};                // files that came along; they vouch for nothing
};

// The evidence's report data (Nitro: user_data) is one of those that the binding allows. The public key is then the
// attested one; everything else that the carrier says, names and dates of a certificate included, is not.
Status check_binding(const CarriedEvidence& carried, const Claims& claims, CheckList& checks);

// What the first bytes look like; for messages and for choosing a parser, never for trust.
std::optional<Platform> platform_hint(ByteView evidence);

// Takes evidence over, or refuses what is empty or larger than any.
Result<Bytes> take_evidence(ByteView evidence);

}  // namespace gateway::attestation::formats
