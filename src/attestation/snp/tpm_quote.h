// A vTPM's quote, as Azure's guests send it beside the paravisor's report: bytes to fields, and by whom it was signed.
//
// Input:  untrusted, from a peer.
// Output: TpmQuote: authentic in so far as `key` is the vTPM's.
// Bounds: kMaxQuoteSize bytes; nonces of at most 64.
// Spec:   TPM 2.0 Library, Part 2: TPMS_ATTEST, TPMS_QUOTE_INFO, TPML_PCR_SELECTION; RSASSA with SHA-256.
// Errors: kMalformed snp.vtpm.quote; kNotAuthentic snp.vtpm.signature, snp.vtpm.pcrs
#pragma once

#include <span>

#include "attestation/model/check.h"
#include "attestation/model/snp_claims.h"
#include "crypto/keys.h"

namespace gateway::attestation::snp {

inline constexpr std::size_t kMaxQuoteSize = 1024;
inline constexpr std::size_t kVtpmPcrs = 24;

// `pcrs`: the SHA-256 bank's 24 registers; those that the quote selects are held to its digest and become claims.
Result<SnpVtpm> verify_tpm_quote(ByteView message, ByteView signature, std::span<const Bytes> pcrs,
                                 const crypto::PublicKey& key, CheckList& checks);

}  // namespace gateway::attestation::snp
