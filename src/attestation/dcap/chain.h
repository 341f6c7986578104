// The PCK certificate chain of a quote: leaf ← Processor or Platform CA ← Intel's root key.
//
// Input:  certification data of type 5, of a peer; the root of the caller. Internal to dcap/.
// Bounds: three certificates; text beside the PEM blocks is refused, white space and NULs at the end apart.
// Spec:   Intel SGX PCK Certificate and CRL Profile Specification, §1.3; RFC 5280 §6.1.
// Errors: kMalformed dcap.chain.pem, dcap.chain.count, dcap.pck.extension; kNotAuthentic
// dcap.chain.{anchor,certificate,
//         name,common_name,signature,not_ca,key_usage,path_length,leaf_usage,key,unsupported};
//         kExpired dcap.chain.validity
#pragma once

#include "attestation/dcap/pck.h"
#include "attestation/model/check.h"
#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

namespace gateway::attestation::dcap {

enum class PckCa : std::uint8_t { kProcessor, kPlatform };
std::string_view to_string(PckCa ca);  // "processor", "platform"

struct VerifiedPck {
  crypto::Certificate leaf;
  crypto::Certificate intermediate;
  PckExtensions pck;
  PckCa ca{};
  TimeWindow validity;        // of the whole path, root counted
  crypto::Sha256 root_key{};  // of the root that it was verified under
};

Result<VerifiedPck> verify_pck_chain(ByteView certification_data, const crypto::Certificate& root, Time at,
                                     CheckList& checks);

// What is left to check of a chain that verified before: the root that *this* caller trusts, and the time.
Status recheck_pck_chain(const VerifiedPck& chain, const crypto::Certificate& root, Time at, CheckList& checks);

}  // namespace gateway::attestation::dcap
