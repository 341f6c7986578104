// Documents from a peer: the whole way from bytes to claims and to the JSON that people read.
//
// Whatever root a document brings is accepted by its hash, so that seeds made once still verify and the fuzzer gets
// past the chain; nothing but AWS's own root may ever make platform nitro.
#include <boost/json.hpp>
#include <cstdlib>

#include "attestation/verification_json.h"
#include "codec/cbor.h"
#include "codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  static const Time at(std::chrono::milliseconds(1'779'278'400'000));
  const ByteView input(bytes, size);

  VerifyInputs inputs{.at = at,
                      .platform = {},
                      .nitro = {},
                      .collateral = nullptr,
                      .expected_nonce = {},
                      .expected_report_data = {},
                      .config_digest = {},
                      .caches = nullptr};
  if (const auto document = nitro::parse_document(input)) {
    inputs.nitro.local_root_sha256.push_back(crypto::sha256(document->cabundle.front()));
  }
  const Verification verification = verify(input, nullptr, inputs);
  if (verification.claims && verification.claims->platform() != Platform::kLocal) std::abort();
  if (verification.authentic == true && verification.reason) std::abort();
  const std::string json = codec::write_json(verification_json(verification));
  if (!codec::parse_json(json, {})) std::abort();  // what we print is valid whatever the peer sent

  // The input as a payload, so that the fuzzer need not keep the envelope's lengths right.
  const Bytes protected_header{0xa1, 0x01, 0x38, 0x22};
  codec::CborWriter envelope;
  envelope.array(4).bytes(protected_header).map(0).bytes(input).bytes(Bytes(96, 1));
  const Verification wrapped = verify(envelope.view(), nullptr, inputs);
  if (wrapped.authentic != false) std::abort();  // nobody signed it
  return 0;
}
