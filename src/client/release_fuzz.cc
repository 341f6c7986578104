// Release files and signatures of configurations: parsed, and opened under a key that did not sign them.
#include <cstdlib>

#include "client/config_signature.h"
#include "client/release.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gateway;
  static const crypto::PublicKey key = crypto::PrivateKey::generate(crypto::KeyType::kP256)->public_key();
  const ByteView input(data, size);
  if (client::open_release(input, key, std::nullopt)) std::abort();
  if (client::verify_config_signature(input, as_bytes("version = 1\n"), key)) std::abort();
  const auto shown = client::parse_release(input);
  if (shown && shown->contents.version < shown->contents.floor) std::abort();
  return 0;
}
