// AMD SEV-SNP ATTESTATION_REPORT: bytes to fields.
//
// Input:  untrusted, from a peer.
// Output: UnverifiedReport: what the bytes say, nothing more. `signed_bytes` is a view into the input.
// Bounds: exactly kReportSize bytes.
// Spec:   AMD 56860 (SEV-SNP firmware ABI): ATTESTATION_REPORT, TCB_VERSION, GUEST_POLICY, the signature format of
//         ECDSA P-384 with SHA-384. Versions 2 (to revision 1.55), 3 (1.56) and 5 (1.58).
// Errors: kMalformed snp.report.{size,reserved_not_zero,policy,vmpl,signature_format};
//         kUnsupported snp.report.{version,product,platform_info,signature_algo,signing_key};
//         kNotAuthentic snp.report.chip_id_masked, snp.unsigned
#pragma once

#include <optional>

#include "attestation/model/check.h"
#include "attestation/model/snp_claims.h"

namespace gateway::attestation::snp {

inline constexpr std::size_t kReportSize = 0x4a0;
inline constexpr std::size_t kSignedSize = 0x2a0;
inline constexpr std::size_t kTurinChipIdSize = 8;

struct UnverifiedReport {
  // `product` and the components of the four TCBs mean nothing here: version 2 does not say which product made it.
  SnpClaims fields;
  std::optional<SnpProduct> product;  // from the CPUID fields of version 3 and later
  ByteView signed_bytes;
  ByteArray<96> signature{};  // r ‖ s, big-endian
};

// Leaves one line per rule in `checks`, when given.
Result<UnverifiedReport> parse_report(ByteView input, CheckList* checks = nullptr);

// TCB_VERSION of this product: Turin's begins with FMC.
SnpTcb tcb_of(std::uint64_t raw, SnpProduct product);

// What this product's layout reserves in the four TCBs and, on Turin, behind the chip id's eight bytes is zero. Done by
// parse_report where the report says which product made it, by whoever learns it from the certificate otherwise.
Status check_layout(const SnpClaims& fields, SnpProduct product, CheckList& checks);

// The product whose roots vouch for a CPU: Bergamo and Siena are Genoa's, Turin Dense is Turin's.
std::optional<SnpProduct> product_of_cpu(std::uint8_t family, std::uint8_t model);

}  // namespace gateway::attestation::snp
