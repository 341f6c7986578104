// DNS messages, as much as an enclave needs: one question for one host's addresses, and its answer.
//
// Input:  queries of the workload; answers that the host handed over, hostile. Names must be those of hosts; pointers
//         must point backwards; an answer that is not to the very question is none. What the workload gets is encoded
//         anew from the addresses alone.
// Bounds: kMaxDnsMessage; kMaxDnsAddresses; chains of at most 8 aliases.
// Spec:   RFC 1035 §4, RFC 2181 §8 (TTL). Errors: kMalformed egress.dns
#pragma once

#include <span>
#include <vector>

#include "net/ip.h"

namespace gateway::egress {

inline constexpr std::size_t kMaxDnsMessage = 4096;
inline constexpr std::size_t kMaxDnsAddresses = 32;

enum DnsType : std::uint16_t { kDnsA = 1, kDnsCname = 5, kDnsAaaa = 28 };
enum DnsCode : std::uint8_t { kDnsNoError = 0, kDnsServerFailure = 2, kDnsNoSuchName = 3, kDnsRefused = 5 };

struct DnsQuestion {
  std::uint16_t id = 0;
  std::uint16_t type = 0;  // any
  std::string name;        // lower case
  Bytes wire;              // the question as it was asked, its letters' case included
};
Result<DnsQuestion> parse_dns_query(ByteView message);
Bytes encode_dns_query(std::uint16_t id, std::string_view name, std::uint16_t type);

struct DnsAddress {
  net::IpAddress address;
  std::uint32_t ttl = 0;  // seconds; the least on the way to it
};
struct DnsAnswer {
  std::uint8_t code = 0;
  std::vector<DnsAddress> addresses;
};
// The answer to encode_dns_query(id, name, type).
Result<DnsAnswer> parse_dns_answer(ByteView message, std::uint16_t id, std::string_view name, std::uint16_t type);
Bytes encode_dns_answer(const DnsQuestion& question, std::uint8_t code, std::span<const DnsAddress> addresses);

}  // namespace gateway::egress
