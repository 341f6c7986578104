// K, Q, S and the response: what is accepted is exactly what encoding it again gives.
#include <cstdlib>

#include "attestation/binding.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  const ByteView input(bytes, size);
  const auto same = [&](const Bytes& encoded) {
    if (!equal(encoded, input)) std::abort();
  };
  if (const auto keys = parse_keys(input)) same(encode_keys(*keys));
  if (const auto quote = parse_quote(input)) same(encode_quote(quote->k, quote->nonces));
  if (const auto session = parse_session(input)) same(encode_session(*session));
  if (const auto response = parse_response(input)) {
    same(encode_response(*response));
    if (const auto quote = parse_quote(response->q)) {
      if (verify_session(response->s, response->signature, quote->k, SessionFacts{})) std::abort();  // zero exporter
    }
  }
  return 0;
}
