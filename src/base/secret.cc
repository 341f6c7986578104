#include "base/secret.h"

#include <string.h>

#include <algorithm>
#include <utility>

namespace gateway {

void wipe(std::span<std::uint8_t> bytes) noexcept {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

Secret::Secret(std::size_t size) : bytes_(size == 0 ? nullptr : new std::uint8_t[size]()), size_(size) {}

Secret::Secret(ByteView bytes) : Secret(bytes.size()) { std::ranges::copy(bytes, bytes_.get()); }

Secret Secret::take(Bytes&& bytes) {
  const Bytes owned = std::move(bytes);
  Secret secret{ByteView(owned)};
  gateway::wipe({const_cast<std::uint8_t*>(owned.data()), owned.size()});
  return secret;
}

Secret::Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() { wipe(); }

void Secret::wipe() noexcept {
  gateway::wipe({bytes_.get(), size_});
  size_ = 0;
}

}  // namespace gateway
