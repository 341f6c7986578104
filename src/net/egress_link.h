// How an enclave asks its host for a way out. The host dials, because one parent has many enclaves: the enclave says
// kDial on its control channel, the host opens a connection to the enclave's egress port, the enclave writes one
// request on it and reads one answer; after the answer to connect or packets the connection belongs to their bytes.
//
// What each side says is hostile input to the other. The enclave has decided already; the host may refuse more.
// Request:  u8 kind, u16be length, body.      Answer: u8 status, u16be length, body.
//   connect      u16be port, u8 size of the address (4, 16), address, name (for the host's own list; may be empty)
//                → empty
//   resolve      a DNS query → the DNS answer, as it came
//   credentials  empty → JSON of AWS's instance role (AccessKeyId, SecretAccessKey, Token, Expiration)
//   packets      empty → empty; then u16be length, IP packet, both ways
// Bounds: kMaxEgressBody. Errors: kMalformed egress.link
#pragma once

#include <optional>

#include "base/bytes.h"
#include "net/ip.h"

namespace gateway::net {

inline constexpr std::size_t kMaxEgressBody = 16UZ * 1024;
inline constexpr std::size_t kEgressHead = 3;
inline constexpr std::size_t kMaxHostName = 253;

enum class EgressKind : std::uint8_t { kConnect = 1, kResolve = 2, kCredentials = 3, kPackets = 4 };
enum class EgressStatus : std::uint8_t {
  kOk = 0,
  kRefused = 1,      // the host's own list
  kUnreachable = 2,  // or the other side refuses
  kTimedOut = 3,
  kBusy = 4,
  kNotOffered = 5,
};
std::string_view to_string(EgressStatus status);

struct EgressTarget {
  std::string name;  // as the workload asked for it; empty: by its address
  IpEndpoint endpoint;
};
Bytes encode_target(const EgressTarget& target);
Result<EgressTarget> parse_target(ByteView body);

// Requests and answers alike: a byte, a length, a body.
struct EgressMessage {
  std::uint8_t code = 0;
  Bytes body;
};
Bytes encode_egress(std::uint8_t code, ByteView body);
// From the front of what has come; nullopt: more is needed. `used`: the message's bytes.
Result<std::optional<EgressMessage>> take_egress(ByteView bytes, std::size_t& used);

// [a-z0-9_-] labels of at most 63 separated by dots, at most kMaxHostName, no dot at the end, not an address.
bool well_formed_host_name(std::string_view name);

}  // namespace gateway::net
