// Token lists: the file as the host hands it over, and the signed inside under a genuine signature.
#include <cstdlib>

#include "channel/tokens.h"
#include "codec/cbor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  static const auto key = *crypto::PrivateKey::generate(crypto::KeyType::kP256);
  static const auto public_key = key.public_key();
  static const Time now(std::chrono::seconds(1'790'000'000));
  const ByteView input(bytes, size);
  if (channel::open_token_list(input, public_key, now)) std::abort();  // nobody signed it

  const auto signature = key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, input);
  codec::CborWriter file;
  file.array(2).bytes(input).bytes(*signature);
  const auto list = channel::open_token_list(file.view(), public_key, now);
  if (list) {
    // What is accepted is what signing it again gives: one encoding for one list.
    const auto again = channel::sign_token_list(*list, key);
    if (!again) std::abort();
    auto reader = codec::CborReader::open(*again, {.bytes = size + 256}, codec::CborProfile::kDeterministic);
    if (!reader || !reader->array_of(2)) std::abort();
    const auto inside = reader->bytes();
    if (!inside || !equal(*inside, input)) std::abort();
  }
  return 0;
}
