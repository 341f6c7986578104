// The certificate of a key that signs reports (VCEK or VLEK): which chip or provider, which product, which TCB.
//
// Input:  an untrusted certificate; says nothing about who signed it.
// Spec:   AMD 57230, VCEK and VLEK certificate extensions (1.3.6.1.4.1.3704.1). The hardware id is met both bare and
//         wrapped in an OCTET STRING: AMD issues both.
// Errors: kMalformed snp.endorsement.format
#pragma once

#include <optional>
#include <string>

#include "attestation/snp/report.h"
#include "crypto/x509.h"

namespace gateway::attestation::snp {

struct Endorsement {
  SnpSigningKey kind{};
  SnpProduct product{};
  SnpTcb tcb;                         // raw: the eight bytes as a report would have them
  ByteArray<64> chip_id{};            // VCEK: padded with zeros as in a report
  std::optional<std::string> csp_id;  // VLEK
};

// VCEK or VLEK by the subject's name; nullopt when the certificate is neither.
std::optional<SnpSigningKey> endorsement_kind(const crypto::Certificate& certificate);

Result<Endorsement> read_endorsement(const crypto::Certificate& certificate);

// Whether a VCEK's hardware id can be this chip's: cheap, to pass over a folder of other chips' certificates.
bool may_endorse_chip(const crypto::Certificate& certificate, const ByteArray<64>& chip_id);

// What an endorsement and a report disagree about, in the order in which it is judged.
enum class Fit : std::uint8_t { kFits, kOtherKind, kOtherProduct, kOtherChip, kOtherTcb };
Fit fit_of(const Endorsement& endorsement, const UnverifiedReport& report);

std::string tcb_text(const SnpTcb& tcb);
// Where AMD serves the VCEK of this report, for messages; the product is a guess of the reader's when it is unknown.
std::string vcek_url(const UnverifiedReport& report);

}  // namespace gateway::attestation::snp
