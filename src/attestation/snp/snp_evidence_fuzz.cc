// Evidence from a peer: the whole way from bytes to claims.
//
// A report that parses is signed again by a processor of our own, so that the fuzzer gets past the signature; under
// AMD's own roots nothing may ever come out.
#include <algorithm>
#include <cstdlib>

#include "attestation/testing/fake_amd.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  using namespace gateway::attestation::testing;
  static const FakeAmd& amd = fake_amd();
  static const Collateral collateral = [] {
    Collateral made;
    for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
      for (const SnpSigningKey key : {SnpSigningKey::kVcek, SnpSigningKey::kVlek}) {
        made.certificates.push_back(amd.endorsement({.product = product, .key = key}));
      }
    }
    made.crls.push_back(amd.list({.validity = {kNow - std::chrono::days(1), kNow + std::chrono::days(1)}}));
    return made;
  }();
  const ByteView input(bytes, size);

  CheckList checks;
  const auto evidence = snp::parse_evidence(input, &checks);
  if (checks.lines().empty()) std::abort();  // whatever happened, it left a line
  if (!evidence) return 0;
  if (snp::authenticate(*evidence, collateral, kNow)) std::abort();

  if (evidence->format == "snp.az_vtpm") return 0;  // its report stands in the JSON encoded

  const snp::UnverifiedReport& report = evidence->report;
  const Bytes again = amd.sign(to_bytes(report.signed_bytes), report.fields.signing_key);
  Bytes whole = to_bytes(input);
  const std::size_t at = evidence->format == "snp.hcl" ? 32 : 0;
  std::ranges::copy(again, whole.begin() + static_cast<std::ptrdiff_t>(at));
  const auto claims = amd.authenticate(whole, collateral);
  if (!claims) return 0;
  if (claims->platform() != Platform::kSnp || claims->debug() != report.fields.policy.debug) std::abort();
  if (claims->snp().reported_tcb.raw != fake_tcb(claims->snp().product)) std::abort();
  return 0;
}
