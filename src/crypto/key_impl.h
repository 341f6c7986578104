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
  PublicKey public_half;
  Impl(UniqueKey k, KeyType t, PublicKey p) : key(std::move(k)), type(t), public_half(std::move(p)) {}
};

}  // namespace gateway::crypto
