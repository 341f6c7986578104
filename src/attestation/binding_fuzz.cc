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
    const auto quote = parse_quote(response->q);
    const auto session = parse_session(response->s);
    if (quote && session) {
      // Facts that differ from the statement in one byte are never accepted, whoever signed.
      SessionFacts facts{session->role, session->nonce, session->exporter, session->server_spki};
      facts.exporter[0] ^= 1U;
      if (verify_session(response->s, response->signature, quote->k, facts)) std::abort();
    }
  }
  return 0;
}
