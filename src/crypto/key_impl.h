// The OpenSSL side of PublicKey and PrivateKey, for this module and for channel alone.
#pragma once

#include "crypto/keys.h"
#include "crypto/openssl.h"

namespace gateway::crypto {

struct PublicKey::Impl {
  UniqueKey key;
  KeyType type{};
  Bytes spki;
  Impl(UniqueKey k, KeyType t, Bytes s) : key(std::move(k)), type(t), spki(std::move(s)) {}
};

struct PrivateKey::Impl {
  UniqueKey key;
  KeyType type{};
  Impl(UniqueKey k, KeyType t) : key(std::move(k)), type(t) {}
};

// A key that a certificate carries: decoded already, its SPKI as received.
Result<PublicKey> public_key_from(UniqueKey key, Bytes spki);

}  // namespace gateway::crypto
