#include "codec/ber.h"

#include <optional>

#include "codec/der.h"

namespace gateway::codec {
namespace {

constexpr std::uint8_t kConstructed = 0x20;
constexpr std::uint8_t kConstructedOctets = der_tag::kOctetString | kConstructed;
constexpr std::uint8_t kLongTag = 0x1f;

std::unexpected<Error> malformed(ErrorId id, const char* what) { return fail(ErrorCode::kMalformed, id, what); }

class Converter {
 public:
  Converter(ByteView input, unsigned depth) : rest_(input), max_depth_(depth) {}

  // The next element, as DER, onto `out`.
  Status element(Bytes& out, unsigned depth) {
    if (depth > max_depth_) return fail(ErrorCode::kLimitExceeded, "ber.depth", "BER nested too deep");
    if (rest_.size() < 2) return malformed("ber.truncated", "BER ends in the middle of an element");
    const std::uint8_t tag = rest_[0];
    if ((tag & kLongTag) == kLongTag || tag == 0) return malformed("ber.tag", "a tag of more than one byte, or none");
    rest_ = rest_.subspan(1);
    GATEWAY_ASSIGN(const std::optional<std::size_t> size, length());
    Bytes content;
    if ((tag & kConstructed) == 0) {
      if (!size) return malformed("ber.length", "a primitive element of indefinite length");
      content = to_bytes(take(*size));
    } else {
      GATEWAY_ASSIGN(content, children(size, tag == kConstructedOctets, depth));
    }
    append(out, der(tag == kConstructedOctets ? der_tag::kOctetString : tag, {content}));
    return {};
  }

  bool empty() const { return rest_.empty(); }

 private:
  ByteView take(std::size_t size) {
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  // Not larger than what is there; nullopt: indefinite.
  Result<std::optional<std::size_t>> length() {
    const std::uint8_t first = take(1)[0];
    std::size_t size = first;
    if (first == 0x80) return std::optional<std::size_t>();
    if (first > 0x80) {
      const std::size_t bytes = first & 0x7fU;
      if (bytes > 4 || bytes > rest_.size()) return malformed("ber.length", "a length of more than four bytes");
      size = 0;
      for (const std::uint8_t byte : take(bytes)) size = (size << 8U) | byte;
    }
    if (size > rest_.size()) return malformed("ber.truncated", "BER ends in the middle of an element");
    return std::optional(size);
  }

  bool at_end_of_contents() const { return rest_.size() >= 2 && rest_[0] == 0 && rest_[1] == 0; }

  // `pieces`: of an octet string, whose contents are joined.
  Result<Bytes> children(std::optional<std::size_t> size, bool pieces, unsigned depth) {
    const ByteView after = size ? rest_.subspan(*size) : ByteView();
    if (size) rest_ = rest_.first(*size);
    Bytes out;
    while (size ? !rest_.empty() : !at_end_of_contents()) {
      Bytes child;
      GATEWAY_TRY(element(child, depth + 1));
      if (!pieces) {
        append(out, child);
        continue;
      }
      DerReader reader(child);
      const auto piece = reader.element(der_tag::kOctetString);
      if (!piece) return malformed("ber.tag", "an octet string made of something else");
      append(out, piece->content);
    }
    if (size) rest_ = after;
    else take(2);
    return out;
  }

  ByteView rest_;
  unsigned max_depth_;
};

}  // namespace

Result<Bytes> ber_to_der(ByteView input, const BerLimits& limits) {
  if (input.size() > limits.bytes) {
    return fail(
        ErrorCode::kLimitExceeded, "ber.size",
        "expected at most " + std::to_string(limits.bytes) + " bytes of BER, found " + std::to_string(input.size()));
  }
  Converter converter(input, limits.depth);
  Bytes out;
  GATEWAY_TRY(converter.element(out, 0));
  if (!converter.empty()) return malformed("ber.trailing", "bytes follow the BER element");
  return out;
}

}  // namespace gateway::codec
