// COSE_Sign1: the structure from any bytes, and a signature that nobody made.
#include <cstdlib>

#include "crypto/cose.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  static const auto p256 = crypto::PrivateKey::generate(crypto::KeyType::kP256)->public_key();
  static const auto p384 = crypto::PrivateKey::generate(crypto::KeyType::kP384)->public_key();
  const ByteView input(bytes, size);
  const codec::CborLimits limits{.bytes = 4096, .depth = 6, .items = 128};
  const auto message = crypto::parse_cose_sign1(input, limits);
  if (!message) return 0;
  const auto inside = [&](ByteView view) {
    return view.empty() || (view.data() >= bytes && view.data() + view.size() <= bytes + size);
  };
  if (!inside(message->protected_header) || !inside(message->payload) || !inside(message->signature)) std::abort();
  if (!codec::CborReader::open(input, limits, codec::CborProfile::kGeneral)) std::abort();
  const auto& key = message->algorithm == crypto::CoseAlgorithm::kEs256 ? p256 : p384;
  if (crypto::verify_cose_sign1(*message, key)) std::abort();
  return 0;
}
