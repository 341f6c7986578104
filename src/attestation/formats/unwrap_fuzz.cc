// Any bytes as a file with evidence in it: bundles, certificates of all forms, headers; and as an RA-TLS extension.
#include <cstdlib>

#include "attestation/formats/bundle.h"
#include "attestation/formats/ra_tls.h"
#include "attestation/formats/unwrap.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  using namespace gateway::attestation::formats;
  const ByteView input(bytes, size);
  if (const auto found = unwrap(input)) {
    if (found->carried() && found->carried()->evidence.empty()) std::abort();
    if (!found->carried() && !found->bundled() && !equal(found->evidence(), input)) std::abort();
    if (found->collateral().size() > kMaxBundledFiles) std::abort();
    (void)platform_hint(found->evidence());
  }
  if (const auto bundle = parse_bundle(input)) {
    std::vector<Bytes> files;
    for (const ByteView file : bundle->collateral) files.push_back(to_bytes(file));
    const auto again = encode_bundle(bundle->evidence, files);
    if (!again || !parse_bundle(*again)) std::abort();
  }
  static const auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256).value().public_key();
  if (const auto carried = parse_ra_tls(input, key)) {
    if (carried->binding.report_data.empty()) std::abort();  // what is in a certificate is tied to its key
  }
  return 0;
}
