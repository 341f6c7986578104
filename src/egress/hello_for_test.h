// For tests: a ClientHello with a server's name in it, in records of so many bytes; an empty name: without one.
#pragma once

#include <algorithm>

#include "base/bytes.h"

namespace gateway::egress {

inline Bytes client_hello(std::string_view name, std::size_t per_record = 16'000) {
  ByteWriter extension;
  extension.u16be(static_cast<std::uint16_t>(name.size() + 3));
  extension.u8(0);
  extension.u16be(static_cast<std::uint16_t>(name.size()));
  extension.put(name);
  ByteWriter body;
  body.u16be(0x0303);
  body.zeros(32);
  body.u8(0);
  body.u16be(2);
  body.u16be(0x1301);
  body.u8(1);
  body.u8(0);
  const bool named = !name.empty();
  body.u16be(static_cast<std::uint16_t>(6 + (named ? extension.bytes().size() + 4 : 0)));
  body.u16be(43);
  body.u16be(2);
  body.u16be(0x0304);
  if (named) {
    body.u16be(0);
    body.u16be(static_cast<std::uint16_t>(extension.bytes().size()));
    body.put(extension.bytes());
  }
  ByteWriter message;
  message.u8(1);
  message.u8(0);
  message.u16be(static_cast<std::uint16_t>(body.bytes().size()));
  message.put(body.bytes());
  ByteWriter out;
  for (ByteView rest = message.bytes(); !rest.empty();) {
    const ByteView piece = rest.first(std::min(per_record, rest.size()));
    out.u8(22);
    out.u16be(0x0301);
    out.u16be(static_cast<std::uint16_t>(piece.size()));
    out.put(piece);
    rest = rest.subspan(piece.size());
  }
  return std::move(out).take();
}

}  // namespace gateway::egress
