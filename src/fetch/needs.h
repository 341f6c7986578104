// From evidence to what must be fetched so that it can be judged.
//
// Input:  a file with evidence in it, untrusted: a report of SEV-SNP in any form, a quote of SGX or TDX, a Nitro
// document,
//         or what carries one (attestation/formats/unwrap.h).
// Output: products, chips, TCBs, FMSPCs: not authentic. Whoever lies here makes others fetch what they do not need.
// Errors: those of unwrap() and of the evidence's own parser; kMalformed collateral.fetch.evidence (none of these),
// kMalformed
//         collateral.fetch.pck (a quote whose certificate does not say what it is for)
#pragma once

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "fetch/wants.h"

namespace gateway::fetch {

struct Needs {
  // One after another until a service knows the chip: a report of version 2 does not say which product made it.
  // Empty: SGX, TDX, or nothing at all.
  std::vector<SnpNeeds> snp;
  std::optional<DcapNeeds> dcap;
};

// Neither snp nor dcap: a Nitro document, which carries all that it needs.
Result<Needs> needs_of(ByteView file, std::optional<attestation::SnpProduct> product = std::nullopt);

}  // namespace gateway::fetch
