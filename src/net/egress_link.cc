#include "net/egress_link.h"

#include <algorithm>

namespace gateway::net {

std::string_view to_string(EgressStatus status) {
  switch (status) {
    case EgressStatus::kOk: return "ok";
    case EgressStatus::kRefused: return "refused by the host";
    case EgressStatus::kUnreachable: return "unreachable";
    case EgressStatus::kTimedOut: return "timed out";
    case EgressStatus::kBusy: return "busy";
    case EgressStatus::kNotOffered: return "not offered by the host";
  }
  return "unknown";
}

Bytes encode_target(const EgressTarget& target) {
  ByteWriter out;
  out.u16be(target.endpoint.port);
  out.u8(static_cast<std::uint8_t>(target.endpoint.address.view().size()));
  out.put(target.endpoint.address.view());
  out.put(target.name);
  return std::move(out).take();
}

Result<EgressTarget> parse_target(ByteView body) {
  ByteReader reader(body, "egress.link");
  EgressTarget out;
  GATEWAY_ASSIGN(out.endpoint.port, reader.u16be());
  GATEWAY_ASSIGN(const std::uint8_t size, reader.u8());
  GATEWAY_ASSIGN(const ByteView address, reader.take(size));
  const auto parsed = IpAddress::from_bytes(address);
  out.name = std::string(as_text(reader.rest()));
  if (!parsed || out.endpoint.port == 0 || (!out.name.empty() && !well_formed_host_name(out.name))) {
    return fail(ErrorCode::kMalformed, "egress.link", "a target is none");
  }
  out.endpoint.address = *parsed;
  return out;
}

Bytes encode_egress(std::uint8_t code, ByteView body) {
  ByteWriter out;
  out.u8(code);
  out.u16be(static_cast<std::uint16_t>(body.size()));
  out.put(body);
  return std::move(out).take();
}

Result<std::optional<EgressMessage>> take_egress(ByteView bytes, std::size_t& used) {
  if (bytes.size() < kEgressHead) return std::nullopt;
  const std::size_t length = (std::size_t{bytes[1]} << 8U) | bytes[2];
  if (length > kMaxEgressBody) return fail(ErrorCode::kMalformed, "egress.link", "a message is too long");
  if (bytes.size() < kEgressHead + length) return std::nullopt;
  used = kEgressHead + length;
  return EgressMessage{bytes[0], to_bytes(bytes.subspan(kEgressHead, length))};
}

bool well_formed_host_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxHostName || IpAddress::parse(name)) return false;
  std::size_t label = 0;
  bool digits_only = true;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      digits_only = true;
      continue;
    }
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'z') && c != '-' && c != '_') return false;
    digits_only = digits_only && digit;
    if (++label > 63) return false;
  }
  // A last label of digits makes it an address in somebody's eyes ("127.1").
  return label > 0 && !digits_only;
}

}  // namespace gateway::net
