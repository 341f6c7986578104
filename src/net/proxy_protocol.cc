#include "net/proxy_protocol.h"

#include <algorithm>

namespace gateway::net {
namespace {

constexpr ByteArray<kProxySignature> kSignature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr std::size_t kFixed = 16;
constexpr std::uint8_t kLocal = 0x20;  // version 2
constexpr std::uint8_t kProxy = 0x21;
constexpr std::uint8_t kTcp4 = 0x11;
constexpr std::uint8_t kTcp6 = 0x21;

std::unexpected<Error> malformed(const char* what) { return fail(ErrorCode::kMalformed, "proxy.header", what); }

std::uint16_t u16(ByteView bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

}  // namespace

Bytes encode_proxy_header(const IpEndpoint& from, const IpEndpoint& to) {
  ByteWriter out;
  out.put(kSignature);
  const bool same = from.address.v6 == to.address.v6;
  out.u8(same ? kProxy : kLocal);
  out.u8(!same ? 0 : from.address.v6 ? kTcp6 : kTcp4);
  out.u16be(static_cast<std::uint16_t>(!same ? 0 : 2 * from.address.view().size() + 4));
  if (!same) return std::move(out).take();
  out.put(from.address.view());
  out.put(to.address.view());
  out.u16be(from.port);
  out.u16be(to.port);
  return std::move(out).take();
}

bool may_be_proxy_header(ByteView bytes) {
  const std::size_t size = std::min(bytes.size(), kProxySignature);
  return equal(bytes.first(size), ByteView(kSignature).first(size));
}

Result<std::optional<ProxyHeader>> parse_proxy_header(ByteView bytes) {
  if (!may_be_proxy_header(bytes)) return malformed("no PROXY header");
  if (bytes.size() < kFixed) return std::nullopt;
  const std::uint8_t command = bytes[12];
  const std::uint8_t family = bytes[13];
  const std::size_t length = u16(bytes, 14);
  if (command != kLocal && command != kProxy) return malformed("another version, or an unknown command");
  if (kFixed + length > kMaxProxyHeader) return malformed("the header is too long");
  if (bytes.size() < kFixed + length) return std::nullopt;
  ProxyHeader out{.size = kFixed + length, .from = {}};
  const ByteView addresses = bytes.subspan(kFixed, length);
  const std::size_t each = family == kTcp4 ? 4 : family == kTcp6 ? 16 : 0;
  if (command == kLocal || each == 0) return out;
  if (addresses.size() < 2 * each + 4) return malformed("the header's addresses are cut short");
  out.from = IpEndpoint{*IpAddress::from_bytes(addresses.first(each)), u16(addresses, 2 * each)};
  return out;
}

}  // namespace gateway::net
