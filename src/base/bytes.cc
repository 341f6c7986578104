#include "base/bytes.h"

#include <algorithm>

namespace gateway {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

template <class Integer>
Integer big_endian(ByteView view) {
  std::uint64_t value = 0;
  for (std::uint8_t byte : view) value = (value << 8U) | byte;
  return static_cast<Integer>(value);
}

template <class Integer>
Integer little_endian(ByteView view) {
  std::uint64_t value = 0;
  for (std::size_t i = view.size(); i-- > 0;) value = (value << 8U) | view[i];
  return static_cast<Integer>(value);
}

template <std::size_t N>
void put_big_endian(Bytes& bytes, std::uint64_t value) {
  for (std::size_t i = N; i-- > 0;) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

template <std::size_t N>
void put_little_endian(Bytes& bytes, std::uint64_t value) {
  for (std::size_t i = 0; i < N; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

std::string encode_base64(ByteView bytes, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16U;
    if (have > 1) group |= static_cast<std::uint32_t>(bytes[i + 1]) << 8U;
    if (have > 2) group |= bytes[i + 2];
    for (std::size_t digit = 0; digit < 4; ++digit) {
      if (digit <= have) text.push_back(alphabet[(group >> (18 - 6 * digit)) & 63U]);
      else if (padded) text.push_back('=');
    }
  }
  return text;
}

std::optional<Bytes> decode_base64(std::string_view text, std::string_view alphabet, bool padded) {
  if (padded) {
    if (text.size() % 4 != 0) return std::nullopt;
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (char c : text) {
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<std::uint8_t>(bits >> held));
      bits &= (1U << held) - 1;
    }
  }
  if (bits != 0) return std::nullopt;
  return bytes;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool equal(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

Result<ByteView> ByteReader::take(std::size_t count) {
  if (count > rest_.size()) return fail(ErrorCode::kMalformed, short_read_, "the input ends too early");
  const ByteView view = rest_.first(count);
  rest_ = rest_.subspan(count);
  return view;
}

Result<std::uint8_t> ByteReader::u8() {
  GATEWAY_ASSIGN(const ByteView view, take(1));
  return view[0];
}
Result<std::uint16_t> ByteReader::u16be() {
  GATEWAY_ASSIGN(const ByteView view, take(2));
  return big_endian<std::uint16_t>(view);
}
Result<std::uint32_t> ByteReader::u32be() {
  GATEWAY_ASSIGN(const ByteView view, take(4));
  return big_endian<std::uint32_t>(view);
}
Result<std::uint64_t> ByteReader::u64be() {
  GATEWAY_ASSIGN(const ByteView view, take(8));
  return big_endian<std::uint64_t>(view);
}
Result<std::uint16_t> ByteReader::u16le() {
  GATEWAY_ASSIGN(const ByteView view, take(2));
  return little_endian<std::uint16_t>(view);
}
Result<std::uint32_t> ByteReader::u32le() {
  GATEWAY_ASSIGN(const ByteView view, take(4));
  return little_endian<std::uint32_t>(view);
}
Result<std::uint64_t> ByteReader::u64le() {
  GATEWAY_ASSIGN(const ByteView view, take(8));
  return little_endian<std::uint64_t>(view);
}

Status ByteReader::zeros(std::size_t count, ErrorId not_zero) {
  GATEWAY_ASSIGN(const ByteView view, take(count));
  if (std::ranges::any_of(view, [](std::uint8_t byte) { return byte != 0; })) {
    return fail(ErrorCode::kMalformed, not_zero, "reserved bytes are not zero");
  }
  return {};
}

Status ByteReader::finish(ErrorId trailing) const {
  if (!rest_.empty()) {
    return fail(ErrorCode::kMalformed, trailing, std::to_string(rest_.size()) + " bytes follow the end");
  }
  return {};
}

void ByteWriter::u16be(std::uint16_t value) { put_big_endian<2>(bytes_, value); }
void ByteWriter::u32be(std::uint32_t value) { put_big_endian<4>(bytes_, value); }
void ByteWriter::u64be(std::uint64_t value) { put_big_endian<8>(bytes_, value); }
void ByteWriter::u16le(std::uint16_t value) { put_little_endian<2>(bytes_, value); }
void ByteWriter::u32le(std::uint32_t value) { put_little_endian<4>(bytes_, value); }
void ByteWriter::u64le(std::uint64_t value) { put_little_endian<8>(bytes_, value); }

std::string to_hex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    text.push_back(kHexDigits[byte >> 4U]);
    text.push_back(kHexDigits[byte & 15U]);
  }
  return text;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

std::string to_base64(ByteView bytes) { return encode_base64(bytes, kBase64, true); }
std::string to_base64url(ByteView bytes) { return encode_base64(bytes, kBase64Url, false); }
std::optional<Bytes> from_base64(std::string_view text) { return decode_base64(text, kBase64, true); }
std::optional<Bytes> from_base64url(std::string_view text) { return decode_base64(text, kBase64Url, false); }

}  // namespace gateway
