#include "egress/client_hello.h"

#include "net/egress_link.h"

namespace gateway::egress {
namespace {

constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kClientHelloType = 1;
constexpr std::size_t kRecordHead = 5;
constexpr std::size_t kMaxRecord = 16'384;
constexpr std::uint16_t kServerName = 0;

std::unexpected<Error> bad_hello(const char* what) {
  return fail(ErrorCode::kMalformed, "egress.hello", what,
              "the destination is in egress.allow, so the connection must be TLS to its name");
}

Result<std::string> name_in(ByteView extension) {
  ByteReader reader(extension, "egress.hello");
  GATEWAY_ASSIGN(const std::uint16_t list, reader.u16be());
  GATEWAY_ASSIGN(const std::uint8_t type, reader.u8());
  GATEWAY_ASSIGN(const std::uint16_t length, reader.u16be());
  GATEWAY_ASSIGN(const ByteView bytes, reader.take(length));
  GATEWAY_TRY(reader.finish("egress.hello"));
  if (type != 0 || list != length + 3) return bad_hello("server_name is not one host name");
  std::string name(as_text(bytes));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!net::well_formed_host_name(name)) return bad_hello("server_name is not a host's name");
  return name;
}

Result<std::string> parse_hello(ByteView body) {
  ByteReader reader(body, "egress.hello");
  GATEWAY_TRY(reader.take(2 + 32));  // version, random
  GATEWAY_ASSIGN(const std::uint8_t session, reader.u8());
  GATEWAY_TRY(reader.take(session));
  GATEWAY_ASSIGN(const std::uint16_t suites, reader.u16be());
  GATEWAY_TRY(reader.take(suites));
  GATEWAY_ASSIGN(const std::uint8_t compressions, reader.u8());
  GATEWAY_TRY(reader.take(compressions));
  GATEWAY_ASSIGN(const std::uint16_t size, reader.u16be());
  GATEWAY_ASSIGN(const ByteView extensions, reader.take(size));
  GATEWAY_TRY(reader.finish("egress.hello"));
  std::optional<std::string> name;
  for (ByteReader each(extensions, "egress.hello"); !each.empty();) {
    GATEWAY_ASSIGN(const std::uint16_t type, each.u16be());
    GATEWAY_ASSIGN(const std::uint16_t length, each.u16be());
    GATEWAY_ASSIGN(const ByteView content, each.take(length));
    if (type != kServerName) continue;
    if (name) return bad_hello("server_name is there twice");
    GATEWAY_ASSIGN(name, name_in(content));
  }
  if (!name) return bad_hello("the ClientHello names no server");
  return *std::move(name);
}

}  // namespace

Result<std::optional<std::string>> server_name_of(ByteView stream) {
  if (stream.size() > kMaxClientHello) return bad_hello("the first flight is too long");
  Bytes handshake;
  while (!stream.empty()) {
    if (stream[0] != kHandshakeRecord) return bad_hello("the first bytes are no TLS handshake");
    if (stream.size() > 1 && stream[1] != 3) return bad_hello("the first bytes are no TLS record");
    if (stream.size() < kRecordHead) return std::nullopt;
    const std::size_t length = std::size_t{stream[3]} << 8U | stream[4];
    if (length == 0 || length > kMaxRecord) return bad_hello("a record's length is out of range");
    append(handshake, stream.subspan(kRecordHead, std::min(length, stream.size() - kRecordHead)));
    if (!handshake.empty() && handshake[0] != kClientHelloType) return bad_hello("the first message is no ClientHello");
    if (handshake.size() >= 4) {
      const std::size_t whole = 4 + (std::size_t{handshake[1]} << 16U | std::size_t{handshake[2]} << 8U | handshake[3]);
      if (whole > kMaxClientHello) return bad_hello("the ClientHello is too long");
      if (handshake.size() > whole) return bad_hello("something follows the ClientHello at once");
      if (handshake.size() == whole) return parse_hello(ByteView(handshake).subspan(4));
    }
    if (stream.size() < kRecordHead + length) return std::nullopt;
    stream = stream.subspan(kRecordHead + length);
  }
  return std::nullopt;
}

}  // namespace gateway::egress
