// Secret: the only type that holds key material, tokens and passwords in memory.
//
// It cannot be copied, compared with ==, printed or formatted. Its bytes are wiped when it is destroyed or moved
// from, with a call that the optimiser may not drop. The bytes are reached through reveal() alone, so that a
// search for that word is the list of places that touch secrets. Never logged, never in an Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace gateway {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::size_t size);  // zeroed, to be filled through reveal_mutable()
  explicit Secret(ByteView bytes);    // copies; the caller wipes its own
  static Secret take(Bytes&& bytes);  // copies and wipes the source
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  friend bool operator==(const Secret&, const Secret&) = delete;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  ByteView reveal() const { return {bytes_.get(), size_}; }
  std::span<std::uint8_t> reveal_mutable() { return {bytes_.get(), size_}; }
  Secret clone() const { return Secret(reveal()); }

 private:
  void wipe() noexcept;
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
};

// Overwrites memory in a way that survives optimisation.
void wipe(std::span<std::uint8_t> bytes) noexcept;

}  // namespace gateway
