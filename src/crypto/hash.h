// Hashes and constant-time comparison. OpenSSL stands behind everything in this module.
#pragma once

#include <initializer_list>
#include <memory>

#include "base/bytes.h"

namespace gateway::crypto {

enum class HashAlgorithm : std::uint8_t { kSha256, kSha384, kSha512 };

using Sha256 = ByteArray<32>;
using Sha384 = ByteArray<48>;
using Sha512 = ByteArray<64>;

// Of the concatenation of the parts.
Sha256 sha256(std::initializer_list<ByteView> parts);
Sha384 sha384(std::initializer_list<ByteView> parts);
Sha512 sha512(std::initializer_list<ByteView> parts);
inline Sha256 sha256(ByteView bytes) { return sha256({bytes}); }
inline Sha384 sha384(ByteView bytes) { return sha384({bytes}); }
inline Sha512 sha512(ByteView bytes) { return sha512({bytes}); }

// Incremental, for streams. Aborts the process if OpenSSL cannot hash (out of memory), never returns a wrong digest.
class Hasher {
 public:
  explicit Hasher(HashAlgorithm algorithm);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  void update(ByteView bytes);
  Bytes finish();        // the object may not be used afterwards
  Hasher clone() const;  // a copy of the state so far

 private:
  struct State;
  explicit Hasher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

bool constant_time_equal(ByteView a, ByteView b);  // false when the sizes differ

}  // namespace gateway::crypto
