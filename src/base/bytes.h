// Byte strings, and the one reader and the one writer through which binary formats pass.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gateway {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
inline Bytes to_bytes(std::string_view text) { return to_bytes(as_bytes(text)); }

// Plain comparison of public values. Secrets and MACs are compared with crypto::constant_time_equal.
bool equal(ByteView a, ByteView b);

template <class Container>
void append(Bytes& to, const Container& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// A cursor over untrusted bytes. Every read is bounded by what is left; the caller names the id that a short read
// is reported under, so that an error says which format was broken. Never allocates, never reads past the end.
class ByteReader {
 public:
  ByteReader(ByteView bytes, ErrorId short_read) : rest_(bytes), short_read_(short_read), size_(bytes.size()) {}

  Result<ByteView> take(std::size_t count);
  Result<std::uint8_t> u8();
  Result<std::uint16_t> u16be();
  Result<std::uint32_t> u32be();
  Result<std::uint64_t> u64be();
  Result<std::uint16_t> u16le();
  Result<std::uint32_t> u32le();
  Result<std::uint64_t> u64le();
  template <std::size_t N>
  Result<ByteArray<N>> array() {
    GATEWAY_ASSIGN(const ByteView view, take(N));
    ByteArray<N> out{};
    std::copy(view.begin(), view.end(), out.begin());
    return out;
  }
  // Reserved bytes must be zero; otherwise kMalformed with the id given.
  Status zeros(std::size_t count, ErrorId not_zero);
  // Nothing may follow; otherwise kMalformed with the id given.
  Status finish(ErrorId trailing) const;

  ByteView rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }
  std::size_t offset() const { return size_ - rest_.size(); }

 private:
  ByteView rest_;
  ErrorId short_read_;
  std::size_t size_;
};

class ByteWriter {
 public:
  void u8(std::uint8_t value) { bytes_.push_back(value); }
  void u16be(std::uint16_t value);
  void u32be(std::uint32_t value);
  void u64be(std::uint64_t value);
  void u16le(std::uint16_t value);
  void u32le(std::uint32_t value);
  void u64le(std::uint64_t value);
  void put(ByteView view) { append(bytes_, view); }
  void put(std::string_view text) { put(as_bytes(text)); }
  void zeros(std::size_t count) { bytes_.insert(bytes_.end(), count, 0); }
  const Bytes& bytes() const { return bytes_; }
  Bytes take() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

std::string to_hex(ByteView bytes);                    // lower case
std::optional<Bytes> from_hex(std::string_view text);  // either case, even length, nothing else
std::string to_base64(ByteView bytes);                 // RFC 4648 §4, padded
std::string to_base64url(ByteView bytes);              // RFC 4648 §5, unpadded
// Strict: canonical alphabet and padding, zero trailing bits, no white space.
std::optional<Bytes> from_base64(std::string_view text);
std::optional<Bytes> from_base64url(std::string_view text);

}  // namespace gateway
