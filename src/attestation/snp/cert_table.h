// The certificate table that a host appends to a report (extended guest request): bytes to certificates.
//
// Input:  untrusted, from the host.
// Output: CertificateTable: views into the input; what the entries are called, nothing more.
// Bounds: kMaxEntries entries; every offset and length inside the table, no two entries overlapping.
// Spec:   AMD 56421 (GHCB), SNP Extended Guest Request: entries of GUID, offset and length, ended by one of zeros.
//         GUIDs are read in both byte orders in use: that of their text, and the mixed one of UEFI.
// Errors: kMalformed snp.table.{terminator,empty,bounds,overlap,duplicate,padding}; kLimitExceeded
//         snp.table.{size,entries}
#pragma once

#include <optional>

#include "attestation/model/check.h"
#include "base/bytes.h"

namespace gateway::attestation::snp {

inline constexpr std::size_t kMaxTableSize = 64UZ * 1024;  // Linux gives the host 16 KiB
inline constexpr std::size_t kMaxEntries = 16;             // the specification names five

struct CertificateTable {
  std::optional<ByteView> vcek, vlek, ask, ark, crl;  // `ask` is the ASVK's place too
};

// What no entry covers must be zero: hosts hand over whole pages. Entries with other GUIDs are passed over.
Result<CertificateTable> parse_certificate_table(ByteView input, CheckList& checks);

}  // namespace gateway::attestation::snp
